/** Numbers, amounts and times for people. Amounts stay bigints until they are text. */

const grouping = new Intl.NumberFormat("en-US");

export const count = (value: number | bigint): string => grouping.format(value);

/** A decimal number from an integer and how many of its digits are behind the point. */
function decimal(value: bigint, digits: number): { whole: bigint; fraction: string; negative: boolean } {
  const negative = value < 0n;
  const text = (negative ? -value : value).toString().padStart(digits + 1, "0");
  return { whole: BigInt(text.slice(0, -digits)), fraction: text.slice(-digits), negative };
}

/** `Amount`, 10⁻⁶ USDC: at least two digits behind the point, all that matter. */
export function usdc(amount: bigint): string {
  const { whole, fraction, negative } = decimal(amount, 6);
  const shown = fraction.replace(/0+$/, "").padEnd(2, "0");
  return `${negative ? "−" : ""}${count(whole)}.${shown}`;
}

/** `FineAmount`, 10⁻¹² USDC: exact, without trailing zeros. */
export function fine(amount: bigint): string {
  const { whole, fraction, negative } = decimal(amount, 12);
  const shown = fraction.replace(/0+$/, "").padEnd(2, "0");
  return `${negative ? "−" : ""}${count(whole)}.${shown}`;
}

/** An amount a person typed, in 10⁻⁶ USDC; `null` when it is none. */
export function parseUsdc(text: string): bigint | null {
  const found = /^\s*([0-9]{1,12})(?:\.([0-9]{1,6}))?\s*$/.exec(text);
  if (!found) return null;
  return BigInt(found[1] ?? "0") * 1_000_000n + BigInt((found[2] ?? "").padEnd(6, "0"));
}

/** The first and last characters of an id. */
export const short = (id: string, ends = 4): string =>
  id.length <= 2 * ends + 1
    ? id
    : `${id.slice(0, id.startsWith("req_") ? 4 + ends : ends)}…${id.slice(-ends)}`;

const dateTime = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

export const time = (millis: number): string => dateTime.format(new Date(millis));

export function ago(millis: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - millis) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.ceil(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.floor(seconds % 60);
  if (minutes < 60)
    return rest === 0 ? `${minutes} min` : `${minutes} min ${String(rest).padStart(2, "0")} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

export const percent = (bps: number): string =>
  `${(bps / 100).toLocaleString("en-US", { maximumFractionDigits: 2 })} %`;

export const bytes = (size: number): string =>
  size < 1024
    ? `${size} B`
    : size < 1 << 20
      ? `${(size / 1024).toFixed(1)} KiB`
      : `${(size / (1 << 20)).toFixed(1)} MiB`;
