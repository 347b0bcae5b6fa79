/**
 * What the chat has: conversations and memories, kept in the vault and carried between devices. One map
 * of places to values is the truth; what is shown is made from it. A deletion is a value too, so that it
 * reaches the other devices and leaves nothing of what was deleted.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { z } from "zod";
import { ApiFailure, useNetwork } from "../../entities/coordinator.ts";
import { useWallet } from "../../entities/wallet.tsx";
import { type Conversation, lighter, merge, settle } from "./conversation.ts";
import { laterMemory, type Memory, newMemory, type Vector } from "./memory.ts";
import { coordinatorBlobs, type Known, Sync, TooLarge } from "./sync.ts";
import { Vault } from "./vault.ts";

const MessageShape = z.looseObject({
  id: z.string(),
  parent: z.string().nullable(),
  role: z.enum(["user", "assistant"]),
  content: z.string(),
  reasoning: z.string(),
  at: z.number(),
  state: z.enum(["done", "streaming", "stopped", "failed"]),
});
const ConversationShape = z.looseObject({
  id: z.string(),
  title: z.string(),
  updated: z.number(),
  messages: z.record(z.string(), MessageShape),
  chosen: z.record(z.string(), z.string()),
});
const MemoryShape = z.object({
  id: z.string(),
  text: z.string(),
  created: z.number(),
  changed: z.number(),
  vector: z.object({ model: z.string(), values: z.array(z.number()) }).optional(),
});
const DeletedShape = z.object({ deleted: z.number() });
const KnownShape = z.record(z.string(), z.object({ version: z.number(), digest: z.string() }));

interface Deleted {
  readonly deleted: number;
}
type Value = Conversation | Memory | Deleted;

const isDeleted = (value: Value): value is Deleted => "deleted" in value;

/** A value of a place, if it is one: what comes from elsewhere is checked for its shape. */
export function readValue(place: string, value: unknown): Value | null {
  const deleted = DeletedShape.safeParse(value).data;
  if (deleted) return deleted;
  const [kind, id] = place.split("/");
  if (kind === "memory") {
    const memory = MemoryShape.safeParse(value).data;
    return memory && memory.id === id ? memory : null;
  }
  const conversation = kind === "chat" ? ConversationShape.safeParse(value).data : undefined;
  return conversation && conversation.id === id ? (value as Conversation) : null;
}

/** One value from two of the same place. What was deleted anywhere stays deleted. */
export function mergeValues(a: Value, b: Value): Value {
  if (isDeleted(a)) return isDeleted(b) && b.deleted < a.deleted ? b : a;
  if (isDeleted(b)) return b;
  if ("messages" in a && "messages" in b) return merge(a, b);
  if ("text" in a && "text" in b) return laterMemory(a, b);
  return a;
}

/** How far the other devices have the same. */
export type SyncState =
  | { readonly state: "off" }
  | { readonly state: "busy" }
  | { readonly state: "done"; readonly at: number; readonly tooLarge: number }
  | { readonly state: "failed"; readonly why: string; readonly absent: boolean };

const KNOWN = "sync/known";
const SAVE_EVERY = 800;
const SYNC_EVERY = 15_000;
const SYNC_SOON = 1_500;

export function useLibrary(apiKey: string) {
  const { wallet } = useWallet();
  const network = useNetwork();
  const all = useRef(new Map<string, Value>());
  const [revision, setRevision] = useState(0);
  const [vault, setVault] = useState<Vault | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [syncState, setSyncState] = useState<SyncState>({ state: "off" });
  const saving = useRef(new Map<string, ReturnType<typeof setTimeout>>());
  const askSync = useRef<(within: number) => void>(() => undefined);

  const key = useRef(apiKey);
  key.current = apiKey;

  // Another wallet is another person: what the last one unlocked goes out of sight.
  const owner = wallet?.address ?? null;
  const shownFor = useRef(owner);
  useEffect(() => {
    if (shownFor.current === owner) return;
    const before = shownFor.current;
    shownFor.current = owner;
    if (before === null) return;
    all.current.clear();
    setVault(null);
    setRevision((count) => count + 1);
  }, [owner]);

  /** Conversations grow while they are streamed and are written now and then; all else is written at once. */
  const write = useCallback((into: Vault, place: string) => {
    if (saving.current.has(place)) return;
    const growing = "messages" in (all.current.get(place) ?? {});
    const now = () => {
      saving.current.delete(place);
      const value = all.current.get(place);
      if (!value) return;
      void into
        .write(place, value)
        .then(() => askSync.current(SYNC_SOON))
        .catch(() => setProblem("This browser did not keep it: its storage may be full."));
    };
    if (growing) saving.current.set(place, setTimeout(now, SAVE_EVERY));
    else now();
  }, []);

  const put = useCallback(
    (place: string, value: Value) => {
      all.current.set(place, value);
      setRevision((count) => count + 1);
      if (vault) write(vault, place);
    },
    [vault, write],
  );

  /** Takes a value from elsewhere in, merged with the one that is here. */
  const take = useCallback((place: string, found: unknown, into: Vault | null): void => {
    const read = readValue(place, found);
    if (!read) return;
    const ours = all.current.get(place);
    all.current.set(place, ours ? mergeValues(ours, read) : read);
    if (into) void into.write(place, all.current.get(place));
  }, []);

  const unlock = useCallback(async () => {
    if (!wallet) return;
    setProblem(null);
    try {
      const opened = await Vault.unlock(wallet);
      for (const [place, value] of await opened.entries()) {
        const read = readValue(place, value);
        // An answer that was being written when the page went away has ended where it was.
        if (read) take(place, "messages" in read ? settle(read) : read, null);
      }
      for (const [place, value] of all.current) await opened.write(place, value);
      setVault(opened);
      setRevision((count) => count + 1);
    } catch (error) {
      setProblem(error instanceof Error && error.message ? error.message : "The vault was not opened.");
    }
  }, [wallet, take]);

  const { deployment, coordinator } = network.data ?? {};
  useEffect(() => {
    if (!vault || !deployment || !coordinator) {
      setSyncState({ state: "off" });
      return;
    }
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let running = false;
    let again = false;
    let sync: Sync | null = null;

    const begin = async (): Promise<Sync> => {
      const known = KnownShape.safeParse(await vault.read(KNOWN).catch(() => null)).data ?? {};
      const server = coordinatorBlobs(vault.keys, { deployment, coordinator }, () => key.current);
      const carried = {
        merge: (place: string, a: unknown, b: unknown) => {
          const [x, y] = [readValue(place, a), readValue(place, b)];
          return x && y ? mergeValues(x, y) : (x ?? y ?? a);
        },
        lighter: (place: string, value: unknown) => {
          const read = readValue(place, value);
          return read && "messages" in read ? lighter(read) : null;
        },
      };
      return new Sync(vault.keys, server, carried, known as Known);
    };

    const round = async () => {
      if (running) {
        again = true;
        return;
      }
      running = true;
      setSyncState((state) => (state.state === "done" ? state : { state: "busy" }));
      let tooLarge = 0;
      try {
        sync ??= await begin();
        for (const { place, value } of await sync.pull()) {
          const read = readValue(place, value);
          if (read) take(place, "messages" in read ? settle(read) : read, vault);
        }
        if (ended) return;
        setRevision((count) => count + 1);
        for (const [place, value] of [...all.current]) {
          const writing =
            "messages" in value && Object.values(value.messages).some(({ state }) => state === "streaming");
          if (writing || (await sync.isCurrent(place, value))) continue;
          try {
            const stored = await sync.push(place, value);
            if (stored !== value) take(place, stored, vault);
          } catch (error) {
            if (!(error instanceof TooLarge)) throw error;
            tooLarge += 1;
          }
          if (ended) return;
        }
        await vault.write(KNOWN, sync.known);
        setSyncState({ state: "done", at: Date.now(), tooLarge });
      } catch (error) {
        if (ended) return;
        const absent = error instanceof ApiFailure && error.kind === "absent";
        setSyncState({
          state: "failed",
          why: error instanceof Error ? error.message : "it is not known why",
          absent,
        });
      } finally {
        running = false;
        if (!ended) schedule(again ? SYNC_SOON : SYNC_EVERY);
        again = false;
      }
    };
    const schedule = (within: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => void round(), within);
    };
    askSync.current = schedule;
    const seen = () => document.visibilityState === "visible" && schedule(0);
    document.addEventListener("visibilitychange", seen);
    schedule(0);
    return () => {
      ended = true;
      clearTimeout(timer);
      askSync.current = () => undefined;
      document.removeEventListener("visibilitychange", seen);
    };
  }, [vault, deployment, coordinator, take]);

  // A key that was added can open the namespace that waits for one.
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked for again when the key changes
  useEffect(() => askSync.current(0), [apiKey]);

  const update = useCallback(
    (id: string, make: (conversation: Conversation) => Conversation) => {
      const found = all.current.get(`chat/${id}`);
      if (found && "messages" in found) put(`chat/${id}`, make(found));
    },
    [put],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: the map is changed in place, the revision says when
  const conversations = useMemo(
    () =>
      [...all.current.values()]
        .flatMap((value) => ("messages" in value ? [value] : []))
        .sort((a, b) => b.updated - a.updated),
    [revision],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above
  const memories = useMemo(
    () =>
      [...all.current.values()]
        .flatMap((value) => ("text" in value ? [value] : []))
        .sort((a, b) => b.created - a.created),
    [revision],
  );

  return {
    conversations,
    memories,
    kept: vault !== null,
    problem,
    sync: syncState,
    unlock,
    update,
    keep: useCallback((conversation: Conversation) => put(`chat/${conversation.id}`, conversation), [put]),
    remove: useCallback((id: string) => put(`chat/${id}`, { deleted: Date.now() }), [put]),
    remember: useCallback(
      (text: string) => {
        const memory = newMemory(text, Date.now());
        if (memory.text) put(`memory/${memory.id}`, memory);
      },
      [put],
    ),
    rewrite: useCallback(
      (id: string, text: string) => {
        const found = all.current.get(`memory/${id}`);
        if (!found || !("text" in found) || !text.trim()) return;
        const { vector: _, ...rest } = found;
        put(`memory/${id}`, { ...rest, text: text.trim(), changed: Date.now() });
      },
      [put],
    ),
    forget: useCallback((id: string) => put(`memory/${id}`, { deleted: Date.now() }), [put]),
    /** Keeps where a model placed a memory, if its text is still the one that was placed. */
    placed: useCallback(
      (memory: Memory, vector: Vector) => {
        const found = all.current.get(`memory/${memory.id}`);
        if (found && "text" in found && found.text === memory.text)
          put(`memory/${memory.id}`, { ...found, vector });
      },
      [put],
    ),
  };
}

export type Library = ReturnType<typeof useLibrary>;
