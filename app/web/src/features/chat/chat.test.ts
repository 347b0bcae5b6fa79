// @vitest-environment node
import { createPrivateKey, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  add,
  type Conversation,
  change,
  emptyConversation,
  type Message,
  matches,
  path,
  settle,
  siblings,
  switchBranch,
  titleOf,
  turns,
} from "./conversation.ts";
import { fitted } from "./images.ts";
import { askedToRemember, factsOf, newMemory, recall, speaksOfSelf, words } from "./memory.ts";
import { EventReader, pieceOf } from "./stream.ts";
import { deriveKeys, seal, UNLOCK_TEXT, unseal } from "./vault.ts";

const message = (
  id: string,
  parent: string | null,
  role: Message["role"],
  at: number,
  content = id,
): Message => ({
  id,
  parent,
  role,
  content,
  reasoning: "",
  at,
  state: "done",
  problem: null,
  facts: null,
});
const ids = (conversation: Conversation) => path(conversation).map(({ id }) => id);

describe("conversations", () => {
  const base = [
    message("q1", null, "user", 1),
    message("a1", "q1", "assistant", 2),
    message("q2", "a1", "user", 3),
    message("a2", "q2", "assistant", 4),
  ].reduce(add, emptyConversation(0));

  test("an edit adds a branch and keeps the other one with all that followed", () => {
    const edited = add(add(base, message("q1b", null, "user", 5)), message("a1b", "q1b", "assistant", 6));
    expect(ids(edited)).toEqual(["q1b", "a1b"]);
    const [first] = path(edited);
    expect(first && siblings(edited, first).map(({ id }) => id)).toEqual(["q1", "q1b"]);
    expect(first && ids(switchBranch(edited, first, -1))).toEqual(["q1", "a1", "q2", "a2"]);
  });

  test("a branch beyond the last one is the same conversation", () => {
    const [first] = path(base);
    expect(first && switchBranch(base, first, 1)).toBe(base);
  });

  test("an answer that was cut off by a reload is stopped, with what came", () => {
    const settled = settle(change(base, "a2", { state: "streaming", content: "half" }));
    expect(settled.messages["a2"]).toMatchObject({ state: "stopped", content: "half" });
  });

  test("a loop in kept data does not hang the page", () => {
    expect(ids({ ...base, chosen: { ...base.chosen, a2: "q1" } })).toEqual(["q1", "a1", "q2", "a2"]);
  });

  test("answers without text are not sent to the model", () => {
    expect(
      turns([message("q", null, "user", 1), { ...message("a", "q", "assistant", 2), content: "" }]),
    ).toEqual([{ role: "user", content: "q" }]);
  });

  test("pictures go along only where they are taken", () => {
    const question = { ...message("q", null, "user", 1), images: ["data:image/jpeg;base64,AA"] };
    expect(turns([question])).toEqual([{ role: "user", content: "q" }]);
    expect(turns([question], true)).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "q" },
          { type: "image_url", image_url: { url: "data:image/jpeg;base64,AA" } },
        ],
      },
    ]);
    expect(fitted(3000, 1500)).toEqual({ width: 1024, height: 512 });
    expect(fitted(200, 100)).toEqual({ width: 200, height: 100 });
  });

  test("search looks at titles and at every branch", () => {
    const found = add(base, message("q1b", null, "user", 5, "About Lighthouses"));
    expect(matches(found, "lighthouse q2")).toBe(true);
    expect(matches(found, "lighthouse whale")).toBe(false);
    expect(titleOf("a".repeat(80))).toHaveLength(58);
  });
});

describe("events", () => {
  test("events are the same however the bytes are cut", () => {
    const bytes = new TextEncoder().encode('data: {"a":"ü€😀"}\n\ndata: 2\r\n\r\n: note\n\ndata: [DONE]\n\n');
    for (let size = 1; size < bytes.length; size++) {
      const reader = new EventReader();
      const events: string[] = [];
      for (let at = 0; at < bytes.length; at += size)
        events.push(...reader.push(bytes.subarray(at, at + size)));
      expect(events).toEqual(['{"a":"ü€😀"}', "2", "[DONE]"]);
    }
  });

  test("text and reasoning are read under both their names", () => {
    expect(pieceOf({ choices: [{ delta: { content: "a", reasoning: "b" } }] })).toEqual({
      content: "a",
      reasoning: "b",
    });
    expect(pieceOf({ choices: [{ delta: { reasoning_content: "c" } }] })).toEqual({
      content: "",
      reasoning: "c",
    });
    expect(pieceOf({ choices: [] })).toEqual({ content: "", reasoning: "" });
  });
});

describe("the vault", () => {
  const signatureOf = (seed: number) => {
    const der = Buffer.concat([
      Buffer.from("302e020100300506032b657004220420", "hex"),
      Buffer.alloc(32, seed),
    ]);
    return new Uint8Array(
      sign(null, Buffer.from(UNLOCK_TEXT), createPrivateKey({ key: der, format: "der", type: "pkcs8" })),
    );
  };

  test("the same wallet opens it again, on another device too", async () => {
    const sealed = await seal(await deriveKeys(signatureOf(1)), "chat/1", { secret: "Brunhilde" });
    const again = await deriveKeys(signatureOf(1));
    expect(await unseal(again, "chat/1", sealed)).toEqual({ secret: "Brunhilde" });
  });

  test("another wallet, another place and changed bytes are refused", async () => {
    const keys = await deriveKeys(signatureOf(1));
    const other = await deriveKeys(signatureOf(2));
    const sealed = await seal(keys, "chat/1", "secret");
    expect(other.box).not.toBe(keys.box);
    await expect(unseal(other, "chat/1", sealed)).rejects.toThrow();
    await expect(unseal({ ...other, box: keys.box }, "chat/1", sealed)).rejects.toThrow();
    await expect(unseal(keys, "chat/2", sealed)).rejects.toThrow();
    const changed = new Uint8Array(sealed.data.slice(0));
    changed[0] = (changed[0] ?? 0) ^ 1;
    await expect(unseal(keys, "chat/1", { ...sealed, data: changed.buffer })).rejects.toThrow();
  });

  test("nothing of the text shows in what is kept, and the same text never looks the same", async () => {
    const keys = await deriveKeys(signatureOf(1));
    const [one, two] = await Promise.all([seal(keys, "a", "Brunhilde"), seal(keys, "a", "Brunhilde")]);
    expect(Buffer.from(one.data).includes("Brunhilde")).toBe(false);
    expect(Buffer.from(one.data).equals(Buffer.from(two.data))).toBe(false);
  });

  test("the key cannot be taken out of the page", async () => {
    const { key } = await deriveKeys(signatureOf(1));
    await expect(crypto.subtle.exportKey("raw", key)).rejects.toThrow();
  });
});

describe("memory", () => {
  const memories = [
    "My dog is called Brunhilde",
    "I write Rust and like short answers",
    "My sister lives in Lisbon",
  ].map((text, at) => newMemory(text, at));

  test("what shares words with the question is recalled, and nothing else", () => {
    expect(recall(memories, "What should I feed my dogs?").map(({ text }) => text)).toEqual([
      "My dog is called Brunhilde",
    ]);
    expect(recall(memories, "What is the capital of France?")).toEqual([]);
  });

  const placed = (values: number[][]) =>
    values.map((vector, at) => ({
      ...newMemory(`fact ${at}`, at),
      vector: { model: "m", values: vector },
    }));
  const texts = (found: { text: string }[]) => found.map(({ text }) => text);

  test("what means the same is recalled without a shared word, best first, and the rest is not", () => {
    const some = placed([
      [1, 0, 0],
      [0.8, 0.6, 0],
      [0, 1, 0],
    ]);
    const asked = { model: "m", values: [1, 0.1, 0] };
    expect(texts(recall(some, "elsewhere", asked))).toEqual(["fact 0", "fact 1"]);
    expect(recall(some, "elsewhere", { model: "m", values: [0, 0, 1] })).toEqual([]);
  });

  test("what all texts have in common counts for nothing once there are enough of them", () => {
    // A model that places everything in nearly one direction.
    const same = placed([
      [10, 1, 0],
      [10, -1, 0],
      [10, 0, 1],
      [10, 0, -1],
    ]);
    expect(texts(recall(same, "elsewhere", { model: "m", values: [10, 0.9, 0] }))).toEqual(["fact 0"]);
  });

  test("vectors of another model or length are not compared", () => {
    const some = placed([[1, 0]]);
    expect(recall(some, "elsewhere", { model: "other", values: [1, 0] })).toEqual([]);
    expect(recall(some, "elsewhere", { model: "m", values: [1, 0, 0] })).toEqual([]);
  });

  test("only who speaks of themselves is listened to", () => {
    expect(speaksOfSelf("In the evenings I play the cello.")).toBe(true);
    expect(speaksOfSelf("We’re moving to my sister's.")).toBe(true);
    expect(speaksOfSelf("What is the tallest tree?")).toBe(false);
    expect(speaksOfSelf("Is it mine?")).toBe(false);
  });

  test("common words recall nothing", () => {
    expect(words("What is it and who are they?")).toEqual([]);
    expect(recall(memories, "is my in and I")).toEqual([]);
  });

  test("facts are read from a list, and what is known or no list item is left out", () => {
    const answer =
      "Sure:\n- My dog is called Brunhilde\n* Works in Lisbon\n2. Likes tea\n- works in lisbon\nnone";
    expect(factsOf(answer, memories)).toEqual(["Works in Lisbon", "Likes tea"]);
    expect(factsOf("none", memories)).toEqual([]);
  });

  test("a wish to remember is heard only when it is one", () => {
    expect(askedToRemember("Remember that my dog is called Brunhilde.")).toBe("my dog is called Brunhilde");
    expect(askedToRemember("please remember: I like tea")).toBe("I like tea");
    expect(askedToRemember("Do you remember that film?")).toBeNull();
  });
});
