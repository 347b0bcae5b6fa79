/** Vercel's AI SDK against a running gateway, by its provider for compatible servers and by OpenAI's own. */
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, Output, streamText, tool } from "ai";
import { z } from "zod";
import { API_KEY, BASE_URL, EXACT, expect, main, MODEL, TEXT, version } from "./cases.mjs";

const compatible = createOpenAICompatible({
  name: "pinaivu",
  baseURL: BASE_URL,
  apiKey: API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const openai = createOpenAI({ baseURL: BASE_URL, apiKey: API_KEY });
const Person = z.object({ name: z.string(), age: z.number().int() });
const weather = tool({
  description: "The weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `sunny in ${city}`,
});
const ask = { prompt: "Say hello.", maxOutputTokens: 64, maxRetries: 0 };

async function streamed(model) {
  const errors = [];
  const answer = streamText({ ...ask, model, onError: ({ error }) => errors.push(error) });
  let text = "";
  for await (const piece of answer.textStream) text += piece;
  if (errors.length) throw errors[0];
  expect(text && (await answer.usage).totalTokens > 0, text);
  if (EXACT) expect(text === TEXT, text);
}

async function whole(model) {
  const answer = await generateText({ ...ask, model });
  expect(answer.text && answer.usage.totalTokens > 0, answer.text);
  if (EXACT) expect(answer.text === TEXT, answer.text);
}

async function called(model) {
  const answer = await generateText({ ...ask, model, tools: { weather } });
  if (EXACT) expect(answer.toolCalls[0].input.city === "Paris" && answer.toolResults[0].output === "sunny in Paris", answer.toolCalls);
  if (!answer.toolCalls.length) return "served; the model called nothing";
}

async function structured(model) {
  const answer = await generateText({ ...ask, model, prompt: "Ada, 36.", output: Output.object({ schema: Person }) });
  expect(Person.safeParse(answer.output).success, answer.output);
}

await main(
  `ai ${version("ai")} with @ai-sdk/openai-compatible ${version("@ai-sdk/openai-compatible")} and @ai-sdk/openai ${version("@ai-sdk/openai")}`,
  {
    "compatible: text": () => whole(compatible(MODEL)),
    "compatible: text streamed with usage": () => streamed(compatible(MODEL)),
    "compatible: tool called and run": () => called(compatible(MODEL)),
    "compatible: structured output": () => structured(compatible(MODEL)),
    "compatible: completion": () => generateText({ ...ask, model: compatible.completionModel(MODEL) }).then(({ text }) => expect(text, text)),
    async "compatible: embeddings"() {
      try {
        const model = compatible.embeddingModel(MODEL);
        const { embeddings } = await embedMany({ model, values: ["one", "two"], maxRetries: 0 });
        expect(embeddings.length === 2 && typeof embeddings[0][0] === "number", embeddings);
      } catch (error) {
        expect(!EXACT && String(error.responseBody).includes("feature_unavailable"), String(error));
        return "no node offers embeddings";
      }
    },
    "openai, chat: text": () => whole(openai.chat(MODEL)),
    "openai, chat: text streamed with usage": () => streamed(openai.chat(MODEL)),
    "openai, chat: tool called and run": () => called(openai.chat(MODEL)),
    "openai, responses: text": () => whole(openai.responses(MODEL)),
    "openai, responses: text streamed": () => streamed(openai.responses(MODEL)),
    "openai, responses: tool called and run": () => called(openai.responses(MODEL)),
    "openai, responses: structured output": () => structured(openai.responses(MODEL)),
  },
);
