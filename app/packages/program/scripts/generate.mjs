/** `npm run generate`: writes the client again. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GENERATED, render } from "./render.mjs";

const files = await render();
await rm(GENERATED, { recursive: true, force: true });
for (const [name, contents] of files) {
  const path = join(GENERATED, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}
console.log(`${files.size} files`);
