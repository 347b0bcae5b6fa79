import { expect, test } from "vitest";
import { ago, duration, fine, parseUsdc, short, usdc } from "./format.ts";

test("amounts are exact and keep at least two digits", () => {
  expect(usdc(0n)).toBe("0.00");
  expect(usdc(1n)).toBe("0.000001");
  expect(usdc(1_234_567_890_000n)).toBe("1,234,567.89");
  expect(usdc(-2_500_000n)).toBe("−2.50");
  expect(fine(19_000_000n)).toBe("0.000019");
  expect(fine(9_007_199_254_740_993n)).toBe("9,007.199254740993");
});

test("typed amounts are taken exactly or not at all", () => {
  expect(parseUsdc("1")).toBe(1_000_000n);
  expect(parseUsdc(" 0.000001 ")).toBe(1n);
  expect(parseUsdc("1.10")).toBe(1_100_000n);
  for (const wrong of ["", "-1", "1.", ".5", "1e3", "1,5", "0.0000001", "1234567890123"])
    expect(parseUsdc(wrong)).toBeNull();
});

test("what is shown can be typed again", () => {
  for (const amount of [0n, 1n, 999_999n, 1_000_001n, 123_456_789_012n]) {
    expect(parseUsdc(usdc(amount).replaceAll(",", ""))).toBe(amount);
  }
});

test("ids keep their kind when they are shortened", () => {
  expect(short("req_0123456789abcdef0123456789abcdef")).toBe("req_0123…cdef");
  expect(short("abc")).toBe("abc");
});

test("times and durations read naturally", () => {
  expect(ago(1_000, 1_000)).toBe("now");
  expect(ago(0, 125_000)).toBe("2 min ago");
  expect(duration(0.2)).toBe("1 s");
  expect(duration(905)).toBe("15 min 05 s");
  expect(duration(900)).toBe("15 min");
  expect(duration(7_300)).toBe("2 h 1 min");
});
