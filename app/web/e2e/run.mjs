/** `npm run e2e`: builds the application and takes people's journeys through it. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const cwd = fileURLToPath(new URL("..", import.meta.url));
const run = (command, args) => {
  const { status } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
};
if (!process.argv.includes("--built")) run("npm", ["run", "build"]);
run(process.execPath, [
  "--test",
  "--test-reporter=spec",
  ...process.argv.slice(2).filter((arg) => arg !== "--built"),
  "e2e/journeys.test.mjs",
]);
