/**
 * `npm run size`: what each page loads, compressed as it is served, against what it may load
 * (budget.json). A page that grows beyond its budget fails; raising a budget is a decision to make there.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const web = fileURLToPath(new URL("..", import.meta.url));
const dist = join(web, "dist");

/** Files that a part of the application needs before it can run. */
function closure(manifest, name, found = new Set()) {
  const chunk = manifest[name];
  if (!chunk || found.has(chunk.file)) return found;
  found.add(chunk.file);
  for (const file of chunk.css ?? []) found.add(file);
  for (const other of chunk.imports ?? []) closure(manifest, other, found);
  return found;
}

/** Bytes of script and style of each page, gzipped, the application's own start included. */
export async function sizes() {
  const manifest = JSON.parse(await readFile(join(dist, ".vite/manifest.json"), "utf8"));
  const { pages } = JSON.parse(await readFile(join(web, "budget.json"), "utf8"));
  const weigh = async (file) => gzipSync(await readFile(join(dist, file)), { level: 9 }).length;
  const found = {};
  for (const [page, { module }] of Object.entries(pages)) {
    if (!manifest[module]) throw new Error(`the build has no ${module}`);
    const files = [...closure(manifest, module, closure(manifest, "index.html"))];
    const weights = await Promise.all(files.map(weigh));
    found[page] = weights.reduce((sum, weight) => sum + weight, 0);
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { pages } = JSON.parse(await readFile(join(dirname(dist), "budget.json"), "utf8"));
  let over = 0;
  for (const [page, bytes] of Object.entries(await sizes())) {
    const { most } = pages[page];
    const fits = bytes <= most;
    if (!fits) over += 1;
    const kib = (number) => `${(number / 1024).toFixed(1).padStart(6)} KiB`;
    console.log(`${page.padEnd(12)} ${kib(bytes)} of ${kib(most)}${fits ? "" : "  TOO LARGE"}`);
  }
  if (over > 0) {
    console.error(`${over} page(s) load more than app/web/budget.json allows`);
    process.exit(1);
  }
}
