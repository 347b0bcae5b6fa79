/** The side of the chat: conversations, and where they are kept. */
import { useState } from "react";
import { useWallet } from "../../entities/wallet.tsx";
import { saveFile } from "../../shared/download.ts";
import { ago } from "../../shared/format.ts";
import { Badge, Button, IconButton, useNow } from "../../shared/ui.tsx";
import { ConnectButton } from "../console/connect.tsx";
import { type Conversation, matches, toMarkdown } from "./conversation.ts";
import type { SyncState } from "./library.ts";
import type { ChatState } from "./use-chat.ts";

export function History({ chat, onChosen }: { chat: ChatState; onChosen: () => void }) {
  const { wallet } = useWallet();
  const [query, setQuery] = useState("");
  const found = query.trim()
    ? chat.conversations.filter((conversation) => matches(conversation, query.trim()))
    : chat.conversations;
  return (
    <>
      <Button
        icon="plus"
        onClick={() => {
          chat.choose(null);
          onChosen();
        }}
      >
        New conversation
      </Button>
      <input
        className="side-search"
        type="search"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        placeholder="Search conversations"
        aria-label="Search conversations"
      />
      <ul className="side-list">
        {found.map((conversation) => (
          <li key={conversation.id} className={chat.open?.id === conversation.id ? "chosen" : ""}>
            <button
              type="button"
              aria-current={chat.open?.id === conversation.id}
              onClick={() => {
                chat.choose(conversation.id);
                onChosen();
              }}
            >
              {conversation.title}
            </button>
            <IconButton
              icon="trash"
              label={`Delete ${conversation.title}`}
              onClick={() => chat.remove(conversation.id)}
            />
          </li>
        ))}
        {found.length === 0 && (
          <li className="quiet empty">{query ? "Nothing has those words" : "No conversations yet"}</li>
        )}
      </ul>
      <div className="side-foot">
        {chat.kept ? (
          <SyncLine sync={chat.sync} />
        ) : wallet ? (
          <>
            <p className="quiet">
              Kept only while this page is open. Your wallet's signature can encrypt it, and bring back what
              you had, here and on your other devices.
            </p>
            <Button icon="lock" onClick={() => void chat.unlock()}>
              Unlock history
            </Button>
          </>
        ) : (
          <>
            <p className="quiet">
              Kept only while this page is open. Connect a wallet to keep it, encrypted.
            </p>
            <ConnectButton tone="plain" />
          </>
        )}
        {chat.problem && (
          <p className="field-about wrong" role="alert">
            {chat.problem}
          </p>
        )}
      </div>
    </>
  );
}

/** Where the history is, and how far the other devices have it. */
function SyncLine({ sync }: { sync: SyncState }) {
  const now = useNow(5_000);
  const kept = (
    <Badge tone="good" icon="lock">
      kept encrypted
    </Badge>
  );
  if (sync.state === "done")
    return (
      <p className="quiet" role="status">
        {kept} and synced {ago(sync.at, now)}: your wallet opens it on other devices. The coordinator cannot
        read it.
        {sync.tooLarge > 0 && ` ${sync.tooLarge} too large to sync stay in this browser.`}
      </p>
    );
  if (sync.state === "failed")
    return (
      <p className="quiet" role="status">
        {kept} in this browser.{" "}
        {sync.absent ? "This coordinator keeps nothing for other devices." : `Not synced: ${sync.why}`}
      </p>
    );
  return (
    <p className="quiet" role="status">
      {kept} in this browser{sync.state === "busy" && ", syncing…"}
    </p>
  );
}

export function ExportMenu({ conversation }: { conversation: Conversation }) {
  const name = conversation.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40) || "conversation";
  return (
    <>
      <IconButton
        icon="download"
        label="Export as Markdown"
        onClick={() => saveFile(`${name}.md`, "text/markdown", toMarkdown(conversation))}
      />
      <IconButton
        icon="file"
        label="Export everything as JSON"
        onClick={() => saveFile(`${name}.json`, "application/json", JSON.stringify(conversation, null, 2))}
      />
    </>
  );
}
