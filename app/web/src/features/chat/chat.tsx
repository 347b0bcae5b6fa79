/** Chat: conversations on this network, each answer with its price and its receipt. */
import "../../styles/chat.css";
import { Link } from "@tanstack/react-router";
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { listAllowancesOf, useChain } from "../../entities/chain.ts";
import { type Model, useNetwork } from "../../entities/coordinator.ts";
import { createKey, looksLikeKey } from "../../entities/keys.ts";
import { useWallet } from "../../entities/wallet.tsx";
import { usdc } from "../../shared/format.ts";
import { Badge, Button, Dialog, Field, IconButton, Notice, useTitle } from "../../shared/ui.tsx";
import { ConnectButton } from "../console/connect.tsx";
import { type Conversation, matches, path, siblings, toMarkdown } from "./conversation.ts";
import { MessageView } from "./message.tsx";
import { useChat } from "./use-chat.ts";

const KEY = "pinaivu.chat.key";

export default function Chat() {
  useTitle("Chat");
  const network = useNetwork();
  // A key lives as long as the tab: what outlasts it would lie in this browser unencrypted.
  const [key, setKey] = useState(() => sessionStorage.getItem(KEY) ?? "");
  const [model, setModel] = useState<string | null>(null);
  const [memory, setMemory] = useState(true);
  const [panel, setPanel] = useState<"none" | "key" | "memory">("none");
  const [side, setSide] = useState(false);
  const models = network.data?.models ?? [];
  const chosen = models.find((candidate) => candidate.id === model) ?? models[0];
  const settings = useMemo(() => ({ model: chosen?.id ?? "", key, memory }), [chosen?.id, key, memory]);
  const chat = useChat(settings);
  const shown = chat.open ? path(chat.open) : [];

  const takeKey = (next: string) => {
    setKey(next);
    if (next) sessionStorage.setItem(KEY, next);
    else sessionStorage.removeItem(KEY);
    setPanel("none");
  };

  return (
    <div className={`chat ${side ? "side-open" : ""}`}>
      <aside className="chat-side" aria-label="Conversations">
        <History chat={chat} onChosen={() => setSide(false)} />
      </aside>
      <section className="chat-main" aria-label="Conversation">
        <header className="chat-bar">
          <span className="only-narrow">
            <IconButton
              icon="menu"
              label="Conversations"
              aria-expanded={side}
              onClick={() => setSide(!side)}
            />
          </span>
          <ModelPicker models={models} chosen={chosen} onChoose={setModel} />
          <div className="button-row">
            <Button tone="quiet" icon="memory" onClick={() => setPanel("memory")}>
              {memory ? `Memory${chat.memories.length ? ` (${chat.memories.length})` : ""}` : "Memory off"}
            </Button>
            <Button tone="quiet" icon="key" onClick={() => setPanel("key")}>
              {key ? "Key" : "Add a key"}
            </Button>
            {chat.open && <ExportMenu conversation={chat.open} />}
          </div>
        </header>
        <Messages chat={chat} shown={shown} hasKey={key !== ""} onKey={() => setPanel("key")} />
        <Composer chat={chat} ready={key !== "" && chosen !== undefined} model={chosen} />
      </section>
      <Dialog
        open={panel === "key"}
        onOpenChange={(open) => setPanel(open ? "key" : "none")}
        title="What pays for your questions"
        about="A key spends from the limit you set on chain, and never more."
      >
        <KeyForm current={key} onKey={takeKey} />
      </Dialog>
      <Dialog
        open={panel === "memory"}
        onOpenChange={(open) => setPanel(open ? "memory" : "none")}
        title="Memory"
        about="Facts you keep, recalled in this browser by the words of your question and sent along with it. Say “remember that …”, or add one here."
      >
        <MemoryForm chat={chat} on={memory} onToggle={setMemory} />
      </Dialog>
    </div>
  );
}

type ChatState = ReturnType<typeof useChat>;

function History({ chat, onChosen }: { chat: ChatState; onChosen: () => void }) {
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

function ModelPicker({
  models,
  chosen,
  onChoose,
}: {
  models: readonly Model[];
  chosen: Model | undefined;
  onChoose: (id: string) => void;
}) {
  if (!chosen) return <span className="quiet">No model is offered right now</span>;
  const { lowest_ask, input_weight, output_weight } = chosen.pricing;
  return (
    <div className="model-picker">
      <select aria-label="Model" value={chosen.id} onChange={(event) => onChoose(event.target.value)}>
        {models.map((model) => (
          <option key={model.id} value={model.id}>
            {model.id}
          </option>
        ))}
      </select>
      <span className="quiet price-now">
        {lowest_ask === null
          ? "no ask"
          : `from ${usdc(BigInt(lowest_ask) * BigInt(input_weight))} in · ${usdc(BigInt(lowest_ask) * BigInt(output_weight))} out per million`}
      </span>
    </div>
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

function ExportMenu({ conversation }: { conversation: Conversation }) {
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

function Messages({
  chat,
  shown,
  hasKey,
  onKey,
}: {
  chat: ChatState;
  shown: ReturnType<typeof path>;
  hasKey: boolean;
  onKey: () => void;
}) {
  const end = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const follow = useRef(true);
  const last = shown.at(-1);
  const length = (last?.content.length ?? 0) + (last?.reasoning.length ?? 0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: follows the text as it grows
  useEffect(() => {
    if (follow.current) end.current?.scrollIntoView({ block: "end" });
  }, [length, last?.id, last?.state]);
  const scrolled = useCallback(() => {
    const area = box.current;
    if (area) follow.current = area.scrollHeight - area.scrollTop - area.clientHeight < 80;
  }, []);
  const actions = { retry: chat.retry, edit: chat.edit, branch: chat.branch };
  return (
    <div
      className="messages"
      ref={box}
      onScroll={scrolled}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      role="log"
      aria-label="Messages"
      aria-live="off"
    >
      {shown.length === 0 ? (
        <div className="chat-empty">
          <h1>Ask the network.</h1>
          <p className="lead">
            Nodes compete for your question. The answer comes with its price, and a receipt that this page
            checks for you.
          </p>
          {!hasKey && (
            <Button tone="primary" icon="key" onClick={onKey}>
              Add a key to begin
            </Button>
          )}
          <p className="quiet">
            The node that answers sees your question, and so does the coordinator. Do not send what no
            stranger may read.
          </p>
        </div>
      ) : (
        <>
          <h1 className="unseen">{chat.open?.title}</h1>
          {shown.map((message) => {
            const all = chat.open ? siblings(chat.open, message) : [message];
            return (
              <MessageView
                key={message.id}
                message={message}
                place={all.findIndex((other) => other.id === message.id)}
                of={all.length}
                busy={chat.busy}
                actions={actions}
              />
            );
          })}
        </>
      )}
      <div ref={end} />
      <p className="unseen" role="status">
        {last?.role === "assistant" &&
          (last.state === "streaming"
            ? "The answer is being written"
            : last.state === "done"
              ? `Answer: ${last.content}`
              : (last.problem ?? "Stopped"))}
      </p>
    </div>
  );
}

function Composer({ chat, ready, model }: { chat: ChatState; ready: boolean; model: Model | undefined }) {
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  const lines = Math.min(8, text.split("\n").length);
  const send = () => {
    const question = text.trim();
    if (!question || !ready || chat.busy) return;
    setText("");
    chat.ask(question);
  };
  useEffect(() => {
    const key = (event: globalThis.KeyboardEvent) => {
      if (event.key === "Escape" && chat.busy) chat.stop();
    };
    window.addEventListener("keydown", key);
    return () => window.removeEventListener("keydown", key);
  }, [chat.busy, chat.stop]);
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={box}
        rows={lines}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
        aria-label="Your question"
        placeholder={model ? `Ask ${model.id}` : "Waiting for a model"}
      />
      {chat.busy ? (
        <button type="button" className="send" aria-label="Stop" onClick={chat.stop}>
          <span className="stop-square" aria-hidden />
        </button>
      ) : (
        <button type="submit" className="send" aria-label="Send" disabled={!ready || !text.trim()}>
          <svg
            className="icon"
            viewBox="0 0 16 16"
            width="18"
            height="18"
            fill="none"
            stroke="currentColor"
            strokeWidth="1.8"
            strokeLinecap="round"
            strokeLinejoin="round"
            aria-hidden="true"
          >
            <path d="M8 13.500v-11M3.500 7 8 2.500 12.500 7" />
          </svg>
        </button>
      )}
    </form>
  );
}

function KeyForm({ current, onKey }: { current: string; onKey: (key: string) => void }) {
  const network = useNetwork();
  const chain = useChain();
  const { wallet } = useWallet();
  const [text, setText] = useState(current);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const fromWallet = async () => {
    if (!wallet || !chain || !network.data) return;
    setBusy(true);
    setProblem(null);
    try {
      const allowances = await listAllowancesOf(chain, wallet.address);
      const now = BigInt(Math.floor(Date.now() / 1000));
      const allowance = allowances.find(
        (found) => found.coordinator === chain.place.coordinator && found.expiryTime > now,
      );
      if (!allowance)
        return setProblem("This wallet has set no limit for the coordinator yet: do that in the console.");
      onKey((await createKey(wallet, network.data, allowance.address, "chat")).key);
    } catch (error) {
      setProblem(error instanceof Error && error.message ? error.message : "No key was made.");
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <form
        className="stack tight"
        onSubmit={(event) => {
          event.preventDefault();
          const key = text.trim();
          if (key && !looksLikeKey(key))
            return setProblem("A key begins with sk-pnv- and has 55 characters.");
          onKey(key);
        }}
      >
        <Field
          label="API key"
          type="password"
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="sk-pnv-…"
          error={problem}
          help="Kept for this tab only"
        />
        <div className="button-row">
          <Button type="submit" tone="primary">
            {text.trim() || !current ? "Use this key" : "Remove the key"}
          </Button>
        </div>
      </form>
      {wallet ? (
        <Notice
          icon="wallet"
          title="Or make one with your wallet"
          action={
            <Button icon="key" busy={busy} onClick={() => void fromWallet()}>
              Make a key for this chat
            </Button>
          }
        >
          Your wallet signs a command; no money moves.
        </Notice>
      ) : (
        <Notice icon="wallet" title="Or connect a wallet" action={<ConnectButton tone="plain" />}>
          It can make a key for you. Money and limits are in the <Link to="/console">console</Link>.
        </Notice>
      )}
    </div>
  );
}

function MemoryForm({
  chat,
  on,
  onToggle,
}: {
  chat: ChatState;
  on: boolean;
  onToggle: (on: boolean) => void;
}) {
  const [text, setText] = useState("");
  return (
    <div className="stack">
      <label className="switch">
        <input type="checkbox" checked={on} onChange={(event) => onToggle(event.target.checked)} /> Use memory
        in answers
      </label>
      <form
        className="stack tight"
        onSubmit={(event) => {
          event.preventDefault();
          chat.remember(text);
          setText("");
        }}
      >
        <Field
          label="Something to remember"
          value={text}
          maxLength={400}
          onChange={(event) => setText(event.target.value)}
          placeholder="I write Rust and prefer short answers"
          help={chat.kept ? "Kept encrypted in this browser" : "Kept only while this page is open"}
        />
        <div>
          <Button type="submit" disabled={!text.trim()}>
            Remember
          </Button>
        </div>
      </form>
      <Suggestions chat={chat} />
      {chat.memories.length === 0 ? (
        <Notice icon="memory" title="Nothing is remembered" />
      ) : (
        <ul className="memories">
          {chat.memories.map((memory) => (
            <li key={memory.id}>
              <input
                aria-label="A memory"
                defaultValue={memory.text}
                onBlur={(event) =>
                  event.target.value.trim() &&
                  event.target.value.trim() !== memory.text &&
                  chat.rewrite(memory.id, event.target.value)
                }
              />
              <IconButton
                icon="trash"
                label={`Forget: ${memory.text}`}
                onClick={() => chat.forget(memory.id)}
              />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Suggestions({ chat }: { chat: ChatState }) {
  const [found, setFound] = useState<string[] | null>(null);
  const [state, setState] = useState<"idle" | "busy" | "failed">("idle");
  if (!chat.open) return null;
  const look = async () => {
    setState("busy");
    try {
      setFound(await chat.suggest());
      setState("idle");
    } catch {
      setState("failed");
    }
  };
  return (
    <div className="stack tight">
      <div className="button-row">
        <Button icon="search" busy={state === "busy"} onClick={() => void look()}>
          Find facts in this conversation
        </Button>
        <span className="quiet">asks the model, and costs a question</span>
      </div>
      {state === "failed" && <Notice tone="bad" icon="warn" title="The model did not answer" />}
      {found?.length === 0 && <p className="quiet">It found none.</p>}
      {found && found.length > 0 && (
        <ul className="rows">
          {found.map((fact) => (
            <li className="row" key={fact}>
              <span>{fact}</span>
              <Button
                onClick={() => {
                  chat.remember(fact);
                  setFound(found.filter((other) => other !== fact));
                }}
              >
                Keep
              </Button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
