/**
 * AWS Nitro attestation documents: an untagged COSE_Sign1 (RFC 9052) with algorithm ES384 over a CBOR map
 * of module, time, PCRs, the certificate whose key signed it with its chain, and what the enclave asked to
 * be put in. The same rules as `crates/attestation`, tested with the same vectors.
 */
import { concat, equal, FormatError, utf8 } from "../bytes.ts";
import { hashOf } from "../hash.ts";
import { type Cbor, type CborMap, decodeCbor, encodeBytes, isBytes, isList, isMap } from "./cbor.ts";
import { AttestationProblem } from "./problem.ts";
import { leafKey, signedBy } from "./x509.ts";

/** Longest document that is read; the security module's own limit. */
const MAX_DOCUMENT = 0x3000;
const MAX_CHAIN = 16;
/** Longest certificate, nonce, user data and public key. */
const MAX_FIELD = 2048;
/** How far ahead of the verifier's clock a document may be, in milliseconds. */
const MAX_AHEAD = 5 * 60 * 1000;
/** `{1: -35}`: ES384, as the signed header's bytes. */
const ES384 = Uint8Array.of(0xa1, 0x01, 0x38, 0x22);
/** `["Signature1", …`: what the signature is over begins with it. */
const SIGNATURE_1 = concat(Uint8Array.of(0x84, 0x6a), utf8("Signature1"));

export interface NitroDocument {
  readonly module: string;
  /** When it was made, in milliseconds since 1970. */
  readonly made: number;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly certificate: Uint8Array;
  /** Its issuers, root first. */
  readonly chain: readonly Uint8Array[];
  readonly publicKey: Uint8Array | null;
  readonly userData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
}

/** A document in parts, of which nothing is checked yet. */
export interface NitroEnvelope {
  readonly document: NitroDocument;
  /** What was signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

const field = (name: string) =>
  new AttestationProblem(`Field:${name}`, `the field '${name}' is not as it must be`);

const decoded = (bytes: Uint8Array, code: string, message: string): Cbor => {
  try {
    return decodeCbor(bytes);
  } catch (error) {
    if (error instanceof FormatError) throw new AttestationProblem(code, message);
    throw error;
  }
};

const shortBytes = (value: Cbor | undefined): value is Uint8Array =>
  isBytes(value) && value.length > 0 && value.length <= MAX_FIELD;

function registers(value: Cbor | undefined): Map<number, Uint8Array> {
  if (!isMap(value) || value.size === 0) throw field("pcrs");
  const pcrs = new Map<number, Uint8Array>();
  for (const [number, register] of value) {
    if (typeof number !== "bigint" || number < 0n || number >= 32n) throw field("pcrs");
    if (!isBytes(register) || ![32, 48, 64].includes(register.length)) throw field("pcrs");
    pcrs.set(Number(number), register);
  }
  return pcrs;
}

function documentOf(fields: CborMap): NitroDocument {
  const module = fields.get("module_id");
  if (typeof module !== "string" || module === "") throw field("module_id");
  if (fields.get("digest") !== "SHA384") throw field("digest");
  const made = fields.get("timestamp");
  if (typeof made !== "bigint" || made <= 0n || made > BigInt(Number.MAX_SAFE_INTEGER))
    throw field("timestamp");
  const pcrs = registers(fields.get("pcrs"));
  const certificate = fields.get("certificate");
  if (!shortBytes(certificate)) throw field("certificate");
  const chain = fields.get("cabundle");
  if (!isList(chain) || chain.length === 0 || chain.length > MAX_CHAIN || !chain.every(shortBytes))
    throw field("cabundle");
  const optional = (name: string): Uint8Array | null => {
    const value = fields.get(name) ?? null;
    if (value === null) return null;
    if (!shortBytes(value)) throw field(name);
    return value;
  };
  return {
    module,
    made: Number(made),
    pcrs,
    certificate,
    chain,
    publicKey: optional("public_key"),
    userData: optional("user_data"),
    nonce: optional("nonce"),
  };
}

/** Reads a document. Verifies nothing. */
export function readNitro(bytes: Uint8Array): NitroEnvelope {
  if (bytes.length > MAX_DOCUMENT)
    throw new AttestationProblem(
      "TooLong",
      `the document has ${bytes.length} bytes, more than a security module gives`,
    );
  const cose = decoded(bytes, "Cose", "this is not one COSE_Sign1");
  const [header, unprotected, payload, signature] = isList(cose) && cose.length === 4 ? cose : [];
  if (
    !isBytes(header) ||
    !isMap(unprotected) ||
    !isBytes(signature) ||
    (payload !== null && !isBytes(payload))
  )
    throw new AttestationProblem("Cose", "this is not one COSE_Sign1");
  if (!equal(header, ES384) || unprotected.size > 0)
    throw new AttestationProblem(
      "Algorithm",
      "the document is not signed with ES384 and nothing else in its headers",
    );
  const fields = payload === null ? null : decoded(payload, "Payload", "the payload is not a map in CBOR");
  if (payload === null || !isMap(fields ?? undefined) || !fields)
    throw new AttestationProblem("Payload", "the payload is not a map in CBOR");
  const named = fields as CborMap;
  if ([...named.keys()].some((key) => typeof key !== "string"))
    throw new AttestationProblem("Payload", "the payload is not a map in CBOR");
  return {
    document: documentOf(named),
    signed: concat(SIGNATURE_1, encodeBytes(header), encodeBytes(new Uint8Array()), encodeBytes(payload)),
    signature,
  };
}

/** Whether the chain leads to `root` (DER) at `now`; gives the key that must have signed. */
export const nitroKey = ({ document }: NitroEnvelope, root: Uint8Array, now: number): Uint8Array =>
  leafKey("P-384", document.certificate, document.chain, root, now);

/** That this key signed the document. */
export function checkNitroSignature({ signed, signature }: NitroEnvelope, key: Uint8Array): void {
  if (!signedBy("P-384", key, signed, signature, "compact"))
    throw new AttestationProblem("Signature", "the document's signature does not verify");
}

/** That it was not made after `now`. */
export function checkNitroTime({ document: { made } }: NitroEnvelope, now: number): void {
  if (made > now + MAX_AHEAD) throw new AttestationProblem("Ahead", "the document is from the future");
}

/** That the enclave's memory is closed: in debug mode its PCRs are zero. */
export function checkNitroMode({ document: { pcrs } }: NitroEnvelope): void {
  if (pcrs.get(0)?.every((byte) => byte === 0))
    throw new AttestationProblem("Debug", "the enclave runs in debug mode");
}

/** The measurement as the market's list on chain has it: over PCR0, PCR1 and PCR2. */
export function nitroMeasurement({ pcrs }: NitroDocument): string {
  const three = [0, 1, 2].map((number) => {
    const register = pcrs.get(number);
    if (register?.length !== 48) throw field("pcrs");
    return register;
  });
  return hashOf("pinaivu/measurement/nitro/v1", ...three);
}

/** Signature, chain to `root` and times at `now`, in milliseconds since 1970; what the document says. */
export function verifyNitro(bytes: Uint8Array, root: Uint8Array, now: number): NitroDocument {
  const envelope = readNitro(bytes);
  checkNitroSignature(envelope, nitroKey(envelope, root, now));
  checkNitroTime(envelope, now);
  checkNitroMode(envelope);
  return envelope.document;
}
