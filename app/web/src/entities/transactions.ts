/**
 * A transaction's way: built from instructions, simulated, signed by the wallet, sent, and followed until
 * the cluster confirms it or its blockhash has expired. A time-out is unknown, not failed: the
 * signature's status decides.
 */
import {
  type Address,
  appendTransactionMessageInstructions,
  type Base64EncodedWireTransaction,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  getBase58Decoder,
  getBase64Decoder,
  getSignatureFromTransaction,
  getTransactionDecoder,
  getTransactionEncoder,
  type Instruction,
  partiallySignTransaction,
  pipe,
  type Signature,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from "@solana/kit";
import type { Chain } from "./chain.ts";
import { decodeTransactionError } from "./errors.ts";
import type { ConnectedWallet } from "./wallet.tsx";

/** Why a transaction did not do what it should. */
export class TransactionFailure extends Error {
  override readonly name = "TransactionFailure";
  constructor(
    message: string,
    readonly kind: "simulation" | "refused" | "failed" | "expired" | "rpc",
    readonly signature: string | null = null,
  ) {
    super(message);
  }
}

/** What to do, in instructions and in words. */
export interface Plan {
  readonly title: string;
  /** One sentence for each thing that will happen. */
  readonly words: readonly string[];
  readonly instructions: readonly Instruction[];
  /** Keys that sign beside the wallet, before it: a wallet that sees them changes nothing any more. */
  readonly cosigners?: readonly CryptoKeyPair[];
}

/** Stands for the person's signature while a transaction is built. */
export const ownerSigner = (owner: Address) => createNoopSigner(owner);

const toBase64 = (bytes: Uint8Array) => getBase64Decoder().decode(bytes) as Base64EncodedWireTransaction;

export interface Simulated {
  readonly bytes: Uint8Array;
  readonly lastValidBlockHeight: bigint;
  readonly units: bigint | null;
  readonly fee: bigint | null;
}

/** Builds it and runs it on the RPC without signatures. */
export async function simulate(chain: Chain, payer: Address, plan: Plan): Promise<Simulated> {
  const { value: blockhash } = await chain.rpc.getLatestBlockhash({ commitment: "confirmed" }).send();
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (empty) => setTransactionMessageFeePayer(payer, empty),
    (paid) => setTransactionMessageLifetimeUsingBlockhash(blockhash, paid),
    (lasting) => appendTransactionMessageInstructions(plan.instructions, lasting),
  );
  const unsigned = compileTransaction(message);
  const compiled = plan.cosigners ? await partiallySignTransaction([...plan.cosigners], unsigned) : unsigned;
  const bytes = new Uint8Array(getTransactionEncoder().encode(compiled));
  const [{ value }, fee] = await Promise.all([
    chain.rpc
      .simulateTransaction(toBase64(bytes), { encoding: "base64", sigVerify: false, commitment: "confirmed" })
      .send(),
    chain.rpc
      .getFeeForMessage(
        getBase64Decoder().decode(Uint8Array.from(compiled.messageBytes)) as Parameters<
          typeof chain.rpc.getFeeForMessage
        >[0],
      )
      .send()
      .then((found) => found.value)
      .catch(() => null),
  ]);
  if (value.err)
    throw new TransactionFailure(decodeTransactionError(value.err, value.logs ?? []), "simulation");
  return {
    bytes,
    lastValidBlockHeight: blockhash.lastValidBlockHeight,
    units: value.unitsConsumed ?? null,
    fee,
  };
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

/** Asks the wallet, sends, and waits until it is confirmed. */
export async function signAndSend(
  chain: Chain,
  wallet: ConnectedWallet,
  simulated: Simulated,
  step: (state: "signing" | "sending" | "confirming", signature: string | null) => void,
): Promise<string> {
  step("signing", null);
  let signed: Uint8Array;
  try {
    signed = await wallet.signTransaction(simulated.bytes);
  } catch (error) {
    const why = error instanceof Error && error.message ? ` (${error.message})` : "";
    throw new TransactionFailure(`The wallet did not sign${why}. Nothing was sent.`, "refused");
  }
  const transaction = getTransactionDecoder().decode(signed);
  const signature = getSignatureFromTransaction(transaction);
  step("sending", signature);
  try {
    await chain.rpc
      .sendTransaction(toBase64(signed), { encoding: "base64", preflightCommitment: "confirmed" })
      .send();
  } catch (error) {
    const context = (
      error as { context?: { err?: unknown; logs?: string[] }; cause?: { context?: { __code?: unknown } } }
    ).context;
    const inner = (error as { cause?: unknown }).cause;
    if (context?.err)
      throw new TransactionFailure(
        decodeTransactionError(context.err, context.logs ?? []),
        "failed",
        signature,
      );
    if (inner)
      throw new TransactionFailure(
        inner instanceof Error ? inner.message : String(inner),
        "failed",
        signature,
      );
    throw new TransactionFailure(
      `The RPC did not take it: ${error instanceof Error ? error.message : "no answer"}`,
      "rpc",
      signature,
    );
  }
  step("confirming", signature);
  return follow(chain, signature, simulated.lastValidBlockHeight);
}

async function follow(chain: Chain, signature: Signature, lastValid: bigint): Promise<string> {
  for (let unanswered = 0; unanswered < 20; ) {
    try {
      const [status, height] = await Promise.all([
        chain.rpc.getSignatureStatuses([signature]).send(),
        chain.rpc.getBlockHeight({ commitment: "confirmed" }).send(),
      ]);
      const [found] = status.value;
      if (found?.err) throw new TransactionFailure(decodeTransactionError(found.err), "failed", signature);
      if (found && (found.confirmationStatus === "confirmed" || found.confirmationStatus === "finalized"))
        return signature;
      if (!found && height > lastValid) {
        throw new TransactionFailure(
          "It expired before the cluster took it. Nothing happened; try again.",
          "expired",
          signature,
        );
      }
    } catch (error) {
      if (error instanceof TransactionFailure) throw error;
      unanswered += 1;
    }
    await pause(700);
  }
  throw new TransactionFailure(
    "The RPC does not answer any more, so it is not known whether it went through. Look the signature up later.",
    "rpc",
    signature,
  );
}

/** A signature's bytes as text. */
export const base58 = (bytes: Uint8Array): string => getBase58Decoder().decode(bytes);
