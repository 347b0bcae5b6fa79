import { useState } from "react";
import { useWallet } from "../../entities/wallet.tsx";
import { Badge, Button, IconButton } from "../../shared/ui.tsx";
import { ConnectButton } from "../console/connect.tsx";
import { type Conversation, matches, toMarkdown } from "./conversation.ts";
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
          <p className="quiet">
            <Badge tone="good" icon="lock">
              kept encrypted
            </Badge>{" "}
            in this browser, under your wallet's signature.
          </p>
        ) : wallet ? (
          <>
            <p className="quiet">
              Kept only while this page is open. Your wallet's signature can encrypt it here and bring back
              what you had.
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

function save(name: string, type: string, text: string): void {
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(new Blob([text], { type })),
    download: name,
  });
  link.click();
  URL.revokeObjectURL(link.href);
}

export function ExportMenu({ conversation }: { conversation: Conversation }) {
  const name = conversation.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40) || "conversation";
  return (
    <>
      <IconButton
        icon="download"
        label="Export as Markdown"
        onClick={() => save(`${name}.md`, "text/markdown", toMarkdown(conversation))}
      />
      <IconButton
        icon="file"
        label="Export everything as JSON"
        onClick={() => save(`${name}.json`, "application/json", JSON.stringify(conversation, null, 2))}
      />
    </>
  );
}
