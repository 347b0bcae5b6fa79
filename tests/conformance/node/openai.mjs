/** The official OpenAI SDK for JavaScript against a running gateway. */
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { API_KEY, BASE_URL, EXACT, expect, main, MESSAGES, MODEL, TEXT, version } from "./cases.mjs";

const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0 });
const Person = z.object({ name: z.string(), age: z.number().int() });
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const tool = { type: "function", function: { name: "weather", description: "The weather.", parameters } };
const ask = { model: MODEL, messages: MESSAGES, max_tokens: 64 };

async function collect(stream) {
  const all = [];
  for await (const piece of stream) all.push(piece);
  return all;
}

await main(`openai (JavaScript) ${version("openai")}`, {
  async "models listed and looked up"() {
    const listed = await collect(await client.models.list());
    expect(listed.some((model) => model.id === MODEL), listed);
    expect((await client.models.retrieve(MODEL)).id === MODEL, "retrieve");
  },
  async "chat completion"() {
    const { data, response, request_id } = await client.chat.completions.create(ask).withResponse();
    expect(data.choices[0].message.content && data.usage.total_tokens > 0, data);
    expect(data.choices[0].message.refusal === null && data.choices[0].logprobs === null, data);
    expect(request_id.startsWith("req_") && response.headers.get("x-pinaivu-salt"), request_id);
    if (EXACT) expect(data.choices[0].message.content === TEXT, data);
  },
  async "chat completions concurrently"() {
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.chat.completions.create(ask)));
    expect(answers.every((answer) => answer.choices[0].message.content), answers);
  },
  async "chat completion streamed with usage"() {
    const chunks = await collect(
      await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } }),
    );
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    expect(text && chunks.at(-1).usage.total_tokens > 0, chunks.at(-1));
    if (EXACT) expect(text === TEXT, text);
  },
  async "chat completion stream helper"() {
    const stream = client.chat.completions.stream(ask);
    expect((await stream.finalChatCompletion()).choices[0].message.content, "final");
  },
  async "stream left before its end"() {
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    for await (const _ of stream) break;
    stream.controller.abort();
  },
  async "tool called and answered"() {
    const asked = await client.chat.completions.create({ ...ask, tools: [tool], tool_choice: "auto" });
    const { message } = asked.choices[0];
    if (EXACT) expect(message.tool_calls[0].function.arguments === '{"city":"Paris"}', asked);
    if (!message.tool_calls?.length) return "served; the model called nothing";
    const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "sunny" };
    await client.chat.completions.create({ ...ask, tools: [tool], messages: [...MESSAGES, message, result] });
  },
  async "tool run by the SDK"() {
    if (!EXACT) return "not run: a small model may call for ever";
    const runner = client.chat.completions.runTools({
      ...ask,
      stream: true,
      tools: [
        { type: "function", function: { ...tool.function, parse: JSON.parse, function: ({ city }) => `sunny in ${city}` } },
      ],
    });
    expect((await runner.finalContent()) === TEXT, "the answer after the call");
  },
  async "structured output parsed"() {
    const answer = await client.chat.completions.parse({
      ...ask,
      messages: [{ role: "user", content: "Ada, 36. As JSON." }],
      response_format: zodResponseFormat(Person, "person"),
    });
    expect(Person.safeParse(answer.choices[0].message.parsed).success, answer);
  },
  async completion() {
    const answer = await client.completions.create({ model: MODEL, prompt: "Once", max_tokens: 8 });
    expect(answer.choices[0].text, answer);
    const pieces = await collect(
      await client.completions.create({ model: MODEL, prompt: "Once", max_tokens: 8, stream: true }),
    );
    expect(pieces.map((piece) => piece.choices[0]?.text ?? "").join(""), pieces);
  },
  async embeddings() {
    let answer;
    try {
      answer = await client.embeddings.create({ model: MODEL, input: ["one", "two"] });
    } catch (error) {
      expect(!EXACT && error.code === "feature_unavailable", error.message);
      return "no node offers embeddings";
    }
    expect(answer.data.length === 2 && typeof answer.data[0].embedding[0] === "number", answer);
  },
  async response() {
    const answer = await client.responses.create({ model: MODEL, input: "Say hello.", max_output_tokens: 16 });
    expect(answer.output_text && answer.usage.total_tokens > 0, answer);
  },
  async "response streamed"() {
    const stream = client.responses.stream({ model: MODEL, input: "Say hello.", max_output_tokens: 16 });
    const kinds = (await collect(stream)).map((event) => event.type);
    expect(kinds[0] === "response.created" && kinds.includes("response.output_text.delta"), kinds);
    expect((await stream.finalResponse()).output_text, "final");
  },
  async "response with a tool"() {
    const tools = [{ type: "function", name: "weather", parameters, strict: true }];
    const answer = await client.responses.create({ model: MODEL, input: "Weather?", tools, max_output_tokens: 64 });
    const call = answer.output.find((item) => item.type === "function_call");
    if (EXACT) expect(call.arguments === '{"city":"Paris"}', answer);
    if (!call) return "served; the model called nothing";
  },
  async "response with structured output"() {
    const answer = await client.responses.parse({
      model: MODEL,
      input: "Ada, 36. As JSON.",
      text: { format: zodTextFormat(Person, "person") },
      max_output_tokens: 64,
    });
    expect(Person.safeParse(answer.output_parsed).success, answer);
  },
  async "answer straight from the node"() {
    const asked = client.withOptions({ defaultHeaders: { "x-pinaivu-direct": "true" } });
    const { data, response } = await asked.chat.completions.create(ask).withResponse();
    expect(data.choices[0].message.content, data);
    const chunks = await collect(await asked.chat.completions.create({ ...ask, stream: true }));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), chunks);
    if (new URL(response.url).host === new URL(BASE_URL).host) {
      expect(!EXACT, "redirected");
      return "served by the gateway; no node has a public address";
    }
  },
  async "errors raised as the SDK's own classes"() {
    const wrong = new OpenAI({ baseURL: BASE_URL, apiKey: "sk-wrong", maxRetries: 0 });
    for (const [run, kind, code] of [
      [() => client.chat.completions.create({ ...ask, model: "no-such" }), OpenAI.NotFoundError, "model_not_found"],
      [() => client.chat.completions.create({ ...ask, messages: [] }), OpenAI.BadRequestError, "invalid_value"],
      [() => wrong.chat.completions.create(ask), OpenAI.AuthenticationError, "invalid_api_key"],
    ]) {
      const error = await run().then(
        () => null,
        (error) => error,
      );
      expect(error instanceof kind && error.code === code, `${code}: ${error}`);
    }
  },
});
