/**
 * Memory across conversations: short facts that the person keeps, recalled by the words they share with a
 * question. Recall runs here; a fact leaves the browser only inside a question it was recalled for.
 */
import { newId } from "./conversation.ts";

export interface Memory {
  readonly id: string;
  readonly text: string;
  readonly created: number;
}

export const newMemory = (text: string, now: number): Memory => ({
  id: newId(),
  text: text.trim(),
  created: now,
});

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

/** At most `most` memories that fit the question, best first: rare shared words weigh more. */
export function recall(memories: readonly Memory[], question: string, most = 4): Memory[] {
  const asked = new Set(words(question));
  const contents = memories.map((memory) => new Set(words(memory.text)));
  const rarity = (word: string) =>
    Math.log(1 + memories.length / (1 + contents.filter((content) => content.has(word)).length));
  return memories
    .map((memory, at) => {
      const shared = [...(contents[at] ?? [])].filter((word) => asked.has(word));
      return { memory, score: shared.reduce((sum, word) => sum + rarity(word), 0) };
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
