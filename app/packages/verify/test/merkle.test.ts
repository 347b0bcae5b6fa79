import { expect, test } from "vitest";
import * as v from "../src/index.ts";
import { vectors } from "./vectors.ts";

const merkle = vectors("merkle");
const both = (kind: string) => [...merkle[kind].small, ...merkle[kind].large];
const run: Record<string, (c: Record<string, never>) => void> = {
  inclusion: (c) =>
    v.verifyInclusion(
      c["leaf_hash"] ?? "",
      BigInt(c["index"] ?? 0),
      BigInt(c["size"] ?? 0),
      c["path"] ?? [],
      c["root"] ?? "",
    ),
  consistency: (c) =>
    v.verifyConsistency(
      BigInt(c["first"] ?? 0),
      BigInt(c["second"] ?? 0),
      c["first_root"] ?? "",
      c["second_root"] ?? "",
      c["path"] ?? [],
    ),
  log_extend: (c) =>
    void v.extendPeaks(
      BigInt(c["old_size"] ?? 0),
      c["old_peaks"] ?? [],
      BigInt(c["new_size"] ?? 0),
      c["hashes"] ?? [],
    ),
};

test("leaves hash as in the vectors", () => {
  expect(merkle.leaves.map((leaf: string) => v.leafHash(v.fromHex(leaf)))).toEqual(merkle.leaf_hashes);
});

test("peaks fold to the roots", () => {
  for (const c of both("roots")) expect(v.rootOfPeaks(c.peaks)).toBe(c.root);
});

test("every inclusion proof is accepted", () => {
  expect(both("inclusion")).toHaveLength(42);
  for (const c of both("inclusion")) run["inclusion"]?.(c);
});

test("every consistency proof is accepted", () => {
  expect(both("consistency")).toHaveLength(42);
  for (const c of both("consistency")) run["consistency"]?.(c);
});

test("extensions give the peaks and roots of the vectors", () => {
  for (const c of both("log_extend")) {
    const peaks = v.extendPeaks(BigInt(c.old_size), c.old_peaks, BigInt(c.new_size), c.hashes);
    expect(peaks).toEqual(c.new_peaks);
    expect(v.rootOfPeaks(peaks)).toBe(c.root);
  }
});

const rejected = Object.entries(merkle.rejected as Record<string, Record<string, never>[]>).flatMap(
  ([kind, cases]) => cases.map((c) => [`${kind}: ${c["why"]}`, kind, c] as const),
);

test.each(rejected)("rejected: %s", (_, kind, c) => {
  expect(() => run[kind]?.(c)).toThrowError(expect.objectContaining({ problem: c["error"] }));
});

test("a changed bit in any hash of any path is found", () => {
  for (const c of both("inclusion")) {
    for (const at of c.path.keys()) {
      const path = [...c.path];
      const bytes = v.fromHex(path[at]);
      bytes[31] = (bytes[31] ?? 0) ^ 1;
      path[at] = v.toHex(bytes);
      expect(() => v.verifyInclusion(c.leaf_hash, BigInt(c.index), BigInt(c.size), path, c.root)).toThrow(
        v.MerkleError,
      );
    }
  }
});
