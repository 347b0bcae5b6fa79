/**
 * What the files of cases share; the environment and the output are those of `../python/cases.py`.
 */
import { readFileSync, writeFileSync } from "node:fs";

export const { BASE_URL, API_KEY, MODEL } = process.env;
export const EXACT = process.env.EXACT === "1";
export const TEXT = "Hello from the node";
export const MESSAGES = [{ role: "user", content: "Say hello." }];

/** The installed version of a package. */
export function version(name) {
  const manifest = new URL(`./node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest)).version;
}

export function expect(condition, what) {
  if (!condition) throw new Error(typeof what === "string" ? what : JSON.stringify(what));
}

/** Runs the cases, a record of names and functions, and ends the process. */
export async function main(client, cases) {
  const outcomes = [];
  for (const [name, run] of Object.entries(cases)) {
    let outcome;
    try {
      outcome = (await run()) ?? "passes";
    } catch (error) {
      console.error(error);
      outcome = `FAILS: ${error?.name ?? "error"}`;
    }
    outcomes.push([name, outcome]);
    console.log(outcome.padEnd(45), name);
  }
  if (process.env.OUT) writeFileSync(process.env.OUT, JSON.stringify({ client, cases: outcomes }));
  process.exit(outcomes.some(([, outcome]) => outcome.startsWith("FAILS")) ? 1 : 0);
}
