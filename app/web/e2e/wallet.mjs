/** A wallet that speaks Wallet Standard, for tests: the key stays in this process, the page gets signatures. */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

export function base58(bytes) {
  let value = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  let text = "";
  for (; value > 0n; value /= 58n) text = ALPHABET[Number(value % 58n)] + text;
  return "1".repeat(bytes.findIndex((byte) => byte !== 0)) + text;
}

/** A key file of somebody else, the same for the same number. */
export function keyFile(number) {
  const seed = Buffer.alloc(32, number);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return [...seed, ...spki.subarray(-32)];
}

/** Puts the wallet into every page of the context. `state.refuse` makes it refuse as a person would. */
export async function injectWallet(context, keyFile) {
  const secret = Uint8Array.from(keyFile);
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, secret.subarray(0, 32)]),
    format: "der",
    type: "pkcs8",
  });
  const state = { refuse: false, address: base58(secret.subarray(32)), signed: 0 };
  await context.exposeFunction("__testWalletSign", (bytes) => {
    if (state.refuse) throw new Error("User rejected the request.");
    state.signed += 1;
    return [...sign(null, Buffer.from(bytes), key)];
  });
  await context.addInitScript(
    ({ address, publicKey }) => {
      const account = {
        address,
        publicKey: Uint8Array.from(publicKey),
        chains: ["solana:localnet", "solana:mainnet"],
        features: ["solana:signTransaction", "solana:signMessage"],
      };
      const sign = async (bytes) => Uint8Array.from(await globalThis.__testWalletSign([...bytes]));
      const wallet = {
        version: "1.0.0",
        name: "Test Wallet",
        icon: "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAxIDEiPjxyZWN0IHdpZHRoPSIxIiBoZWlnaHQ9IjEiIGZpbGw9IiMwYTgiLz48L3N2Zz4=",
        chains: ["solana:localnet", "solana:mainnet"],
        accounts: [account],
        features: {
          "standard:connect": { version: "1.0.0", connect: async () => ({ accounts: [account] }) },
          "standard:disconnect": { version: "1.0.0", disconnect: async () => undefined },
          "standard:events": { version: "1.0.0", on: () => () => undefined },
          "solana:signMessage": {
            version: "1.1.0",
            signMessage: async (...inputs) =>
              Promise.all(
                inputs.map(async ({ message }) => ({
                  signedMessage: message,
                  signature: await sign(message),
                })),
              ),
          },
          "solana:signTransaction": {
            version: "1.0.0",
            supportedTransactionVersions: ["legacy", 0],
            // How many signatures, 64 bytes for each, and the message. This wallet pays, so its is the first.
            signTransaction: async (...inputs) =>
              Promise.all(
                inputs.map(async ({ transaction }) => {
                  const signedTransaction = Uint8Array.from(transaction);
                  signedTransaction.set(await sign(transaction.slice(1 + 64 * transaction[0])), 1);
                  return { signedTransaction };
                }),
              ),
          },
        },
      };
      const register = ({ register: accept }) => accept(wallet);
      globalThis.addEventListener("wallet-standard:app-ready", ({ detail }) => register(detail));
      globalThis.dispatchEvent(new CustomEvent("wallet-standard:register-wallet", { detail: register }));
    },
    { address: state.address, publicKey: [...secret.subarray(32)] },
  );
  return state;
}
