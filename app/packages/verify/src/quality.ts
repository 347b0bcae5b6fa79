/**
 * A node's standing in the order book from what was measured of it (docs/protocol.md, section 14). The
 * formula is everybody's; its inputs are the coordinator's measurements.
 */
import type { Measured } from "./records.ts";

/** How long after it last served a node's ask may set somebody else's price, in milliseconds. */
const RECENT_SERVICE = 600_000n;

const WHOLE = 10_000n;
const PRIOR_REQUESTS = 20n;

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const clamp = (value: bigint, least: bigint, most: bigint): bigint => min(max(value, least), most);
/** Rounds up; a zero divisor counts as 1. */
const divide = (value: bigint, by: bigint): bigint => (value + max(by, 1n) - 1n) / max(by, 1n);
const scale = (value: bigint, bps: bigint): bigint => divide(value * bps, WHOLE);

/** A cost multiplier in basis points, 5,000 to 20,000; lower is better. */
export function qualityFactor({
  measurements,
  reference,
}: Pick<Measured, "measurements" | "reference">): number {
  const requests = BigInt(measurements.requests);
  const failed = min(BigInt(measurements.failed), requests);
  const served = requests - failed;
  const mix = (measured: number, usual: bigint): bigint => {
    const value = measured === 0 ? usual : BigInt(measured);
    return max(divide(value * served + usual * PRIOR_REQUESTS, served + PRIOR_REQUESTS), 1n);
  };
  const firstByte = max(BigInt(reference.first_byte_millis), 1n);
  const usualSpeed = max(BigInt(reference.millitokens_per_second), 1n);
  const term = (value: bigint) => clamp(value, 7_000n, 15_000n);
  const latency = term(divide(mix(measurements.first_byte_millis, firstByte) * WHOLE, firstByte));
  const speed = term(divide(usualSpeed * WHOLE, mix(measurements.millitokens_per_second, usualSpeed)));
  const failures = WHOLE + min(divide(failed * WHOLE, requests + PRIOR_REQUESTS) * 4n, WHOLE);
  const capacity = BigInt(measurements.capacity);
  const busy = min(BigInt(measurements.in_flight), capacity);
  const load = WHOLE + (capacity === 0n ? 0n : scale(3_000n, divide(busy * WHOLE, capacity)));
  const product = scale(scale(scale(latency, speed), failures), load);
  const stepped = divide(product, 100n) * 100n;
  return Number(clamp(stepped, 5_000n, 20_000n));
}

/** What the book holds of a node after it was measured. */
export function standingOf(line: Measured, at: bigint): { quality: number; recent_service: boolean } {
  const since = line.last_served === null ? null : max(at - line.last_served, 0n);
  return { quality: qualityFactor(line), recent_service: since !== null && since < RECENT_SERVICE };
}
