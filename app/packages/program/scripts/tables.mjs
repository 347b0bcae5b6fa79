/**
 * What the generator of the client leaves out: the program's errors in words that are also there in a
 * production bundle, and the layout of its events.
 */

const scalars = new Set(["u8", "u16", "u32", "u64", "u128", "i64", "bool", "pubkey", "string", "bytes"]);

function layout(type, types) {
  if (typeof type === "string" && scalars.has(type)) return type;
  if (type.option) return { option: layout(type.option, types) };
  if (type.vec) return { vec: layout(type.vec, types) };
  if (type.array) return { array: [layout(type.array[0], types), type.array[1]] };
  const name = type.defined?.name;
  const found = types.find((candidate) => candidate.name === name);
  if (found?.type.kind === "struct")
    return { struct: found.type.fields.map((f) => [f.name, layout(f.type, types)]) };
  if (found?.type.kind === "enum") return { enum: found.type.variants.map((variant) => variant.name) };
  throw new Error(`no layout for ${JSON.stringify(type)}`);
}

const hex = (bytes) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** `tables.ts`, from the IDL. */
export function tables(idl) {
  const errors = idl.errors.map(
    ({ code, name, msg }) => `  ${code}: { name: ${JSON.stringify(name)}, message: ${JSON.stringify(msg)} },`,
  );
  const events = idl.events.map(({ name, discriminator }) => {
    const fields = idl.types.find((type) => type.name === name).type.fields;
    const shape = fields.map((field) => [field.name, layout(field.type, idl.types)]);
    return `  ${JSON.stringify(hex(discriminator))}: { name: ${JSON.stringify(name)}, fields: ${JSON.stringify(shape)} },`;
  });
  const instructions = idl.instructions.map(
    ({ name, discriminator, docs, accounts }) =>
      `  ${JSON.stringify(hex(discriminator))}: { name: ${JSON.stringify(name)}, about: ${JSON.stringify(docs.join(" "))}, accounts: ${JSON.stringify(accounts.map((a) => a.name))} },`,
  );
  return [
    "/** Generated from idls/pinaivu.json by `npm run generate`. Do not edit. */",
    'import type { Layout } from "../layout.ts";',
    "",
    "/** Every error of the program, by number. */",
    "export const ERRORS: Readonly<Record<number, { readonly name: string; readonly message: string }>> = {",
    ...errors,
    "};",
    "",
    "/** Every event, by discriminator in hexadecimal. */",
    "export const EVENTS: Readonly<Record<string, { readonly name: string; readonly fields: readonly (readonly [string, Layout])[] }>> = {",
    ...events,
    "};",
    "",
    "/** Every instruction, by discriminator in hexadecimal. */",
    "export const INSTRUCTIONS: Readonly<Record<string, { readonly name: string; readonly about: string; readonly accounts: readonly string[] }>> = {",
    ...instructions,
    "};",
    "",
  ].join("\n");
}
