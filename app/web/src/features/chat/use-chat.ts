/** Asking and answering: what is sent, what comes, and what is remembered of it. */
import { useCallback, useEffect, useRef, useState } from "react";
import { ApiFailure } from "../../entities/coordinator.ts";
import {
  type AnswerFacts,
  add,
  type Conversation,
  change,
  emptyConversation,
  type Message,
  newId,
  path,
  switchBranch,
  turns,
} from "./conversation.ts";
import { embed } from "./embeddings.ts";
import { useLibrary } from "./library.ts";
import {
  askedToRemember,
  asSystem,
  EXTRACTION,
  factsOf,
  type Memory,
  recall,
  speaksOfSelf,
  type Vector,
} from "./memory.ts";
import { complete } from "./stream.ts";

export interface ChatSettings {
  readonly model: string;
  readonly takesImages: boolean;
  /** A model that gives vectors, if the network has one. */
  readonly embedder: string | null;
  readonly key: string;
  readonly memory: boolean;
  /** Whether facts are looked for in what the person says of themselves. */
  readonly learn: boolean;
}

const questionOf = (content: string, parent: string | null, images: readonly string[]): Message => ({
  id: newId(),
  parent,
  role: "user",
  content,
  reasoning: "",
  at: Date.now(),
  state: "done",
  problem: null,
  facts: null,
  ...(images.length > 0 ? { images } : {}),
});

export function useChat(settings: ChatSettings) {
  const library = useLibrary(settings.key);
  const { conversations, memories, update, keep, remember, placed } = library;
  const [current, setCurrent] = useState<string | null>(null);
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const known = useRef(memories);
  known.current = memories;

  const open = conversations.find((conversation) => conversation.id === current) ?? null;

  // What was locked or deleted elsewhere goes on for nobody.
  useEffect(() => {
    if (current !== null && !open) running.current?.abort();
  }, [current, open]);

  /** Memories that fit, by meaning where a model for it is offered, else by words alone. */
  const recalled = useCallback(
    async (question: string): Promise<Memory[]> => {
      if (!settings.memory || memories.length === 0) return [];
      let asked: Vector | null = null;
      if (settings.embedder) {
        const model = settings.embedder;
        const unplaced = memories.filter(({ vector }) => vector?.model !== model);
        try {
          const texts = [question, ...unplaced.map(({ text }) => text)];
          const [first = null, ...rest] = await embed(settings.key, model, texts);
          asked = first;
          const vectors = new Map(unplaced.map((memory, at) => [memory.id, rest[at]] as const));
          for (const memory of unplaced) {
            const vector = vectors.get(memory.id);
            if (vector) placed(memory, vector);
          }
          const withVectors = memories.map((memory) => ({
            ...memory,
            vector: vectors.get(memory.id) ?? memory.vector,
          }));
          return recall(withVectors, question, asked);
        } catch {
          // Without vectors words have to do; the question is not held up for it.
        }
      }
      return recall(memories, question, asked);
    },
    [memories, settings.memory, settings.embedder, settings.key, placed],
  );

  /** Has the model look for facts in a text. Paid like any question. */
  const factsIn = useCallback(
    async (text: string): Promise<string[]> => {
      const messages = [
        { role: "system", content: EXTRACTION },
        { role: "user", content: text.slice(-6_000) },
      ];
      const { model, key } = settings;
      const body = JSON.stringify({ model, messages, stream: true, temperature: 0, max_tokens: 200 });
      let found = "";
      const take = (piece: { content: string }) => {
        found += piece.content;
      };
      await complete(key, body, new AbortController().signal, take, () => undefined);
      return factsOf(found, known.current);
    },
    [settings],
  );

  const learnFrom = useCallback(
    async (conversation: string, question: Message) => {
      const { memory, learn } = settings;
      if (!memory || !learn || !library.kept || !speaksOfSelf(question.content)) return;
      if (askedToRemember(question.content)) return;
      // A fact that was not found is no reason to trouble anybody.
      const facts = await factsIn(question.content).catch(() => []);
      for (const fact of facts) remember(fact);
      if (facts.length > 0) update(conversation, (now) => change(now, question.id, { learned: facts }));
    },
    [settings, library.kept, factsIn, remember, update],
  );

  /** Has the path up to `question` answered, as a new branch after it. */
  const answer = useCallback(
    async (conversation: Conversation, question: Message) => {
      const upTo = path(conversation);
      const asked = upTo.slice(0, upTo.findIndex((message) => message.id === question.id) + 1);
      const id = newId();
      let facts: AnswerFacts = {
        model: settings.model,
        requestId: null,
        salt: null,
        request: "",
        chunks: [],
        memories: [],
        firstTokenMillis: null,
      };
      const message: Message = {
        id,
        parent: question.id,
        role: "assistant",
        content: "",
        reasoning: "",
        at: Date.now(),
        state: "streaming",
        problem: null,
        facts,
      };
      update(conversation.id, (now) => add(now, message));
      const abort = new AbortController();
      running.current = abort;
      setBusy(true);
      let content = "";
      let reasoning = "";
      const chunks: unknown[] = [];
      // Drawn once a frame, however fast the pieces come.
      let drawn = 0;
      const draw = () => {
        drawn = 0;
        update(conversation.id, (now) => change(now, id, { content, reasoning, facts }));
      };
      try {
        const used = await recalled(question.content);
        abort.signal.throwIfAborted();
        const messages = [
          ...(used.length > 0 ? [{ role: "system", content: asSystem(used) }] : []),
          ...turns(asked, settings.takesImages),
        ];
        const request = JSON.stringify({
          model: settings.model,
          messages,
          stream: true,
          stream_options: { include_usage: true },
        });
        facts = { ...facts, request, memories: used.map((memory) => memory.text) };
        const began = performance.now();
        await complete(
          settings.key,
          request,
          abort.signal,
          (piece, chunk) => {
            chunks.push(chunk);
            if ((piece.content || piece.reasoning) && facts.firstTokenMillis === null) {
              facts = { ...facts, firstTokenMillis: Math.round(performance.now() - began) };
            }
            content += piece.content;
            reasoning += piece.reasoning;
            if (drawn === 0) drawn = requestAnimationFrame(draw);
          },
          (found) => {
            facts = { ...facts, ...found };
          },
        );
        facts = { ...facts, chunks };
        update(conversation.id, (now) => change(now, id, { content, reasoning, facts, state: "done" }));
        void learnFrom(conversation.id, question);
      } catch (error) {
        facts = { ...facts, chunks };
        const stopped = abort.signal.aborted;
        const why =
          error instanceof ApiFailure || error instanceof Error ? error.message : "It is not known why.";
        update(conversation.id, (now) =>
          change(now, id, {
            content,
            reasoning,
            facts,
            state: stopped ? "stopped" : "failed",
            problem: stopped ? null : why,
          }),
        );
      } finally {
        if (drawn !== 0) cancelAnimationFrame(drawn);
        if (running.current === abort) {
          running.current = null;
          setBusy(false);
        }
      }
    },
    [settings, update, recalled, learnFrom],
  );

  const ask = useCallback(
    (text: string, images: readonly string[] = []) => {
      const base = open ?? emptyConversation(Date.now());
      const question = questionOf(text, path(base).at(-1)?.id ?? null, images);
      const next = add(base, question);
      keep(next);
      setCurrent(next.id);
      const fact = settings.memory ? askedToRemember(text) : null;
      if (fact) remember(fact);
      void answer(next, question);
    },
    [open, keep, answer, settings.memory, remember],
  );

  const suggest = useCallback(async (): Promise<string[]> => {
    if (!open) return [];
    const said = path(open)
      .filter((message) => message.role === "user")
      .map((message) => message.content);
    return factsIn(said.join("\n"));
  }, [open, factsIn]);

  return {
    ...library,
    suggest,
    open,
    busy,
    choose: setCurrent,
    ask,
    stop: () => running.current?.abort(),
    retry: (message: Message) => {
      const question = open && message.parent ? open.messages[message.parent] : undefined;
      if (open && question) void answer(open, question);
    },
    edit: (message: Message, text: string) => {
      if (!open) return;
      const question = questionOf(text, message.parent, message.images ?? []);
      const next = add(open, question);
      keep(next);
      void answer(next, question);
    },
    branch: (message: Message, by: number) =>
      open && update(open.id, (now) => switchBranch(now, message, by)),
    remove: (id: string) => {
      if (current === id) setCurrent(null);
      library.remove(id);
    },
  };
}

/** The chat as its pieces see it. */
export type ChatState = ReturnType<typeof useChat>;
