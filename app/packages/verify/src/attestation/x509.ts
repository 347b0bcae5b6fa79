/**
 * Chains of X.509 certificates (RFC 5280) with keys on one NIST curve, to one pinned root, at one time: what
 * makers of attesting machines use. Names are compared as they are encoded. An extension that is critical
 * and not known is refused. Revocation is not looked at: what needs it says so.
 */
import { p256, p384 } from "@noble/curves/nist.js";
import { equal, FormatError } from "../bytes.ts";
import { type Element, Elements, inside, oid, sequence, TAG, time, wholeBytes } from "./der.ts";
import { AttestationProblem } from "./problem.ts";

/** Curve and hash, which these makers never mix. */
export type Curve = "P-256" | "P-384";

const CURVES = {
  "P-256": { curve: p256, oid: "1.2.840.10045.3.1.7", signature: "1.2.840.10045.4.3.2" },
  "P-384": { curve: p384, oid: "1.3.132.0.34", signature: "1.2.840.10045.4.3.3" },
} as const;
const EC_KEY = "1.2.840.10045.2.1";
const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
/** Critical in some chains; nothing of theirs changes who may sign what here. */
const HARMLESS = new Set(["2.5.29.14", "2.5.29.35", "2.5.29.31", "2.5.29.32"]);
/** Bit 5 of the first byte of a key usage. */
const MAY_SIGN_CERTIFICATES = 0x04;
const LONGEST_CHAIN = 6;

export interface Certificate {
  /** What the issuer signed. */
  readonly signed: Uint8Array;
  readonly signatureAlgorithm: string;
  /** DER. */
  readonly signature: Uint8Array;
  /** Names, DER. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since 1970, both included. */
  readonly from: number;
  readonly until: number;
  readonly curve: string;
  /** The point of its key. */
  readonly key: Uint8Array;
  readonly authority: boolean;
  /** How many authorities may follow below. */
  readonly pathLength: number | null;
  readonly mayIssue: boolean;
  /** Purposes it is limited to. */
  readonly purposes: readonly string[] | null;
  /** Whether a critical extension is not known here. */
  readonly strange: boolean;
}

const problem = (code: string, message: string) => new AttestationProblem(`Certificate:${code}`, message);

interface Extensions {
  authority: boolean;
  pathLength: number | null;
  mayIssue: boolean;
  purposes: string[] | null;
  strange: boolean;
}

function extensionsOf(wrapped: Element | null): Extensions {
  const found: Extensions = {
    authority: false,
    pathLength: null,
    mayIssue: true,
    purposes: null,
    strange: false,
  };
  if (!wrapped) return found;
  const list = sequence(wrapped.content);
  const seen = new Set<string>();
  while (!list.done) {
    const extension = inside(list.take(TAG.sequence));
    const name = oid(extension.take(TAG.oid));
    const critical = extension.optional(TAG.boolean)?.content[0] === 0xff;
    const value = extension.take(TAG.octets).content;
    extension.end();
    if (seen.has(name)) throw new FormatError("an extension is there twice");
    seen.add(name);
    if (name === BASIC_CONSTRAINTS) {
      const constraints = sequence(value);
      found.authority = constraints.optional(TAG.boolean)?.content[0] === 0xff;
      const length = constraints.optional(TAG.integer)?.content;
      if (length) {
        if (length.length !== 1 || (length[0] ?? 0) > 127) throw new FormatError("no path length");
        found.pathLength = length[0] ?? 0;
      }
      constraints.end();
    } else if (name === KEY_USAGE) {
      const bits = new Elements(value).take(TAG.bits).content;
      found.mayIssue = ((bits[1] ?? 0) & MAY_SIGN_CERTIFICATES) !== 0;
    } else if (name === EXTENDED_KEY_USAGE) {
      const purposes = sequence(value);
      found.purposes = [];
      while (!purposes.done) found.purposes.push(oid(purposes.take(TAG.oid)));
    } else if (critical && !HARMLESS.has(name)) found.strange = true;
  }
  return found;
}

function read(der: Uint8Array): Certificate {
  const outer = sequence(der);
  const body = outer.take(TAG.sequence);
  const algorithm = outer.take(TAG.sequence);
  const signature = wholeBytes(outer.take(TAG.bits));
  outer.end();
  const fields = inside(body);
  // Version 3, or there are no extensions that could forbid anything.
  const version = inside(fields.take(0xa0)).take(TAG.integer);
  if (version.content.length !== 1 || version.content[0] !== 2) throw new FormatError("not version 3");
  fields.take(TAG.integer); // its number
  if (!equal(fields.take(TAG.sequence).whole, algorithm.whole)) throw new FormatError("two algorithms");
  const issuer = fields.take(TAG.sequence).whole;
  const validity = inside(fields.take(TAG.sequence));
  const moment = () => time(validity.take(validity.tag === TAG.utcTime ? TAG.utcTime : TAG.generalizedTime));
  const [from, until] = [moment(), moment()];
  validity.end();
  const subject = fields.take(TAG.sequence).whole;
  const keyInfo = inside(fields.take(TAG.sequence));
  const kind = inside(keyInfo.take(TAG.sequence));
  const isCurve = oid(kind.take(TAG.oid)) === EC_KEY;
  const curve = isCurve && kind.tag === TAG.oid ? oid(kind.take(TAG.oid)) : "";
  const key = wholeBytes(keyInfo.take(TAG.bits));
  keyInfo.end();
  fields.optional(0x81);
  fields.optional(0x82);
  const extensions = extensionsOf(fields.optional(0xa3));
  fields.end();
  return {
    signed: body.whole,
    signatureAlgorithm: oid(inside(algorithm).take(TAG.oid)),
    signature,
    issuer,
    subject,
    from,
    until,
    curve,
    key,
    ...extensions,
  };
}

/** A certificate, of which nothing is checked yet. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    return read(der);
  } catch (error) {
    if (error instanceof FormatError)
      throw problem("Encoding", `a certificate cannot be read: ${error.message}`);
    throw error;
  }
}

/** Whether the key, a point on the curve, signed these bytes, with the curve's usual hash. */
export function signedBy(
  curve: Curve,
  key: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
  format: "der" | "compact",
): boolean {
  try {
    // Makers do not bother with the lower of the two values of s.
    return CURVES[curve].curve.verify(signature, bytes, key, { lowS: false, format });
  } catch {
    return false;
  }
}

function issuedBy(curve: Curve, certificate: Certificate, issuer: Certificate): boolean {
  const { oid: name, signature } = CURVES[curve];
  if (certificate.signatureAlgorithm !== signature || issuer.curve !== name)
    throw problem("Key", `a certificate is not signed on ${curve}`);
  return signedBy(curve, issuer.key, certificate.signed, certificate.signature, "der");
}

function checkTime(certificate: Certificate, now: number): void {
  if (now < certificate.from) throw problem("NotYet", "a certificate was not valid yet");
  if (now > certificate.until) throw problem("Expired", "a certificate had expired");
}

/**
 * The point of the leaf's key, once its chain through `issuers` (DER, in any order) to `root` (DER, pinned)
 * holds at `now`, in milliseconds since 1970.
 */
export function leafKey(
  curve: Curve,
  leaf: Uint8Array,
  issuers: readonly Uint8Array[],
  root: Uint8Array,
  now: number,
): Uint8Array {
  const anchor = parseCertificate(root);
  const end = parseCertificate(leaf);
  const known = issuers.map(parseCertificate);
  checkTime(end, now);
  if (end.authority) throw problem("Rules", "the key that signed is an authority's");
  if (end.purposes && !end.purposes.includes(CLIENT_AUTH))
    throw problem("Rules", "the key that signed is for another purpose");
  let current = end;
  for (let below = 0; below < LONGEST_CHAIN; below += 1) {
    if (current.strange) throw problem("Rules", "a certificate has a critical extension that is not known");
    const here = current;
    if (equal(here.issuer, anchor.subject)) {
      if (!issuedBy(curve, here, anchor)) throw problem("Signature", "a signature in the chain is broken");
      if (end.curve !== CURVES[curve].oid) throw problem("Key", `its key is not on ${curve}`);
      return end.key;
    }
    // A root of its own making vouches for nobody but itself.
    const named = known.filter(
      ({ subject, signed }) => equal(subject, here.issuer) && !equal(signed, here.signed),
    );
    if (named.length === 0) throw problem("Root", "the chain does not lead to the pinned root");
    const next = named.find((candidate) => issuedBy(curve, here, candidate));
    if (!next) throw problem("Signature", "a signature in the chain is broken");
    checkTime(next, now);
    const room = next.pathLength === null || next.pathLength >= below;
    if (!next.authority || !next.mayIssue || !room)
      throw problem("Rules", "a certificate was issued by one that may not");
    current = next;
  }
  throw problem("Rules", "the chain is too long");
}
