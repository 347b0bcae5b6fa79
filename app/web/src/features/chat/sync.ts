/**
 * Carries the vault to the person's other devices, as blobs that a coordinator keeps and cannot read:
 * names are keyed hashes, contents are compressed, padded and encrypted, and every request, reading
 * included, is signed by a key that only the wallet's signature gives. Copies that went on apart are
 * merged here. Knows nothing of what it carries but how two values of one place become one.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256, toBase58, toHex } from "@pinaivu/verify";
import { z } from "zod";
import {
  ApiFailure,
  boundedBytes,
  boundedJson,
  failureOf,
  type Network,
} from "../../entities/coordinator.ts";
import { stableText } from "./conversation.ts";
import type { VaultKeys } from "./vault.ts";

/** Longest blob a coordinator takes. */
export const MAX_BLOB = 1 << 20;
/** Contents are padded to a multiple of this, so that their length says little. */
const PAD = 1 << 10;
const FORMAT = 1;

const encoder = new TextEncoder();

async function piped(bytes: Uint8Array, through: GenericTransformStream): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([Uint8Array.from(bytes)]).stream().pipeThrough(through);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What blobs of these keys are filed under: an Ed25519 public key in base58. */
export const namespaceOf = (keys: VaultKeys): string => toBase58(ed25519.getPublicKey(keys.signing));

/** The name of the blob for a place: 32 hexadecimal digits that say nothing about it. */
export async function blobId(keys: VaultKeys, place: string): Promise<string> {
  const mac = await crypto.subtle.sign("HMAC", keys.names, encoder.encode(place));
  return toHex(new Uint8Array(mac).subarray(0, 16));
}

const bound = (keys: VaultKeys, id: string) => encoder.encode(`${namespaceOf(keys)}/${id}`);

/** `format ‖ iv ‖ AES-GCM(length ‖ gzip(JSON) ‖ zeros)`, bound to its name. */
export async function sealBlob(keys: VaultKeys, id: string, value: unknown): Promise<Uint8Array> {
  const packed = await piped(encoder.encode(JSON.stringify(value)), new CompressionStream("gzip"));
  const plain = new Uint8Array(Math.ceil((packed.length + 4) / PAD) * PAD);
  new DataView(plain.buffer).setUint32(0, packed.length);
  plain.set(packed, 4);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const additionalData = bound(keys, id);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, keys.key, plain);
  const blob = new Uint8Array(13 + sealed.byteLength);
  blob[0] = FORMAT;
  blob.set(iv, 1);
  blob.set(new Uint8Array(sealed), 13);
  return blob;
}

/** Rejects for another key, another name, another format or changed bytes. */
export async function openBlob(keys: VaultKeys, id: string, blob: Uint8Array): Promise<unknown> {
  if (blob[0] !== FORMAT) throw new Error("a blob of another format");
  const additionalData = bound(keys, id);
  const iv = Uint8Array.from(blob.subarray(1, 13));
  const data = Uint8Array.from(blob.subarray(13));
  const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, keys.key, data);
  const length = new DataView(plain).getUint32(0);
  const json = await piped(new Uint8Array(plain, 4, length), new DecompressionStream("gzip"));
  return JSON.parse(new TextDecoder().decode(json));
}

/** Where blobs are. `version` counts the changes of one blob, from 1. */
export interface BlobServer {
  list(): Promise<readonly { readonly id: string; readonly version: number }[]>;
  /** `null` when there is none. */
  get(id: string): Promise<{ readonly bytes: Uint8Array; readonly version: number } | null>;
  /** Takes the place of `version`, or is the first; the new version, or that another was faster. */
  put(id: string, bytes: Uint8Array, version: number | null): Promise<number | "conflict">;
}

const Listed = z.object({ data: z.array(z.object({ id: z.string(), version: z.number() })) });
const Stored = z.object({ version: z.number() });

/** What is signed of a request, so that nobody else can make it, nor make it again. */
export function blobStatement(
  method: string,
  path: string,
  { deployment, coordinator }: Pick<Network, "deployment" | "coordinator">,
  time: number,
  nonce: string,
  body: Uint8Array,
): string {
  return [
    "pinaivu/blob/v1",
    method,
    path,
    deployment,
    coordinator,
    String(time),
    nonce,
    toHex(sha256(body)),
  ].join("\n");
}

/** The coordinator's blobs. `apiKey` vouches for a namespace that is new there, and is sent for nothing else. */
export function coordinatorBlobs(
  keys: VaultKeys,
  network: Pick<Network, "deployment" | "coordinator">,
  apiKey: () => string,
): BlobServer {
  const base = `/v1/blobs/${namespaceOf(keys)}`;
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body: Uint8Array = new Uint8Array(),
  ): Promise<Response> => {
    const time = Date.now();
    const nonce = toHex(crypto.getRandomValues(new Uint8Array(16)));
    const signed = encoder.encode(blobStatement(method, path, network, time, nonce, body));
    const signature = toBase58(ed25519.sign(signed, keys.signing));
    try {
      return await fetch(path, {
        method,
        headers: { ...headers, authorization: `Pinaivu-Blob time=${time},nonce=${nonce},sig=${signature}` },
        ...(method === "PUT" ? { body: Uint8Array.from(body) } : {}),
      });
    } catch {
      throw new ApiFailure("the coordinator cannot be reached", "unreachable", 0, null);
    }
  };
  const version = (response: Response) => Number((response.headers.get("etag") ?? "").replaceAll('"', ""));
  return {
    async list() {
      const response = await send("GET", base);
      if (!response.ok) throw await failureOf(response);
      return Listed.parse(await boundedJson(response)).data;
    },
    async get(id) {
      const response = await send("GET", `${base}/${id}`);
      if (response.status === 404) return null;
      if (!response.ok) throw await failureOf(response);
      return { bytes: await boundedBytes(response), version: version(response) };
    },
    async put(id, bytes, known) {
      const expects: Record<string, string> =
        known === null ? { "if-none-match": "*" } : { "if-match": `"${known}"` };
      const headers = { "content-type": "application/octet-stream", ...expects };
      let response = await send("PUT", `${base}/${id}`, headers, bytes);
      if (response.status === 401 && apiKey()) {
        response = await send("PUT", `${base}/${id}`, { ...headers, "x-pinaivu-key": apiKey() }, bytes);
      }
      if (response.status === 412) return "conflict";
      if (!response.ok) throw await failureOf(response);
      return Stored.parse(await boundedJson(response, 64 * 1024)).version;
    },
  };
}

/** What was last known to be on the server, by blob. */
export type Known = Record<string, { readonly version: number; readonly digest: string }>;

const Envelope = z.object({ place: z.string(), value: z.unknown() });
/** Values are never changed in place, so each is hashed once, however often it is compared. */
const digests = new WeakMap<object, string>();

function digestOf(value: unknown): string {
  const known = typeof value === "object" && value !== null ? digests.get(value) : undefined;
  if (known !== undefined) return known;
  const digest = toHex(sha256(encoder.encode(stableText(value))));
  if (typeof value === "object" && value !== null) digests.set(value, digest);
  return digest;
}

/** How the places of one person's vault are carried. */
export interface Carried {
  /** One value from two. Must give the same whichever comes first. */
  merge(place: string, a: unknown, b: unknown): unknown;
  /** A smaller value for one that does not fit; `null` when there is none. */
  lighter(place: string, value: unknown): unknown;
}

/** A value that does not fit into a blob. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** One device's side. Not concurrent: a call begins when the one before has ended. */
export class Sync {
  constructor(
    private readonly keys: VaultKeys,
    private readonly server: BlobServer,
    private readonly carried: Carried,
    /** Changed in place. */
    readonly known: Known,
  ) {}

  /** What other devices changed. A blob that does not open is somebody's mischief and is left out. */
  async pull(): Promise<{ readonly place: string; readonly value: unknown }[]> {
    const changed = (await this.server.list()).filter(
      ({ id, version }) => this.known[id]?.version !== version,
    );
    const found: { place: string; value: unknown }[] = [];
    for (const { id } of changed) {
      const opened = await this.open(id);
      if (opened) found.push(opened);
    }
    return found;
  }

  private async open(id: string): Promise<{ place: string; value: unknown } | null> {
    const blob = await this.server.get(id);
    if (!blob) return null;
    const opened = await openBlob(this.keys, id, blob.bytes).catch(() => null);
    const envelope = Envelope.safeParse(opened).data;
    if (!envelope || (await blobId(this.keys, envelope.place)) !== id) return null;
    this.known[id] = { version: blob.version, digest: digestOf(envelope.value) };
    return { place: envelope.place, value: envelope.value };
  }

  /** Whether the server has this very value, as far as is known. */
  async isCurrent(place: string, value: unknown): Promise<boolean> {
    return this.known[await blobId(this.keys, place)]?.digest === digestOf(value);
  }

  /** Puts a value on the server, merged with what another device put there meanwhile; gives what is there now. */
  async push(place: string, mine: unknown): Promise<unknown> {
    const id = await blobId(this.keys, place);
    let value = mine;
    for (let attempt = 0; attempt < 4; attempt++) {
      let blob = await sealBlob(this.keys, id, { place, value });
      if (blob.length > MAX_BLOB) {
        const light = this.carried.lighter(place, value);
        if (light !== null) blob = await sealBlob(this.keys, id, { place, value: light });
        if (light === null || blob.length > MAX_BLOB) throw new TooLarge("it does not fit into a blob");
      }
      const stored = await this.server.put(id, blob, this.known[id]?.version ?? null);
      if (stored !== "conflict") {
        this.known[id] = { version: stored, digest: digestOf(value) };
        return value;
      }
      const theirs = await this.open(id);
      if (theirs) value = this.carried.merge(place, value, theirs.value);
      else delete this.known[id];
    }
    throw new ApiFailure("another device keeps changing it; it is tried again soon", "refused", 412, null);
  }
}
