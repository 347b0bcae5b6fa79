import { expect, test } from "vitest";
import { classify } from "./search.tsx";

test.each([
  ["req_0199c82cc07b0102030405060708090a", "request"],
  [" 0199C82CC07B0102030405060708090A ", "request"],
  ["EC44YdBvqoMWiyqHtVmSfEHc7T9BHzeqbxhbqcLSWqJv", "address"],
  ["2eBBrE5EKp5qZE1UCTBgr2gydNuhSdStmLmY8nP8okTGhwaFduBUaUHBsYebbakcxC5VKsicLhufsF9f5w3qRE46", "transaction"],
  ["hello", null],
  ["", null],
])("%s is a %s", (text, kind) => expect(classify(text)).toBe(kind));
