/** A question or an answer, with its branches, its price and its receipt. */
import { readAnswer, readDocument } from "@pinaivu/verify";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Popover } from "radix-ui";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { useChain } from "../../entities/chain.ts";
import { verifyRequest } from "../../entities/verification.ts";
import { fine } from "../../shared/format.ts";
import { Icon } from "../../shared/icons.tsx";
import { Button, Copy, IconButton, Notice } from "../../shared/ui.tsx";
import type { Message } from "./conversation.ts";

const Markdown = lazy(() => import("./markdown.tsx"));

export interface MessageActions {
  retry(message: Message): void;
  edit(message: Message, text: string): void;
  branch(message: Message, by: number): void;
  /** Shows what is remembered. */
  memory(): void;
}

export function MessageView({
  message,
  place,
  of,
  busy,
  actions,
}: {
  message: Message;
  place: number;
  of: number;
  busy: boolean;
  actions: MessageActions;
}) {
  return message.role === "user" ? (
    <Question message={message} place={place} of={of} busy={busy} actions={actions} />
  ) : (
    <Answer message={message} place={place} of={of} busy={busy} actions={actions} />
  );
}

type Props = Parameters<typeof MessageView>[0];

function Branches({ message, place, of, actions, busy }: Props) {
  if (of < 2) return null;
  return (
    <span className="branches">
      <IconButton
        icon="left"
        label="Previous version"
        disabled={place === 0 || busy}
        onClick={() => actions.branch(message, -1)}
      />
      <span>
        {place + 1} / {of}
      </span>
      <IconButton
        icon="right"
        label="Next version"
        disabled={place === of - 1 || busy}
        onClick={() => actions.branch(message, 1)}
      />
    </span>
  );
}

function Question(props: Props) {
  const { message, actions, busy } = props;
  const [draft, setDraft] = useState<string | null>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const editing = draft !== null;
  useEffect(() => {
    if (editing) box.current?.focus();
  }, [editing]);
  if (draft !== null) {
    const save = () => {
      if (draft.trim()) actions.edit(message, draft.trim());
      setDraft(null);
    };
    return (
      <article className="question editing" aria-label="Your question">
        <textarea
          ref={box}
          aria-label="Edit your question"
          rows={Math.min(10, draft.split("\n").length + 1)}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") setDraft(null);
            if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
              event.preventDefault();
              save();
            }
          }}
        />
        <div className="button-row end">
          <Button tone="quiet" onClick={() => setDraft(null)}>
            Cancel
          </Button>
          <Button tone="primary" onClick={save}>
            Ask this instead
          </Button>
        </div>
      </article>
    );
  }
  return (
    <article className="question" aria-label="Your question">
      {message.images && (
        <div className="question-images">
          {message.images.map((image, at) => (
            <img
              key={image.slice(-64) + String(at)}
              src={image}
              alt={`Attachment ${at + 1} of your question`}
            />
          ))}
        </div>
      )}
      <p>{message.content}</p>
      <div className="message-actions">
        <Branches {...props} />
        {message.learned && (
          <MemoryList
            facts={message.learned}
            says={`${message.learned.length} kept`}
            title="Kept from this"
            onAll={actions.memory}
          />
        )}
        <IconButton icon="edit" label="Edit" disabled={busy} onClick={() => setDraft(message.content)} />
      </div>
    </article>
  );
}

function Answer(props: Props) {
  const { message, actions, busy } = props;
  const streaming = message.state === "streaming";
  return (
    <article className="answer" aria-label="Answer" aria-busy={streaming}>
      {message.reasoning && (
        <details className="reasoning">
          <summary>
            {streaming && message.content === "" ? (
              <>
                <span className="spinner" aria-hidden /> Thinking…
              </>
            ) : (
              "Reasoning"
            )}
          </summary>
          <p>{message.reasoning}</p>
        </details>
      )}
      {message.content ? (
        <Suspense fallback={<p className="plain-text">{message.content}</p>}>
          <Markdown text={message.content} />
        </Suspense>
      ) : (
        streaming &&
        !message.reasoning && (
          <p className="running">
            <span className="spinner" aria-hidden /> Waiting for the first token…
          </p>
        )
      )}
      {message.state === "stopped" && <p className="quiet">{message.problem ?? "Stopped."}</p>}
      {message.state === "failed" && (
        <Notice tone="bad" icon="warn" title="No answer">
          {message.problem}
        </Notice>
      )}
      {!streaming && (
        <div className="message-actions">
          <Branches {...props} />
          {message.content && <Copy text={message.content} label="the answer" />}
          <IconButton icon="retry" label="Try again" disabled={busy} onClick={() => actions.retry(message)} />
          <span className="answer-facts">
            {message.facts?.model && <span>{message.facts.model}</span>}
            {message.facts?.firstTokenMillis !== null && message.facts && (
              <span>{message.facts.firstTokenMillis} ms to the first token</span>
            )}
            {message.facts && message.facts.memories.length > 0 && (
              <MemoryList
                facts={message.facts.memories}
                says={`${message.facts.memories.length} remembered`}
                title="Sent along with the question"
                onAll={actions.memory}
              />
            )}
          </span>
          {message.facts?.requestId && <ReceiptBadge message={message} />}
        </div>
      )}
    </article>
  );
}

/** Memories that a message used or left, one click away. */
function MemoryList({
  facts,
  says,
  title,
  onAll,
}: {
  facts: readonly string[];
  says: string;
  title: string;
  onAll: () => void;
}) {
  return (
    <Popover.Root>
      <Popover.Trigger className="memory-used">
        <Icon name="memory" /> {says}
      </Popover.Trigger>
      <Popover.Portal container={document.getElementById("content")}>
        <Popover.Content className="menu popover" sideOffset={6} collisionPadding={8} aria-label={title}>
          <p className="quiet">{title}</p>
          <ul>
            {facts.map((fact) => (
              <li key={fact}>{fact}</li>
            ))}
          </ul>
          <Popover.Close asChild>
            <Button icon="memory" onClick={onAll}>
              All memories
            </Button>
          </Popover.Close>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

/** Verifies the answer that is shown, with the request that was sent, and says what it cost. */
function ReceiptBadge({ message }: { message: Message }) {
  const chain = useChain();
  const facts = message.facts;
  const id = facts?.requestId ?? "";
  const check = useQuery({
    queryKey: ["verify", id, message.state, chain?.url],
    queryFn: async () => {
      const encode = (text: string) => new TextEncoder().encode(text);
      const whole = message.state === "done" && facts;
      const evidence = facts?.salt
        ? {
            salt: facts.salt,
            request: encode(facts.request),
            ...(whole ? { answer: readAnswer(encode(JSON.stringify(facts.chunks))).answer } : {}),
          }
        : {};
      const { report, served, chainProblem } = await verifyRequest(id, chain, evidence, () => undefined);
      const cost = readDocument(served).entries.reduce((sum, entry) => sum + entry.receipt.body.amount, 0n);
      return {
        failed: report.failed,
        passed: report.passed,
        open: report.checks.some((found) => found.id === "anchor" && found.verdict === "not_checked"),
        cost,
        chainProblem,
      };
    },
    // The receipt is written after the last byte, and anchored a little later.
    retry: 20,
    retryDelay: 700,
    refetchInterval: (query) => (query.state.data?.open && !query.state.data.chainProblem ? 3_000 : false),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const found = check.data;
  const tone = !found
    ? "neutral"
    : found.failed > 0
      ? "bad"
      : found.chainProblem || found.open
        ? "wait"
        : "good";
  const words = !found
    ? check.error
      ? "no receipt"
      : "receipt…"
    : found.failed > 0
      ? "does not hold"
      : found.chainProblem
        ? "chain not read"
        : found.open
          ? "signed, not anchored yet"
          : "verified";
  return (
    <Link to="/receipts/$id" params={{ id }} className={`badge receipt-badge ${tone}`}>
      <Icon name={tone === "good" ? "shield" : tone === "bad" ? "cross" : "file"} />
      {words}
      {found && <span className="number"> · {fine(found.cost)} USDC</span>}
    </Link>
  );
}
