import type { Address } from "@solana/kit";
import { expect, test } from "vitest";
import * as generated from "../src/generated/pdas/index.ts";
import {
  escrowVaultAddress,
  ledgerAddress,
  payoutAddress,
  PINAIVU_PROGRAM_ADDRESS as program,
  retiredSignerAddress,
} from "../src/index.ts";

const market = "6u5DvFeaPhxvrci5q83fVaRUf7UZ29oUmNR9jyHLyimy" as Address;
const node = "3vNpeTZZcvmNcsghzBrxoFNhxWYBJXjYg2CwbJGi1a3V" as Address;

test("addresses written by hand are those that the IDL derives", async () => {
  expect(await ledgerAddress({ program, market })).toBe((await generated.findLedgerPda({ market }))[0]);
  expect(await escrowVaultAddress({ program, market })).toBe(
    (await generated.findEscrowVaultPda({ market }))[0],
  );
  expect(await payoutAddress(program, market, node)).toBe(
    (await generated.findPayoutPda({ coordinator: market, node }))[0],
  );
  expect(await retiredSignerAddress(program, market, node)).toBe(
    (await generated.findReturningPda({ coordinator: market, newSigner: node }))[0],
  );
});
