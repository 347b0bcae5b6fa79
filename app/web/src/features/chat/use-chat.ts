/** The state of the chat: conversations, memories, the vault they are kept in, and the answer being written. */
import { useCallback, useEffect, useRef, useState } from "react";
import { z } from "zod";
import { ApiFailure } from "../../entities/coordinator.ts";
import { useWallet } from "../../entities/wallet.tsx";
import {
  type AnswerFacts,
  add,
  type Conversation,
  change,
  emptyConversation,
  type Message,
  newId,
  path,
  settle,
  switchBranch,
  turns,
} from "./conversation.ts";
import { askedToRemember, asSystem, EXTRACTION, factsOf, type Memory, newMemory, recall } from "./memory.ts";
import { complete } from "./stream.ts";
import { Vault } from "./vault.ts";

const MessageShape = z.looseObject({
  id: z.string(),
  parent: z.string().nullable(),
  role: z.enum(["user", "assistant"]),
  content: z.string(),
  at: z.number(),
});
const ConversationShape = z.looseObject({
  id: z.string(),
  title: z.string(),
  updated: z.number(),
  messages: z.record(z.string(), MessageShape),
  chosen: z.record(z.string(), z.string()),
});
const MemoryShape = z.object({ id: z.string(), text: z.string(), created: z.number() });

export interface ChatSettings {
  readonly model: string;
  readonly key: string;
  readonly memory: boolean;
}

const SAVE_EVERY = 800;

export function useChat(settings: ChatSettings) {
  const { wallet } = useWallet();
  const [conversations, setConversations] = useState<Conversation[]>([]);
  const [current, setCurrent] = useState<string | null>(null);
  const [memories, setMemories] = useState<Memory[]>([]);
  const [vault, setVault] = useState<Vault | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const latest = useRef<Map<string, Conversation>>(new Map());
  const unsaved = useRef<Map<string, ReturnType<typeof setTimeout>>>(new Map());

  // Another wallet is another person: what the last one unlocked goes out of sight.
  const owner = wallet?.address ?? null;
  const shownFor = useRef(owner);
  useEffect(() => {
    if (shownFor.current === owner) return;
    const before = shownFor.current;
    shownFor.current = owner;
    if (before === null) return;
    running.current?.abort();
    setVault(null);
    setConversations([]);
    setMemories([]);
    setCurrent(null);
  }, [owner]);

  const save = useCallback(
    (conversation: Conversation) => {
      latest.current.set(conversation.id, conversation);
      if (!vault || unsaved.current.has(conversation.id)) return;
      const write = () => {
        unsaved.current.delete(conversation.id);
        const newest = latest.current.get(conversation.id);
        if (newest)
          void vault
            .write(`chat/${newest.id}`, newest)
            .catch(() => setProblem("This browser did not keep the conversation: its storage may be full."));
      };
      unsaved.current.set(conversation.id, setTimeout(write, SAVE_EVERY));
    },
    [vault],
  );

  const update = useCallback(
    (id: string, make: (conversation: Conversation) => Conversation) => {
      setConversations((all) => {
        const found = all.find((conversation) => conversation.id === id);
        if (!found) return all;
        const next = make(found);
        save(next);
        return all.map((conversation) => (conversation.id === id ? next : conversation));
      });
    },
    [save],
  );

  const unlock = useCallback(async () => {
    if (!wallet) return;
    setProblem(null);
    try {
      const opened = await Vault.unlock(wallet);
      const kept = (await opened.all("chat/")).flatMap((value) => {
        const parsed = ConversationShape.safeParse(value);
        return parsed.success ? [settle(value as Conversation)] : [];
      });
      const known = (await opened.all("memory/")).flatMap((value) => MemoryShape.safeParse(value).data ?? []);
      setVault(opened);
      setConversations((open) => {
        for (const conversation of open) void opened.write(`chat/${conversation.id}`, conversation);
        return [...open, ...kept.filter((old) => !open.some((now) => now.id === old.id))].sort(
          (a, b) => b.updated - a.updated,
        );
      });
      setMemories((open) => {
        for (const memory of open) void opened.write(`memory/${memory.id}`, memory);
        return [...open, ...known.filter((old) => !open.some((now) => now.id === old.id))].sort(
          (a, b) => b.created - a.created,
        );
      });
    } catch (error) {
      setProblem(error instanceof Error && error.message ? error.message : "The vault was not opened.");
    }
  }, [wallet]);

  const remember = useCallback(
    (text: string) => {
      const memory = newMemory(text, Date.now());
      if (!memory.text) return;
      setMemories((all) => [memory, ...all]);
      void vault?.write(`memory/${memory.id}`, memory);
    },
    [vault],
  );
  const forget = useCallback(
    (id: string) => {
      setMemories((all) => all.filter((memory) => memory.id !== id));
      void vault?.remove(`memory/${id}`);
    },
    [vault],
  );
  const rewrite = useCallback(
    (id: string, text: string) => {
      setMemories((all) =>
        all.map((memory) => {
          if (memory.id !== id) return memory;
          const changed = { ...memory, text: text.trim() };
          void vault?.write(`memory/${id}`, changed);
          return changed;
        }),
      );
    },
    [vault],
  );

  /** Has the path up to `parent` answered, as a new branch after it. */
  const answer = useCallback(
    async (conversation: Conversation, question: Message) => {
      const upTo = path(conversation);
      const asked = upTo.slice(0, upTo.findIndex((message) => message.id === question.id) + 1);
      const used = settings.memory ? recall(memories, question.content) : [];
      const messages = [
        ...(used.length > 0 ? [{ role: "system", content: asSystem(used) }] : []),
        ...turns(asked),
      ];
      const body = JSON.stringify({
        model: settings.model,
        messages,
        stream: true,
        stream_options: { include_usage: true },
      });
      const id = newId();
      let facts: AnswerFacts = {
        model: settings.model,
        requestId: null,
        salt: null,
        request: body,
        chunks: [],
        memories: used.map((memory) => memory.text),
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
      const began = performance.now();
      // Drawn once a frame, however fast the pieces come.
      let drawn = 0;
      const draw = () => {
        drawn = 0;
        update(conversation.id, (now) => change(now, id, { content, reasoning, facts }));
      };
      try {
        await complete(
          settings.key,
          body,
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
          (known) => {
            facts = { ...facts, ...known };
          },
        );
        facts = { ...facts, chunks };
        update(conversation.id, (now) => change(now, id, { content, reasoning, facts, state: "done" }));
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
    [memories, settings, update],
  );

  const ask = useCallback(
    (text: string) => {
      const now = Date.now();
      const open = conversations.find((conversation) => conversation.id === current);
      const base = open ?? emptyConversation(now);
      const last = path(base).at(-1);
      const question: Message = {
        id: newId(),
        parent: last?.id ?? null,
        role: "user",
        content: text,
        reasoning: "",
        at: now,
        state: "done",
        problem: null,
        facts: null,
      };
      const next = add(base, question);
      setConversations((all) => [next, ...all.filter((conversation) => conversation.id !== next.id)]);
      save(next);
      setCurrent(next.id);
      const fact = settings.memory ? askedToRemember(text) : null;
      if (fact) remember(fact);
      void answer(next, question);
    },
    [conversations, current, save, answer, settings.memory, remember],
  );

  const open = conversations.find((conversation) => conversation.id === current) ?? null;

  /** Has the model look for facts in the open conversation. Paid like any question; nothing is kept by itself. */
  const suggest = useCallback(async (): Promise<string[]> => {
    if (!open) return [];
    const said = path(open)
      .filter((message) => message.role === "user")
      .map((message) => message.content)
      .join("\n");
    const messages = [
      { role: "system", content: EXTRACTION },
      { role: "user", content: said.slice(-6_000) },
    ];
    const body = JSON.stringify({
      model: settings.model,
      messages,
      stream: true,
      temperature: 0,
      max_tokens: 200,
    });
    let found = "";
    const take = (piece: { content: string }) => {
      found += piece.content;
    };
    await complete(settings.key, body, new AbortController().signal, take, () => undefined);
    return factsOf(found, memories);
  }, [open, settings, memories]);
  return {
    suggest,
    conversations,
    open,
    busy,
    problem,
    memories,
    kept: vault !== null,
    choose: setCurrent,
    unlock,
    remember,
    forget,
    rewrite,
    ask,
    stop: () => running.current?.abort(),
    retry: (message: Message) => {
      const question = open && message.parent ? open.messages[message.parent] : undefined;
      if (open && question) void answer(open, question);
    },
    edit: (message: Message, text: string) => {
      if (!open) return;
      const question: Message = { ...message, id: newId(), content: text, at: Date.now() };
      const next = add(open, question);
      update(open.id, () => next);
      void answer(next, question);
    },
    branch: (message: Message, by: number) =>
      open && update(open.id, (now) => switchBranch(now, message, by)),
    remove: (id: string) => {
      clearTimeout(unsaved.current.get(id));
      unsaved.current.delete(id);
      setConversations((all) => all.filter((conversation) => conversation.id !== id));
      if (current === id) setCurrent(null);
      void vault?.remove(`chat/${id}`);
    },
  };
}

/** The chat as its pieces see it. */
export type ChatState = ReturnType<typeof useChat>;
