import { type Address, getAddressEncoder } from "@solana/kit";
import { expect, test } from "vitest";
import { EVENTS, eventsOf, PINAIVU_PROGRAM_ADDRESS } from "../src/index.ts";

const coordinator = "EC44YdBvqoMWiyqHtVmSfEHc7T9BHzeqbxhbqcLSWqJv" as Address;

function logExtended(): string {
  const [key] = Object.entries(EVENTS).find(([, event]) => event.name === "LogExtended") ?? [];
  const bytes = new Uint8Array(8 + 32 + 8 + 4 + 8 + 8 + 32);
  const view = new DataView(bytes.buffer);
  bytes.set((key ?? "").match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? []);
  bytes.set(getAddressEncoder().encode(coordinator), 8);
  view.setBigUint64(40, 9n, true);
  view.setUint32(48, 1, true);
  view.setBigUint64(52, 3n, true);
  view.setBigUint64(60, 7n, true);
  bytes.fill(0xab, 68);
  return btoa(String.fromCharCode(...bytes));
}

const program = PINAIVU_PROGRAM_ADDRESS;

test("an event of the program is read from its logs", () => {
  const logs = [
    `Program ${program} invoke [1]`,
    `Program data: ${logExtended()}`,
    `Program ${program} success`,
  ];
  expect(eventsOf(logs, program)).toEqual([
    {
      name: "LogExtended",
      data: { coordinator, sequence: 9n, epoch: 1, old_size: 3n, size: 7n, root: "ab".repeat(32) },
    },
  ]);
});

test("a line that another program printed is no event", () => {
  const other = "11111111111111111111111111111111";
  const inner = [`Program ${other} invoke [2]`, `Program data: ${logExtended()}`, `Program ${other} success`];
  expect(
    eventsOf([`Program ${program} invoke [1]`, ...inner, `Program ${program} success`], program),
  ).toEqual([]);
});

test("an event with bytes left over is none", () => {
  const longer = btoa(`${atob(logExtended())}x`);
  const logs = [`Program ${program} invoke [1]`, `Program data: ${longer}`];
  expect(eventsOf(logs, program)).toEqual([]);
});
