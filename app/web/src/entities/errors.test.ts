import { ERRORS } from "@pinaivu/program";
import { expect, test } from "vitest";
import { decodeTransactionError } from "./errors.ts";

test("every error of the program is said in its own words", () => {
  for (const [code, { name, message }] of Object.entries(ERRORS)) {
    const said = decodeTransactionError({ InstructionError: [0, { Custom: Number(code) }] });
    expect(said).toContain(message);
    expect(said).toContain(name);
  }
});

test("errors of the token program and of the runtime are told apart", () => {
  const logs = ["Program TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA failed: custom program error: 0x1"];
  expect(decodeTransactionError({ InstructionError: [1n, { Custom: 1n }] }, logs)).toBe(
    "there is too little USDC in the wallet",
  );
  expect(decodeTransactionError({ InstructionError: [1, { Custom: 1 }] })).toBe(
    "instruction 2 failed with error 1",
  );
  expect(decodeTransactionError("BlockhashNotFound")).toContain("expired");
  expect(decodeTransactionError({ InsufficientFundsForRent: { account_index: 0 } })).toContain(
    "InsufficientFundsForRent",
  );
});
