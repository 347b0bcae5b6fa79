/** Errors of transactions in words: the program's own, the token program's, and the runtime's. */
import { ERRORS } from "@pinaivu/program";

const RUNTIME: Readonly<Record<string, string>> = {
  AccountNotFound: "the wallet has no SOL to pay the network fee",
  InsufficientFundsForFee: "the wallet has too little SOL to pay the network fee",
  BlockhashNotFound: "it took too long and expired before it was sent; nothing happened",
  AlreadyProcessed: "it was already carried out",
};

const TOKEN: Readonly<Record<number, string>> = {
  1: "there is too little USDC in the wallet",
  4: "the wallet does not own that token account",
  17: "the token account is frozen by the mint's authority",
};

/** What went wrong, from the error an RPC gives and the program's logs. */
export function decodeTransactionError(error: unknown, logs: readonly string[] = []): string {
  if (typeof error === "string") return RUNTIME[error] ?? `the cluster refused it: ${error}`;
  const instruction = (error as { InstructionError?: readonly [number | bigint, unknown] } | null)
    ?.InstructionError;
  if (instruction) {
    const [at, inner] = instruction;
    const custom = (inner as { Custom?: number | bigint } | null)?.Custom;
    if (custom !== undefined) {
      const code = Number(custom);
      const known = ERRORS[code];
      if (known) return `the program refused it: ${known.message} (${known.name}, ${code})`;
      const anchor = /AnchorError.*Error Message: (.*)$/.exec(
        logs.find((line) => line.includes("AnchorError")) ?? "",
      )?.[1];
      if (anchor) return `the program refused it: ${anchor}`;
      const fromToken = logs.some((line) => /^Program Token\S+ failed/.test(line));
      if (fromToken && TOKEN[code]) return TOKEN[code];
      if (code === 1 && logs.some((line) => line.includes("insufficient lamports")))
        return "the wallet has too little SOL for the account's rent";
      return `instruction ${Number(at) + 1} failed with error ${code}`;
    }
    if (typeof inner === "string") return `instruction ${Number(at) + 1} failed: ${inner}`;
  }
  const text = JSON.stringify(error, (_, value) => (typeof value === "bigint" ? value.toString() : value));
  return `the cluster refused it: ${text}`;
}
