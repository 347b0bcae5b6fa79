/** Chat: conversations on this network, each answer with its price and its receipt. */
import "../../styles/chat.css";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useNetwork } from "../../entities/coordinator.ts";
import { Button, Dialog, IconButton, useTitle } from "../../shared/ui.tsx";
import { Composer } from "./composer.tsx";
import { path, siblings } from "./conversation.ts";
import { ExportMenu, History } from "./history.tsx";
import { MessageView } from "./message.tsx";
import { ModelPicker } from "./model-picker.tsx";
import { KeyForm, MemoryForm } from "./panels.tsx";
import { type ChatState, useChat } from "./use-chat.ts";

const KEY = "pinaivu.chat.key";

/** A switch that this browser keeps; on until it is switched off. */
function useSwitch(name: string): [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(() => localStorage.getItem(name) !== "off");
  return [
    on,
    (next) => {
      setOn(next);
      if (next) localStorage.removeItem(name);
      else localStorage.setItem(name, "off");
    },
  ];
}

export default function Chat() {
  useTitle("Chat");
  const network = useNetwork();
  // A key lives as long as the tab: what outlasts it would lie in this browser unencrypted.
  const [key, setKey] = useState(() => sessionStorage.getItem(KEY) ?? "");
  const [model, setModel] = useState<string | null>(null);
  const [memory, setMemory] = useSwitch("pinaivu.chat.memory");
  const [learn, setLearn] = useSwitch("pinaivu.chat.learn");
  const [panel, setPanel] = useState<"none" | "key" | "memory">("none");
  const [side, setSide] = useState(false);
  const offered = network.data?.models ?? [];
  // A model that only makes vectors cannot be talked to.
  const models = offered.filter(({ features }) => features.length === 0 || features.includes("chat"));
  const chosen = models.find((candidate) => candidate.id === model) ?? models[0];
  const embedder = offered.find(({ features }) => features.includes("embeddings"))?.id ?? null;
  const takesImages = chosen?.features.includes("images") ?? false;
  const settings = useMemo(
    () => ({ model: chosen?.id ?? "", takesImages, embedder, key, memory, learn }),
    [chosen?.id, takesImages, embedder, key, memory, learn],
  );
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
        <Messages
          chat={chat}
          shown={shown}
          hasKey={key !== ""}
          onKey={() => setPanel("key")}
          onMemory={() => setPanel("memory")}
        />
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
        about={`Facts you keep, recalled in this browser ${embedder ? `by meaning (${embedder}) and by words` : "by the words of your question"} and sent along with it. Say “remember that …”, or add one here.`}
      >
        <MemoryForm chat={chat} on={memory} onToggle={setMemory} learns={learn} onLearns={setLearn} />
      </Dialog>
    </div>
  );
}

function Messages({
  chat,
  shown,
  hasKey,
  onKey,
  onMemory,
}: {
  chat: ChatState;
  shown: ReturnType<typeof path>;
  hasKey: boolean;
  onKey: () => void;
  onMemory: () => void;
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
  const actions = { retry: chat.retry, edit: chat.edit, branch: chat.branch, memory: onMemory };
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
