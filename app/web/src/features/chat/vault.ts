/**
 * Where conversations and memories are kept: in this browser, encrypted under a key that only a signature
 * of the person's wallet gives. The same wallet opens it anywhere the boxes are; nobody else can, also
 * with the boxes in hand. Without a wallet nothing is kept beyond the page. `sync.ts` carries it to
 * other devices.
 */
import type { ConnectedWallet } from "../../entities/wallet.tsx";

/** What the wallet signs. Its Ed25519 signature is the same every time, so it can be a key. */
export const UNLOCK_TEXT = [
  "Unlock my Pinaivu chats and memory.",
  "",
  "This moves no money. The signature becomes the key that encrypts them in this browser,",
  "so sign this text only on a Pinaivu page that you trust.",
  "",
  "pinaivu/vault/v1",
].join("\n");

const encoder = new TextEncoder();

/** Keys that a signature gives. None of them says anything about the wallet. */
export interface VaultKeys {
  /** What the boxes in this browser are called. */
  readonly box: string;
  /** For contents; cannot be taken out of the page. */
  readonly key: CryptoKey;
  /** Signs for the blobs that a coordinator keeps; its public key is what they are filed under. */
  readonly signing: Uint8Array;
  /** Turns places into names of blobs. */
  readonly names: CryptoKey;
}

export async function deriveKeys(signature: Uint8Array): Promise<VaultKeys> {
  const material = await crypto.subtle.importKey("raw", Uint8Array.from(signature), "HKDF", false, [
    "deriveBits",
    "deriveKey",
  ]);
  const hkdf = (info: string) => ({
    name: "HKDF",
    hash: "SHA-256",
    salt: encoder.encode("pinaivu/vault/v1"),
    info: encoder.encode(info),
  });
  const [key, name, signing, names] = await Promise.all([
    crypto.subtle.deriveKey(hkdf("contents"), material, { name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]),
    crypto.subtle.deriveBits(hkdf("box"), material, 128),
    crypto.subtle.deriveBits(hkdf("blob signing"), material, 256),
    crypto.subtle.deriveKey(
      hkdf("blob names"),
      material,
      { name: "HMAC", hash: "SHA-256", length: 256 },
      false,
      ["sign"],
    ),
  ]);
  const box = Array.from(new Uint8Array(name), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { box, key, signing: new Uint8Array(signing), names };
}

export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

/** Bound to its place: a box cannot be passed off as another one. */
const place = (keys: VaultKeys, id: string) => encoder.encode(`${keys.box}/${id}`);

export async function seal(keys: VaultKeys, id: string, value: unknown): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv, additionalData: place(keys, id) },
    keys.key,
    encoder.encode(JSON.stringify(value)),
  );
  return { iv, data };
}

/** Rejects for another key, another place or changed bytes. */
export async function unseal(keys: VaultKeys, id: string, { iv, data }: Sealed): Promise<unknown> {
  const opened = await crypto.subtle.decrypt(
    { name: "AES-GCM", iv, additionalData: place(keys, id) },
    keys.key,
    data,
  );
  return JSON.parse(new TextDecoder().decode(opened));
}

const request = <T>(asked: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });

function database(): Promise<IDBDatabase> {
  const opening = indexedDB.open("pinaivu-vault", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("boxes");
  return request(opening);
}

/** An open vault. */
export class Vault {
  private constructor(
    readonly keys: VaultKeys,
    private readonly boxes: IDBDatabase,
  ) {}

  /** Asks the wallet for its signature, twice when this browser has no box of it yet: a wallet whose signatures differ would lock itself out. */
  static async unlock(wallet: ConnectedWallet): Promise<Vault> {
    if (!wallet.signMessage)
      throw new Error(`${wallet.name} cannot sign messages, so it cannot open a vault.`);
    const message = encoder.encode(UNLOCK_TEXT);
    const keys = await deriveKeys(await wallet.signMessage(message));
    const vault = new Vault(keys, await database());
    if ((await vault.read("probe").catch(() => null)) === null) {
      const again = await deriveKeys(await wallet.signMessage(message));
      if (again.box !== keys.box)
        throw new Error(`${wallet.name} signs differently each time, so it cannot open a vault.`);
      await vault.write("probe", "open");
    }
    return vault;
  }

  private store(mode: IDBTransactionMode): IDBObjectStore {
    return this.boxes.transaction("boxes", mode).objectStore("boxes");
  }

  private at(id: string): string {
    return `${this.keys.box}/${id}`;
  }

  async write(id: string, value: unknown): Promise<void> {
    const sealed = await seal(this.keys, id, value);
    await request(this.store("readwrite").put(sealed, this.at(id)));
  }

  /** `null` when there is none. */
  async read(id: string): Promise<unknown> {
    const sealed = (await request(this.store("readonly").get(this.at(id)))) as Sealed | undefined;
    return sealed ? unseal(this.keys, id, sealed) : null;
  }

  /** All boxes by their places. One that does not open is left out and left alone. */
  async entries(): Promise<(readonly [place: string, value: unknown])[]> {
    const range = IDBKeyRange.bound(this.at(""), this.at("\uffff"));
    const names = (await request(this.store("readonly").getAllKeys(range))) as string[];
    const found = await Promise.all(
      names.map(async (name) => {
        const place = name.slice(this.keys.box.length + 1);
        return [place, await this.read(place).catch(() => null)] as const;
      }),
    );
    return found.filter(([, value]) => value !== null);
  }
}
