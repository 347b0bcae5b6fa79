import { expect, test } from "vitest";
import idl from "../../../../../idls/pinaivu.json";
import { wordedEvents } from "./history.tsx";

test("every event of the program has a sentence, and nothing else has", () => {
  expect([...wordedEvents].sort()).toEqual(idl.events.map(({ name }) => name).sort());
});
