/**
 * A conversation is a tree: editing a question or trying again adds a branch, and nothing is lost. What
 * is shown is the path that the person chose at each fork. All functions give a new conversation.
 */

/** What is known of an answer besides its text. */
export interface AnswerFacts {
  readonly model: string;
  readonly requestId: string | null;
  readonly salt: string | null;
  /** The body as it was sent, byte for byte: what the receipt's commitment opens to. */
  readonly request: string;
  /** The chunks as they came. */
  readonly chunks: readonly unknown[];
  /** Memories that were given with the question. */
  readonly memories: readonly string[];
  readonly firstTokenMillis: number | null;
}

export interface Message {
  readonly id: string;
  readonly parent: string | null;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly reasoning: string;
  readonly at: number;
  readonly state: "done" | "streaming" | "stopped" | "failed";
  readonly problem: string | null;
  readonly facts: AnswerFacts | null;
  /** Pictures that go with a question, as data URLs. */
  readonly images?: readonly string[];
  /** Facts that were remembered because of a question. */
  readonly learned?: readonly string[];
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly updated: number;
  readonly messages: Readonly<Record<string, Message>>;
  /** The chosen child of each message; of the beginning under `""`. */
  readonly chosen: Readonly<Record<string, string>>;
}

export const newId = (): string => crypto.randomUUID().replaceAll("-", "");

export const emptyConversation = (now: number): Conversation => ({
  id: newId(),
  title: "",
  updated: now,
  messages: {},
  chosen: {},
});

const parentKey = (message: Pick<Message, "parent">) => message.parent ?? "";

/** All branches at the same place, oldest first. */
export const siblings = (conversation: Conversation, message: Message): Message[] =>
  Object.values(conversation.messages)
    .filter((other) => other.parent === message.parent)
    .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));

/** What is shown, from the beginning. */
export function path(conversation: Conversation): Message[] {
  const shown: Message[] = [];
  let at = conversation.chosen[""];
  while (at !== undefined) {
    const message = conversation.messages[at];
    if (!message || shown.includes(message)) break;
    shown.push(message);
    at = conversation.chosen[at];
  }
  return shown;
}

/** Adds a message, or another branch, and shows it. */
export function add(conversation: Conversation, message: Message): Conversation {
  const title = conversation.title || (message.role === "user" ? titleOf(message.content) : "");
  return {
    ...conversation,
    title,
    updated: message.at,
    messages: { ...conversation.messages, [message.id]: message },
    chosen: { ...conversation.chosen, [parentKey(message)]: message.id },
  };
}

/** Changes a message that is there. */
export function change(conversation: Conversation, id: string, fields: Partial<Message>): Conversation {
  const message = conversation.messages[id];
  if (!message) return conversation;
  return { ...conversation, messages: { ...conversation.messages, [id]: { ...message, ...fields } } };
}

/** Shows the branch `by` places away. */
export function switchBranch(conversation: Conversation, message: Message, by: number): Conversation {
  const all = siblings(conversation, message);
  const next = all[all.findIndex((other) => other.id === message.id) + by];
  if (!next) return conversation;
  return { ...conversation, chosen: { ...conversation.chosen, [parentKey(message)]: next.id } };
}

export function titleOf(content: string): string {
  const line = content.trim().split("\n")[0] ?? "";
  return line.length > 60 ? `${line.slice(0, 57).trimEnd()}…` : line || "New conversation";
}

/** After a reload, an answer that was being streamed has ended where it was. */
export function settle(conversation: Conversation): Conversation {
  const cut = Object.values(conversation.messages).filter((message) => message.state === "streaming");
  return cut.reduce(
    (settled, message) =>
      change(settled, message.id, {
        state: "stopped",
        problem: "The page was closed while this was being written.",
      }),
    conversation,
  );
}

/** A turn as the model gets it: text, or parts where there are pictures. */
export interface Turn {
  readonly role: string;
  readonly content:
    | string
    | readonly (
        | { readonly type: "text"; readonly text: string }
        | { readonly type: "image_url"; readonly image_url: { readonly url: string } }
      )[];
}

/** What is sent to the model: the path up to a message, answers without text left out, pictures only where they are taken. */
export const turns = (messages: readonly Message[], takesImages = false): Turn[] =>
  messages
    .filter((message) => message.content !== "")
    .map(({ role, content, images }) => ({
      role,
      content:
        takesImages && images?.length
          ? [
              { type: "text", text: content },
              ...images.map((url) => ({ type: "image_url" as const, image_url: { url } })),
            ]
          : content,
    }));

const order: Record<Message["state"], number> = { streaming: 0, failed: 1, stopped: 1, done: 2 };

/** Of two copies of a message, the one that got further; what it is verified with from whichever has it. */
function further(a: Message, b: Message): Message {
  const rank = ({ state, content }: Message) => [order[state], content.length, content] as const;
  const evidence = ({ facts }: Message) => [facts ? 1 : 0, facts?.chunks.length ?? 0] as const;
  const best = compare(rank(a), rank(b)) >= 0 ? a : b;
  const proven = compare(evidence(a), evidence(b)) >= 0 ? a : b;
  return { ...best, facts: proven.facts };
}

/** Below, at or above zero, as the first entry that differs says. */
function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [at, left] of a.entries()) {
    const right = b[at];
    if (right !== undefined && left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** One conversation from two copies that went on apart: every message of both. The same whichever comes first. */
export function merge(a: Conversation, b: Conversation): Conversation {
  const rank = (one: Conversation) => `${String(one.updated).padStart(16, "0")} ${stableText(one.chosen)}`;
  const [earlier, later] = rank(a) <= rank(b) ? [a, b] : [b, a];
  const messages: Record<string, Message> = { ...earlier.messages };
  for (const message of Object.values(later.messages)) {
    const known = messages[message.id];
    messages[message.id] = known ? further(known, message) : message;
  }
  return { ...later, messages, chosen: { ...earlier.chosen, ...later.chosen } };
}

/** JSON with members in order: the same text for the same value. */
export function stableText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([x], [y]) => (x < y ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${stableText(member)}`).join(",")}}`;
}

/** Without what its receipts are checked against, which is most of its size. */
export function lighter(conversation: Conversation): Conversation {
  const messages = Object.values(conversation.messages).map((message) =>
    message.facts ? { ...message, facts: { ...message.facts, request: "", chunks: [] } } : message,
  );
  return { ...conversation, messages: Object.fromEntries(messages.map((message) => [message.id, message])) };
}

/** For people: what is shown, with the receipts. */
export function toMarkdown(conversation: Conversation): string {
  const parts = path(conversation).map((message) => {
    const who = message.role === "user" ? "You" : (message.facts?.model ?? "Model");
    const receipt = message.facts?.requestId ? `\n\n*Receipt: ${message.facts.requestId}*` : "";
    const pictures = message.images?.length ? `\n\n*${message.images.length} picture(s)*` : "";
    return `### ${who}\n\n${message.content}${pictures}${receipt}`;
  });
  return `# ${conversation.title}\n\n${parts.join("\n\n")}\n`;
}

/** Whether a conversation has all the words, in its title or in any branch. */
export function matches(conversation: Conversation, query: string): boolean {
  const text = [conversation.title, ...Object.values(conversation.messages).map((message) => message.content)]
    .join("\n")
    .toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
