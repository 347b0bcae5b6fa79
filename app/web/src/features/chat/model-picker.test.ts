import { expect, test } from "vitest";
import type { Model, NodeInfo } from "../../entities/coordinator.ts";
import { priceOf, speedOf } from "./model-picker.tsx";

const model = (lowest_ask: number | null): Model => ({
  id: "m",
  context_length: 1,
  nodes: 1,
  features: [],
  pricing: { lowest_ask, input_weight: 1, output_weight: 4 },
});

test("a price is the lowest ask by the weights of the model", () => {
  expect(priceOf(model(200_000))).toEqual({ input: "0.20", output: "0.80" });
  expect(priceOf(model(null))).toBeNull();
});

const node = (first: number | null, speed: number | null, fields: Partial<NodeInfo> = {}): NodeInfo => ({
  node: "n",
  connected: true,
  asks: [{ model: "m", price: 1, context_length: 1, features: 1 }],
  measured: { first_token_ms_p50: first, tokens_per_second_p50: speed, samples: 1, failed: 0 },
  ...fields,
});

test("a speed is that of the best node that offers the model now", () => {
  const nodes = [
    node(200, 70),
    node(180, null),
    node(1, 900, { connected: false }),
    node(1, 900, { asks: [] }),
  ];
  expect(speedOf("m", nodes)).toEqual({ first: 180, perSecond: 70 });
  expect(speedOf("other", nodes)).toBeNull();
  expect(speedOf("m", [node(null, null)])).toBeNull();
});
