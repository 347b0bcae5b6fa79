import { expect, test } from "vitest";
import { signInText } from "./sign-in.ts";

// The same text as in the coordinator's own test of its reader.
test("the sign-in is the text that the coordinator reads", () => {
  const text = signInText(
    { host: "pinaivu.example:8443", origin: "https://pinaivu.example:8443" },
    { deployment: "ab".repeat(32), coordinator: "COORDINATOR" },
    "OWNER",
    Date.parse("2026-11-23T14:31:00.000Z"),
    "000102030405060708090a0b0c0d0e0f",
  );
  expect(text).toBe(
    `pinaivu.example:8443 wants you to sign in with your Solana account:
OWNER

Sign in to see your usage. This moves no money.

URI: https://pinaivu.example:8443
Version: 1
Nonce: 000102030405060708090a0b0c0d0e0f
Issued At: 2026-11-23T14:31:00.000Z
Expiration Time: 2026-11-23T14:35:00.000Z
Resources:
- pinaivu:deployment:${"ab".repeat(32)}
- pinaivu:coordinator:COORDINATOR`,
  );
});
