/**
 * Renders the client of the program from its IDL into a map of file name to contents.
 *
 * Writes nothing itself: `generate.mjs` writes it to `src/generated`, and the drift test compares it
 * with what is there, so that the two cannot disagree about how it is made.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { rootNodeFromAnchor } from "@codama/nodes-from-anchor";
import { renderVisitor } from "@codama/renderers-js";
import { visit } from "@codama/visitors-core";
import { tables } from "./tables.mjs";

const IDL = fileURLToPath(new URL("../../../../idls/pinaivu.json", import.meta.url));

/** Where the committed files are. */
export const GENERATED = fileURLToPath(new URL("../src/generated", import.meta.url));

/** All files below a folder, by path with `/`. */
export async function filesOf(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = new Map();
  for (const entry of entries.filter((found) => found.isFile())) {
    const path = join(entry.parentPath, entry.name);
    files.set(relative(folder, path).split("\\").join("/"), await readFile(path, "utf8"));
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** An account and an instruction of one name would export the same constants: the instruction gives way. */
function withoutCollisions(root) {
  const taken = new Set(root.program.accounts.map((account) => account.name));
  const instructions = root.program.instructions.map((instruction) =>
    taken.has(instruction.name) ? { ...instruction, name: `make${capital(instruction.name)}` } : instruction,
  );
  return { ...root, program: { ...root.program, instructions } };
}

function capital(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** The files as the generator makes them today. */
export async function render() {
  const idl = JSON.parse(await readFile(IDL, "utf8"));
  const root = withoutCollisions(rootNodeFromAnchor(idl));
  const folder = await mkdtemp(join(tmpdir(), "pinaivu-client-"));
  try {
    await visit(
      root,
      renderVisitor(folder, {
        deleteFolderBeforeRendering: false,
        syncPackageJson: false,
        generatedFolder: "generated",
      }),
    );
    const files = await filesOf(join(folder, "generated"));
    // The generator's plugin helper has a cast that newer compilers refuse; its declared types are right.
    files.set("programs/pinaivu.ts", `// @ts-nocheck\n${files.get("programs/pinaivu.ts")}`);
    return files.set("tables.ts", tables(idl));
  } finally {
    await rm(folder, { recursive: true });
  }
}
