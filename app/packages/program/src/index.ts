/**
 * The client of the Pinaivu program: accounts, instructions and errors generated from the IDL, and by
 * hand what a generator cannot know: addresses and events.
 */
export * from "./addresses.ts";
export { eventsOf, type ProgramEvent } from "./events.ts";
export * from "./generated/index.ts";
export { ERRORS, EVENTS, INSTRUCTIONS } from "./generated/tables.ts";
export type { Layout, Value } from "./layout.ts";
