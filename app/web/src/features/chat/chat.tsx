/** Chat: conversations on this network, each answer with its price and its receipt. */
import "../../styles/chat.css";
import { type KeyboardEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Model, useNetwork } from "../../entities/coordinator.ts";
import { usdc } from "../../shared/format.ts";
import { Button, Dialog, IconButton, useTitle } from "../../shared/ui.tsx";
import { path, siblings } from "./conversation.ts";
import { ExportMenu, History } from "./history.tsx";
import { MessageView } from "./message.tsx";
import { KeyForm, MemoryForm } from "./panels.tsx";
import { type ChatState, useChat } from "./use-chat.ts";

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
