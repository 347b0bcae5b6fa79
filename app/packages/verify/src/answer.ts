/**
 * The canonical answer: what a response commitment is a commitment to, from a unary completion, from
 * the chunks of a stream, or from embeddings (docs/protocol.md, section 11, "Canonical answer").
 */
import { FormatError, textOf, utf8 } from "./bytes.ts";

interface ToolCall {
  function: { arguments: string; name: string };
  id: string;
  type: string;
}

interface Message {
  content: string;
  reasoning_content: string;
  refusal: string;
  role: string;
  calls: Map<number, ToolCall>;
}

/** OpenAI's words for why generation ended, and what else servers say for the same. */
const FINISH_REASONS: Readonly<Record<string, readonly string[]>> = {
  stop: [],
  length: [
    "max_tokens",
    "max_output_tokens",
    "model_length",
    "abort",
    "aborted",
    "canceled",
    "cancelled",
    "error",
    "timeout",
  ],
  tool_calls: ["tool_call", "tool_use"],
  content_filter: ["content_filtered", "safety"],
  function_call: [],
};

/** OpenAI's word for a server's; everything unknown is a stop, nothing said is null. */
function finishReason(said: string): string | null {
  if (said === "") return null;
  // Only the letters A to Z have another case here: what toLowerCase does to others is not in the rules.
  const word = said.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const found = Object.entries(FINISH_REASONS).find(
    ([reason, others]) => reason === word || others.includes(word),
  );
  return found ? found[0] : "stop";
}

interface Choice {
  finish_reason: string | null;
  message: Message;
}

interface Usage {
  completion_tokens: number;
  prompt_tokens: number;
  total_tokens: number;
}

type Fields = Readonly<Record<string, unknown>>;

const refuse = (why: string): never => {
  throw new FormatError(`not a chat completion: ${why}`);
};

function object(value: unknown, name: string): Fields | null {
  if (value === undefined || value === null) return null;
  return typeof value === "object" && !Array.isArray(value)
    ? (value as Fields)
    : refuse(`${name} is no object`);
}

function array(value: unknown, name: string): readonly unknown[] | null {
  if (value === undefined || value === null) return null;
  return Array.isArray(value) ? value : refuse(`${name} is no array`);
}

function text(from: Fields, name: string): string {
  const value = from[name];
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : refuse(`${name} is no string`);
}

function count(from: Fields, name: string): number | null {
  const value = from[name];
  if (value === undefined || value === null) return null;
  const fits = typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
  return fits ? value : refuse(`${name} is no count`);
}

/** A vector as text: numbers as ECMAScript prints them, which is their canonical JSON; base64 as a string. */
function vectorText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  const numbers = Array.isArray(value) && value.every((element) => typeof element === "number");
  return numbers ? JSON.stringify(value) : refuse("an embedding is neither numbers nor base64");
}

/** An embeddings answer as choices: one for each vector, with the vector as its text. */
const vectorChoices = (data: readonly unknown[]): readonly unknown[] =>
  data.map((value) => {
    const from = object(value, "a vector") ?? refuse("a vector is null");
    return { index: from["index"], text: vectorText(from["embedding"]) };
  });

/** Puts an answer together, object by object. */
export class AnswerAssembler {
  readonly #choices = new Map<number, Choice>();
  #usage: Usage | null = null;

  /** A `chat.completion` object, a completion without a chat, or an embeddings answer. */
  static fromCompletion(completion: unknown): AnswerAssembler {
    const from = object(completion, "the answer") ?? refuse("null");
    const answer = new AnswerAssembler();
    const vectors = array(from["data"], "data");
    const choices = array(from["choices"], "choices") ?? (vectors && vectorChoices(vectors));
    answer.#add(choices ?? refuse("no choices"), "message");
    answer.#setUsage(from);
    return answer;
  }

  /** One `chat.completion.chunk` object. */
  push(chunk: unknown): void {
    const from = object(chunk, "a chunk") ?? refuse("null");
    this.#add(array(from["choices"], "choices") ?? [], "delta");
    this.#setUsage(from);
  }

  get usage(): Readonly<Usage> | null {
    return this.#usage;
  }

  /** A copy with this usage, unless it has one of its own. */
  withUsage(prompt_tokens: number, completion_tokens: number): AnswerAssembler {
    const copy = new AnswerAssembler();
    for (const [index, choice] of this.#choices) copy.#choices.set(index, choice);
    const total_tokens = Math.min(prompt_tokens + completion_tokens, 2 ** 32 - 1);
    copy.#usage = this.#usage ?? { completion_tokens, prompt_tokens, total_tokens };
    return copy;
  }

  #setUsage(from: Fields): void {
    const usage = object(from["usage"], "usage");
    if (!usage) return;
    const prompt_tokens = count(usage, "prompt_tokens") ?? 0;
    const completion_tokens = count(usage, "completion_tokens") ?? 0;
    const sum = Math.min(prompt_tokens + completion_tokens, 2 ** 32 - 1);
    this.#usage = { completion_tokens, prompt_tokens, total_tokens: count(usage, "total_tokens") ?? sum };
  }

  #add(choices: readonly unknown[], part: "message" | "delta"): void {
    const seen = new Set<number>();
    for (const [position, value] of choices.entries()) {
      const from = object(value, "a choice") ?? refuse("a choice is null");
      const index = count(from, "index") ?? position;
      if (seen.has(index)) refuse(`two choices with index ${index}`);
      seen.add(index);
      const choice = this.#choice(index);
      choice.finish_reason = finishReason(text(from, "finish_reason")) ?? choice.finish_reason;
      const delta = object(from[part], part);
      // A completion without a chat has its text beside where a message would be.
      append(choice.message, delta ?? { content: text(from, "text") }, part === "message");
    }
  }

  #choice(index: number): Choice {
    const found = this.#choices.get(index);
    if (found) return found;
    const message = { content: "", reasoning_content: "", refusal: "", role: "", calls: new Map() };
    const choice: Choice = { finish_reason: null, message };
    this.#choices.set(index, choice);
    return choice;
  }

  /** The canonical JSON. Members are written in the order of their names. */
  canonical(): string {
    const choices = [...this.#choices]
      .sort(([a], [b]) => a - b)
      .map(([index, { finish_reason, message }]) => ({ finish_reason, index, message: messageOf(message) }));
    return JSON.stringify(this.#usage ? { choices, usage: this.#usage } : { choices });
  }

  canonicalBytes(): Uint8Array {
    return utf8(this.canonical());
  }
}

function append(message: Message, delta: Fields, unary: boolean): void {
  message.role ||= text(delta, "role");
  message.content += text(delta, "content");
  message.reasoning_content += text(delta, "reasoning_content") || text(delta, "reasoning");
  message.refusal += text(delta, "refusal");
  for (const [position, value] of (array(delta["tool_calls"], "tool_calls") ?? []).entries()) {
    const piece = object(value, "a tool call") ?? refuse("a tool call is null");
    const given = count(piece, "index");
    const index = unary ? position : (given ?? position);
    const call = message.calls.get(index) ?? { function: { arguments: "", name: "" }, id: "", type: "" };
    message.calls.set(index, call);
    call.id ||= text(piece, "id");
    call.type ||= text(piece, "type");
    const called = object(piece["function"], "function");
    if (!called) continue;
    call.function.name ||= text(called, "name");
    call.function.arguments += text(called, "arguments");
  }
}

function messageOf(message: Message): object {
  const calls = [...message.calls].sort(([a], [b]) => a - b).map(([, call]) => call);
  return {
    ...(message.content && { content: message.content }),
    ...(message.reasoning_content && { reasoning_content: message.reasoning_content }),
    ...(message.refusal && { refusal: message.refusal }),
    role: message.role || "assistant",
    ...(calls.length > 0 && {
      tool_calls: calls.map((call) => ({
        function: { arguments: call.function.arguments, name: call.function.name },
        id: call.id,
        type: call.type || "function",
      })),
    }),
  };
}

/** What a person holds of an answer, and the salt if it came with it. */
export interface HeldAnswer {
  readonly answer: AnswerAssembler;
  readonly salt: string | null;
}

interface Extras {
  readonly salt?: unknown;
  readonly chat_answer?: unknown;
}

/** What the gateway adds to an answer; an event of `/v1/responses` has it inside its `response`. */
function extrasOf(value: unknown): Extras {
  const from = value as { pinaivu?: Extras; response?: { pinaivu?: Extras } } | null;
  return from?.pinaivu ?? from?.response?.pinaivu ?? {};
}

function saltOf(value: unknown): string | null {
  const { salt } = extrasOf(value);
  return typeof salt === "string" && /^[0-9a-fA-F]{64}$/.test(salt) ? salt : null;
}

/** An answer of `/v1/responses` is a chat completion to the protocol, which it carries in canonical form. */
function chatAnswerOf(value: unknown): AnswerAssembler | null {
  const { chat_answer } = extrasOf(value);
  if (typeof chat_answer !== "string") return null;
  let carried: unknown;
  try {
    carried = JSON.parse(chat_answer);
  } catch {
    throw new FormatError("the chat answer it carries is no JSON");
  }
  return AnswerAssembler.fromCompletion(carried);
}

/** The data of each event of a `text/event-stream` that was kept as text. */
function events(kept: string): unknown[] {
  return kept
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trim())
    .filter((data) => data !== "[DONE]")
    .map((data) => JSON.parse(data) as unknown);
}

/** Reads a completion as JSON, an array of its chunks, or the event stream as it came. */
export function readAnswer(bytes: Uint8Array): HeldAnswer {
  const kept = textOf(bytes);
  let value: unknown;
  try {
    value = JSON.parse(kept);
  } catch {
    try {
      value = events(kept);
    } catch {
      throw new FormatError("neither JSON nor an event stream");
    }
    if (Array.isArray(value) && value.length === 0) throw new FormatError("neither JSON nor an event stream");
  }
  const carried = (Array.isArray(value) ? value : [value]).find((part) => extrasOf(part).chat_answer);
  const chat = chatAnswerOf(carried);
  if (chat) return { answer: chat, salt: saltOf(carried) };
  if (!Array.isArray(value)) return { answer: AnswerAssembler.fromCompletion(value), salt: saltOf(value) };
  const answer = new AnswerAssembler();
  let salt: string | null = null;
  for (const chunk of value) {
    answer.push(chunk);
    salt ??= saltOf(chunk);
  }
  return { answer, salt };
}
