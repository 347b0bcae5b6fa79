/**
 * Memory across conversations: short facts that the person keeps, recalled by meaning where the network
 * offers embeddings, and by the words they share with a question. Recall runs here; a fact leaves the
 * browser only to be embedded, and inside a question it was recalled for.
 */
import { newId } from "./conversation.ts";

/** Where a model places a text. Vectors of different models do not compare. */
export interface Vector {
  readonly model: string;
  readonly values: readonly number[];
}

export interface Memory {
  readonly id: string;
  readonly text: string;
  readonly created: number;
  /** When its text was last changed. */
  readonly changed: number;
  readonly vector?: Vector | undefined;
}

export const newMemory = (text: string, now: number): Memory => ({
  id: newId(),
  text: text.trim(),
  created: now,
  changed: now,
});

/** Of two copies of a memory, the one changed later; a vector counts only for the text it was made from. */
export function laterMemory(a: Memory, b: Memory): Memory {
  if (a.text === b.text && a.changed === b.changed) {
    const [x, y] = [JSON.stringify(a.vector ?? null), JSON.stringify(b.vector ?? null)];
    return a.vector && (!b.vector || x >= y) ? a : b;
  }
  if (a.changed !== b.changed) return a.changed > b.changed ? a : b;
  return a.text > b.text ? a : b;
}

const COMMON = new Set(
  "a an and are as at be by can do does for from had has have how i in is it its me my not of on or our so that the their them they this to was we were what when where which who why will with you your".split(
    " ",
  ),
);

/** Words that carry meaning, without their commonest endings. */
export function words(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
    .filter((word) => word.length > 1 && !COMMON.has(word))
    .map((word) => (word.length > 3 ? word.replace(/(ing|ed|es|s)$/, "") : word));
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

/** Least memories from which what all have in common can be taken out of each. */
const ENOUGH_TO_CENTRE = 4;
/** How alike question and memory have to be: for whole vectors, and without what all have in common. */
const ALIKE = { whole: 0.55, centred: 0.3 };

/**
 * How alike a question and each memory are, above what counts as alike at all; 0 for the rest. Small
 * models place every text in nearly the same direction, so that direction is taken out when there are
 * enough texts to know it.
 */
export function likeness(memories: readonly Memory[], asked: Vector | null): number[] {
  const known = memories.map(({ vector }) =>
    asked && vector?.model === asked.model && vector.values.length === asked.values.length
      ? vector.values
      : null,
  );
  const all = known.flatMap((values) => (values ? [values] : []));
  if (!asked || all.length === 0) return memories.map(() => 0);
  const centred = all.length >= ENOUGH_TO_CENTRE;
  const mean = asked.values.map((_, at) =>
    centred ? all.reduce((sum, values) => sum + (values[at] ?? 0), 0) / all.length : 0,
  );
  const unit = (values: readonly number[]) => {
    const moved = values.map((value, at) => value - (mean[at] ?? 0));
    const length = Math.sqrt(dot(moved, moved)) || 1;
    return moved.map((value) => value / length);
  };
  const question = unit(asked.values);
  const least = centred ? ALIKE.centred : ALIKE.whole;
  return known.map((values) => (values ? Math.max(0, dot(unit(values), question) - least) : 0));
}

/** Weight of likeness in meaning beside shared words. */
const MEANING = 4;

/** At most `most` memories that fit the question, best first: by meaning, and by shared words, rare ones more. */
export function recall(
  memories: readonly Memory[],
  question: string,
  asked: Vector | null = null,
  most = 4,
): Memory[] {
  const wanted = new Set(words(question));
  const contents = memories.map((memory) => new Set(words(memory.text)));
  const rarity = (word: string) =>
    Math.log(1 + memories.length / (1 + contents.filter((content) => content.has(word)).length));
  const meaning = likeness(memories, asked);
  return memories
    .map((memory, at) => {
      const shared = [...(contents[at] ?? [])].filter((word) => wanted.has(word));
      const score = shared.reduce((sum, word) => sum + rarity(word), 0) + MEANING * (meaning[at] ?? 0);
      return { memory, score };
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || b.memory.created - a.memory.created)
    .slice(0, most)
    .map(({ memory }) => memory);
}

/** What the model is told. */
export const asSystem = (memories: readonly Memory[]): string =>
  `What the person asked to be remembered:\n${memories.map((memory) => `- ${memory.text}`).join("\n")}`;

/** What a person says when they want something kept; `null` when they do not. */
export function askedToRemember(text: string): string | null {
  return /^\s*(?:please\s+)?remember(?:\s+that|:)?\s+(.{3,400}?)\s*\.?\s*$/is.exec(text)?.[1] ?? null;
}

/** Whether somebody speaks of themselves, so that it is worth asking a model for facts. */
export const speaksOfSelf = (text: string): boolean =>
  text.length >= 12 && /\b(i|i['’]m|i['’]ve|my|mine|me|we|our|us)\b/i.test(text);

/** What is asked of a model that shall find facts worth keeping. */
export const EXTRACTION = [
  "List lasting facts about the user that this conversation states: name, work, tools, tastes, people, plans.",
  "One short sentence a line, each beginning with '- '. Only what the user said. If there is none, answer: none.",
].join(" ");

/** The facts in a model's list: short lines, none twice, none that is known already. */
export function factsOf(answer: string, known: readonly Memory[]): string[] {
  const seen = new Set(known.map((memory) => memory.text.toLowerCase()));
  const facts: string[] = [];
  for (const line of answer.split("\n")) {
    const fact = /^\s*(?:[-*•]|\d+[.)])\s+(.{4,300}?)\s*$/.exec(line)?.[1];
    if (!fact || seen.has(fact.toLowerCase())) continue;
    seen.add(fact.toLowerCase());
    facts.push(fact);
  }
  return facts.slice(0, 8);
}
