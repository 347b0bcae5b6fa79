import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { wordedEvents } from "./history.tsx";

test("every event of the program has a sentence, and nothing else has", () => {
  const idl: { events: { name: string }[] } = JSON.parse(
    readFileSync(new URL("../../../../../idls/pinaivu.json", import.meta.url), "utf8"),
  );
  expect([...wordedEvents].sort()).toEqual(idl.events.map(({ name }) => name).sort());
});
