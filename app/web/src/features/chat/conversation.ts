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

/** What is sent to the model: the path up to a message, answers without text left out. */
export const turns = (messages: readonly Message[]): { role: string; content: string }[] =>
  messages.filter((message) => message.content !== "").map(({ role, content }) => ({ role, content }));

/** For people: what is shown, with the receipts. */
export function toMarkdown(conversation: Conversation): string {
  const parts = path(conversation).map((message) => {
    const who = message.role === "user" ? "You" : (message.facts?.model ?? "Model");
    const receipt = message.facts?.requestId ? `\n\n*Receipt: ${message.facts.requestId}*` : "";
    return `### ${who}\n\n${message.content}${receipt}`;
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
