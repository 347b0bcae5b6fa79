// @vitest-environment node
import { describe, expect, test } from "vitest";
import {
  add,
  type Conversation,
  emptyConversation,
  type Message,
  merge,
  stableText,
} from "./conversation.ts";
import { mergeValues, readValue } from "./library.ts";
import { newMemory } from "./memory.ts";
import {
  type BlobServer,
  blobId,
  blobStatement,
  coordinatorBlobs,
  MAX_BLOB,
  namespaceOf,
  openBlob,
  Sync,
  sealBlob,
  TooLarge,
} from "./sync.ts";
import { deriveKeys } from "./vault.ts";

const keysOf = (seed: number) => deriveKeys(new Uint8Array(64).fill(seed));

/** A server in memory, as the coordinator's is. */
class Memory implements BlobServer {
  readonly blobs = new Map<string, { bytes: Uint8Array; version: number }>();
  async list() {
    return [...this.blobs].map(([id, { version }]) => ({ id, version }));
  }
  async get(id: string) {
    return this.blobs.get(id) ?? null;
  }
  async put(id: string, bytes: Uint8Array, version: number | null) {
    const known = this.blobs.get(id);
    if ((known?.version ?? null) !== version) return "conflict" as const;
    const next = (known?.version ?? 0) + 1;
    this.blobs.set(id, { bytes, version: next });
    return next;
  }
}

const carried = {
  merge: (place: string, a: unknown, b: unknown) => {
    const [x, y] = [readValue(place, a), readValue(place, b)];
    if (!x || !y) throw new Error("no value");
    return mergeValues(x, y);
  },
  lighter: () => null,
};
const device = async (server: BlobServer, seed = 1) => new Sync(await keysOf(seed), server, carried, {});

const message = (id: string, parent: string | null, at: number, fields: Partial<Message> = {}): Message => ({
  id,
  parent,
  role: parent ? "assistant" : "user",
  content: id,
  reasoning: "",
  at,
  state: "done",
  problem: null,
  facts: null,
  ...fields,
});
const conversation = (...messages: Message[]): Conversation =>
  messages.reduce(add, { ...emptyConversation(0), id: "c" });

describe("blobs", () => {
  test("a blob opens under its keys and its name, and under nothing else", async () => {
    const keys = await keysOf(1);
    const id = await blobId(keys, "chat/c");
    const blob = await sealBlob(keys, id, { secret: "Brunhilde" });
    expect(await openBlob(keys, id, blob)).toEqual({ secret: "Brunhilde" });
    await expect(openBlob(keys, await blobId(keys, "chat/d"), blob)).rejects.toThrow();
    await expect(openBlob(await keysOf(2), id, blob)).rejects.toThrow();
    for (const at of [0, 1, 20, blob.length - 1]) {
      const changed = Uint8Array.from(blob);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(openBlob(keys, id, changed), `byte ${at}`).rejects.toThrow();
    }
  });

  test("names and lengths say nothing of what is in them, and other people have other names", async () => {
    const [mine, theirs] = [await keysOf(1), await keysOf(2)];
    expect(await blobId(mine, "chat/c")).toMatch(/^[0-9a-f]{32}$/);
    expect(await blobId(mine, "chat/c")).not.toBe(await blobId(theirs, "chat/c"));
    expect(namespaceOf(mine)).not.toBe(namespaceOf(theirs));
    const id = await blobId(mine, "chat/c");
    const lengths = await Promise.all(
      ["a", "Brunhilde is a dog", "x".repeat(400)].map(
        async (text) => (await sealBlob(mine, id, text)).length,
      ),
    );
    expect(new Set(lengths).size).toBe(1);
  });

  test("a request is signed for what it is, and differently each time", async () => {
    const parties = { deployment: "ab".repeat(32), coordinator: "C" };
    const text = blobStatement("PUT", "/v1/blobs/n/i", parties, 17, "0f".repeat(16), new Uint8Array([1]));
    expect(text.split("\n")).toEqual([
      "pinaivu/blob/v1",
      "PUT",
      "/v1/blobs/n/i",
      "ab".repeat(32),
      "C",
      "17",
      "0f".repeat(16),
      "4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
    ]);
    const keys = await keysOf(1);
    const sent: string[] = [];
    const before = globalThis.fetch;
    globalThis.fetch = (async (_: unknown, init: RequestInit) => {
      sent.push(String((init.headers as Record<string, string>)["authorization"]));
      return new Response(JSON.stringify({ data: [] }));
    }) as typeof fetch;
    try {
      const server = coordinatorBlobs(keys, parties, () => "");
      await server.list();
      await server.list();
    } finally {
      globalThis.fetch = before;
    }
    expect(sent[0]).toMatch(/^Pinaivu-Blob time=\d+,nonce=[0-9a-f]{32},sig=[1-9A-HJ-NP-Za-km-z]+$/);
    expect(sent[0]).not.toBe(sent[1]);
  });
});

describe("devices", () => {
  const place = "chat/c";

  test("what one puts there the other finds, once", async () => {
    const server = new Memory();
    const [one, two] = [await device(server), await device(server)];
    const value = conversation(message("q", null, 1));
    await one.push(place, value);
    expect(await one.isCurrent(place, value)).toBe(true);
    expect(await one.pull()).toEqual([]);
    expect(await two.pull()).toEqual([{ place, value }]);
    expect(await two.isCurrent(place, value)).toBe(true);
    expect(await two.pull()).toEqual([]);
  });

  test("two that went on apart end with every message of both, and then rest", async () => {
    const server = new Memory();
    const [one, two] = [await device(server), await device(server)];
    const base = conversation(message("q", null, 1), message("a", "q", 2));
    await one.push(place, base);
    await two.pull();
    const left = add(base, message("q-left", "a", 3));
    const right = add(base, message("q-right", "a", 4));
    await one.push(place, left);
    const merged = (await two.push(place, right)) as Conversation;
    expect(Object.keys(merged.messages).sort()).toEqual(["a", "q", "q-left", "q-right"]);
    const [found] = await one.pull();
    const here = merge(left, found?.value as Conversation);
    expect(stableText(here)).toBe(stableText(merged));
    // Nobody has anything to tell the other any more.
    expect(await one.isCurrent(place, here)).toBe(true);
    expect(await two.isCurrent(place, merged)).toBe(true);
  });

  test("what one deleted does not come back from the other", async () => {
    const server = new Memory();
    const [one, two] = [await device(server), await device(server)];
    const value = conversation(message("q", null, 1));
    await one.push(place, value);
    await two.pull();
    await one.push(place, { deleted: 9 });
    expect(await two.push(place, add(value, message("a", "q", 2)))).toEqual({ deleted: 9 });
    const [blob] = server.blobs.values();
    const keys = await keysOf(1);
    const kept = await openBlob(keys, await blobId(keys, place), blob?.bytes ?? new Uint8Array());
    expect(kept).toEqual({ place, value: { deleted: 9 } });
  });

  test("a blob that somebody else put there, or moved, is left out", async () => {
    const server = new Memory();
    const one = await device(server);
    const keys = await keysOf(1);
    const id = await blobId(keys, place);
    const other = await blobId(keys, "chat/d");
    server.blobs.set(id, { bytes: await sealBlob(await keysOf(2), id, { place, value: 1 }), version: 1 });
    server.blobs.set(other, { bytes: await sealBlob(keys, other, { place, value: 1 }), version: 1 });
    server.blobs.set("ab".repeat(16), { bytes: new Uint8Array(3), version: 1 });
    expect(await one.pull()).toEqual([]);
  });

  test("what does not fit is made lighter, and what then does not fit is said to be too large", async () => {
    const server = new Memory();
    const keys = await keysOf(1);
    const random = new Uint8Array(MAX_BLOB + 1);
    for (let at = 0; at < random.length; at += 65_536)
      crypto.getRandomValues(random.subarray(at, at + 65_536));
    const value = { noise: Buffer.from(random).toString("base64") };
    const none = new Sync(keys, server, { ...carried, lighter: () => null }, {});
    await expect(none.push(place, value)).rejects.toThrow(TooLarge);
    const some = new Sync(keys, server, { ...carried, lighter: () => ({ light: true }) }, {});
    await some.push(place, value);
    const [found] = await (await device(server)).pull();
    expect(found?.value).toEqual({ light: true });
    expect(await some.isCurrent(place, value)).toBe(true);
  });
});

describe("merging", () => {
  test("gives the same whichever comes first", () => {
    const base = conversation(message("q", null, 1), message("a", "q", 2));
    const left = add(base, message("b", "q", 2, { content: "left" }));
    const right = { ...add(base, message("c", "q", 2, { content: "right" })), title: "other" };
    expect(stableText(merge(left, right))).toBe(stableText(merge(right, left)));
  });

  test("takes the answer that got further, and what it is verified with from whoever has it", () => {
    const facts = {
      model: "m",
      requestId: "r",
      salt: "s",
      request: "{}",
      chunks: [1, 2],
      memories: [],
      firstTokenMillis: 1,
    };
    const light = { ...facts, request: "", chunks: [] };
    const half = conversation(message("a", "q", 2, { state: "stopped", content: "half", facts }));
    const whole = conversation(message("a", "q", 2, { content: "half and half", facts: light }));
    for (const merged of [merge(half, whole), merge(whole, half)])
      expect(merged.messages["a"]).toMatchObject({ state: "done", content: "half and half", facts });
  });

  test("a memory is what it was last changed to", () => {
    const old = newMemory("My sister lives in Lisbon", 1);
    const fresh = { ...old, text: "My sister lives in Porto", changed: 2 };
    expect(mergeValues(old, fresh)).toEqual(fresh);
    expect(mergeValues(fresh, old)).toEqual(fresh);
    const placed = { ...fresh, vector: { model: "m", values: [1] } };
    expect(mergeValues(fresh, placed)).toEqual(placed);
    expect(mergeValues(old, { deleted: 1 })).toEqual({ deleted: 1 });
    expect(mergeValues({ deleted: 1 }, fresh)).toEqual({ deleted: 1 });
  });

  test("what is no conversation or memory of its place is refused", () => {
    const value = conversation(message("q", null, 1));
    expect(readValue("chat/c", value)).toEqual(value);
    expect(readValue("chat/d", value)).toBeNull();
    expect(readValue("memory/c", value)).toBeNull();
    expect(readValue("chat/c", { ...value, messages: { q: { id: 1 } } })).toBeNull();
    expect(readValue("elsewhere/c", value)).toBeNull();
    expect(readValue("probe", "open")).toBeNull();
    expect(readValue("memory/m", { deleted: 3 })).toEqual({ deleted: 3 });
  });
});
