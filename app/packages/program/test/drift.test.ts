import { expect, test } from "vitest";
import { filesOf, GENERATED, render } from "../scripts/render.mjs";

test("the committed client is what the IDL gives", { timeout: 60_000 }, async () => {
  const [committed, rendered] = await Promise.all([filesOf(GENERATED), render()]);
  expect([...committed.keys()].sort()).toEqual([...rendered.keys()].sort());
  for (const [name, contents] of rendered) {
    expect(committed.get(name), `${name}: run npm run generate -w @pinaivu/program`).toBe(contents);
  }
});
