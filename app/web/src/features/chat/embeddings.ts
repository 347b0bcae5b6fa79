/** Vectors of texts, from the network's own embeddings endpoint: paid and receipted like an answer. */
import { z } from "zod";
import { getJson } from "../../entities/coordinator.ts";
import type { Vector } from "./memory.ts";

const Answer = z.object({
  data: z.array(z.object({ index: z.number(), embedding: z.array(z.number()) })),
});

/** One vector for each text, in order. */
export async function embed(key: string, model: string, texts: readonly string[]): Promise<Vector[]> {
  const answer = await getJson("/v1/embeddings", Answer, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, input: texts }),
  });
  const sorted = [...answer.data].sort((a, b) => a.index - b.index);
  if (sorted.length !== texts.length) throw new Error("the network embedded another number of texts");
  return sorted.map(({ embedding }) => ({ model, values: embedding }));
}
