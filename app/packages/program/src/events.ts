/**
 * The program's events, from the logs of a transaction. An event counts only when the log line was
 * written while this program was running: any program can print `Program data:`.
 */
import { EVENTS } from "./generated/tables.ts";
import { readStruct, type Value } from "./layout.ts";

/** One event. */
export interface ProgramEvent {
  readonly name: string;
  readonly data: { readonly [field: string]: Value };
}

/** The events that `program` wrote, in order. Lines that are no known event are left out. */
export function eventsOf(logs: readonly string[], program: string): ProgramEvent[] {
  const stack: string[] = [];
  const events: ProgramEvent[] = [];
  for (const line of logs) {
    const invoked = /^Program (\S+) invoke \[\d+\]$/.exec(line);
    if (invoked?.[1] !== undefined) stack.push(invoked[1]);
    else if (/^Program \S+ (success|failed.*)$/.test(line)) stack.pop();
    else if (line.startsWith("Program data: ") && stack.at(-1) === program) {
      const event = decode(line.slice("Program data: ".length));
      if (event) events.push(event);
    }
  }
  return events;
}

function decode(base64: string): ProgramEvent | null {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
  const key = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const event = EVENTS[key];
  if (!event) return null;
  try {
    return { name: event.name, data: readStruct(bytes.subarray(8), event.fields) };
  } catch {
    return null;
  }
}
