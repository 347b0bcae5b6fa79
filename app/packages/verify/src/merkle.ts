/**
 * RFC 9162 over SHA-256: inclusion (2.1.3.2), consistency (2.1.4.2), and growing a tree of which only
 * the peaks are held, as the program does. Hashes are hexadecimal, sizes bigints of 64 bits.
 */
import { concat, fromHex, toHex } from "./bytes.ts";
import { sha256 } from "./hash.ts";

/** Why a proof proves nothing. */
export type MerkleProblem =
  | "no_such_leaf"
  | "no_such_consistency"
  | "path_length"
  | "root_mismatch"
  | "not_growing"
  | "hash_count"
  | "peak_count";

export class MerkleError extends Error {
  override readonly name = "MerkleError";
  constructor(readonly problem: MerkleProblem) {
    super(problem.replaceAll("_", " "));
  }
}

export const leafHash = (leaf: Uint8Array): string => toHex(sha256(concat(Uint8Array.of(0), leaf)));
export const nodeHash = (left: string, right: string): string =>
  toHex(sha256(concat(Uint8Array.of(1), fromHex(left, 32), fromHex(right, 32))));

const fail = (problem: MerkleProblem): never => {
  throw new MerkleError(problem);
};

/** The root that a path leads to. */
export function rootOfPath(leaf: string, index: bigint, size: bigint, path: readonly string[]): string {
  if (index < 0n || index >= size) fail("no_such_leaf");
  let node = index;
  let last = size - 1n;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0n) fail("path_length");
    if ((node & 1n) === 1n || node === last) {
      hash = nodeHash(sibling, hash);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? hash : fail("path_length");
}

/** Checks that the leaf is at `index` in the tree of `size` leaves with this root. */
export function verifyInclusion(
  leaf: string,
  index: bigint,
  size: bigint,
  path: readonly string[],
  root: string,
): void {
  // An index that cannot exist: 2⁶⁴ leaves are not addressable, and the last one has no successor.
  if (index >= (1n << 64n) - 1n) fail("no_such_leaf");
  if (rootOfPath(leaf, index, size, path) !== root) fail("root_mismatch");
}

/** Checks that the second tree begins with the leaves of the first. */
export function verifyConsistency(
  first: bigint,
  second: bigint,
  firstRoot: string,
  secondRoot: string,
  path: readonly string[],
): void {
  if (first <= 0n || first > second) fail("no_such_consistency");
  if (first === second) {
    if (path.length > 0) fail("path_length");
    if (firstRoot !== secondRoot) fail("root_mismatch");
    return;
  }
  const whole = (first & (first - 1n)) === 0n;
  const hashes = whole ? [firstRoot, ...path] : [...path];
  if (path.length === 0) fail("path_length");
  let node = first - 1n;
  let last = second - 1n;
  while ((node & 1n) === 1n) {
    node >>= 1n;
    last >>= 1n;
  }
  const start = hashes.shift() ?? fail("path_length");
  let older = start;
  let newer = start;
  for (const sibling of hashes) {
    if (last === 0n) fail("path_length");
    if ((node & 1n) === 1n || node === last) {
      older = nodeHash(sibling, older);
      newer = nodeHash(sibling, newer);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      newer = nodeHash(newer, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) fail("path_length");
  if (older !== firstRoot || newer !== secondRoot) fail("root_mismatch");
}

/** The peaks folded from right to left; the hash of nothing for no peaks. */
export function rootOfPeaks(peaks: readonly string[]): string {
  if (peaks.length === 0) return toHex(sha256(new Uint8Array()));
  return peaks.reduceRight((right, peak) => nodeHash(peak, right));
}

const ones = (value: bigint): number => value.toString(2).replaceAll("0", "").length;

/** Appends complete subtrees, whose levels follow from the two sizes, as `log_extend` does on chain. */
export function extendPeaks(
  oldSize: bigint,
  oldPeaks: readonly string[],
  newSize: bigint,
  hashes: readonly string[],
): string[] {
  if (oldPeaks.length !== (oldSize === 0n ? 0 : ones(oldSize))) fail("peak_count");
  if (newSize <= oldSize) fail("not_growing");
  const peaks = [...oldPeaks];
  const rest = [...hashes];
  let position = oldSize;
  while (position < newSize) {
    let level = 0n;
    while (position % (2n << level) === 0n && position + (2n << level) <= newSize) level += 1n;
    let hash = rest.shift() ?? fail("hash_count");
    for (let bit = level; ((position >> bit) & 1n) === 1n; bit += 1n) {
      hash = nodeHash(peaks.pop() ?? fail("peak_count"), hash);
    }
    peaks.push(hash);
    position += 1n << level;
  }
  if (rest.length > 0) fail("hash_count");
  return peaks;
}
