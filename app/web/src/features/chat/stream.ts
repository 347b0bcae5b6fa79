/** One streamed answer, with everything that its receipt is checked against later. */
import { ApiFailure, failureOf } from "../../entities/coordinator.ts";

/** What arrives while an answer is written. */
export interface Piece {
  readonly content: string;
  readonly reasoning: string;
}

export interface Answered {
  readonly requestId: string | null;
  readonly salt: string | null;
  readonly chunks: readonly unknown[];
}

/** Splits a byte stream into the data of its server-sent events. */
export class EventReader {
  #rest = "";
  readonly #decoder = new TextDecoder();

  /** The events that these bytes complete. */
  push(bytes: Uint8Array): string[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const events = this.#rest.split(/\r\n\r\n|\n\n|\r\r/);
    this.#rest = events.pop() ?? "";
    return events.flatMap((event) => {
      const data = event
        .split(/\r\n|\n|\r/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).replace(/^ /, ""));
      return data.length > 0 ? [data.join("\n")] : [];
    });
  }
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** What a chunk adds. */
export function pieceOf(chunk: unknown): Piece {
  const [choice] = (chunk as { choices?: { delta?: Record<string, unknown> }[] } | null)?.choices ?? [];
  const delta = choice?.delta ?? {};
  return {
    content: text(delta["content"]),
    reasoning: text(delta["reasoning_content"]) || text(delta["reasoning"]),
  };
}

/**
 * Sends a request body and gives each piece to `onPiece`. Rejects with `ApiFailure`, also for an error in
 * the middle of the stream; what had come by then was given. `onFacts` is called as facts become known.
 */
export async function complete(
  key: string,
  body: string,
  signal: AbortSignal,
  onPiece: (piece: Piece, chunk: unknown) => void,
  onFacts: (facts: { requestId: string | null; salt: string | null }) => void,
): Promise<Answered> {
  let response: Response;
  try {
    response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body,
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiFailure("The coordinator cannot be reached.", "unreachable", 0, null);
  }
  if (response.status >= 502 && response.status <= 504 && !response.headers.get("x-request-id")) {
    throw new ApiFailure("The coordinator cannot be reached.", "unreachable", response.status, null);
  }
  if (!response.ok) throw await failureOf(response);
  const requestId = response.headers.get("x-request-id");
  const salt = response.headers.get("x-pinaivu-salt");
  onFacts({ requestId, salt });
  const chunks: unknown[] = [];
  const events = new EventReader();
  const reader = response.body?.getReader();
  if (!reader) throw new ApiFailure("The coordinator sent no answer.", "shape", response.status, null);
  for (;;) {
    let read: ReadableStreamReadResult<Uint8Array>;
    try {
      read = await reader.read();
    } catch (error) {
      if (signal.aborted) throw error;
      throw new ApiFailure("The connection broke in the middle of the answer.", "unreachable", 0, null);
    }
    if (read.done) break;
    for (const data of events.push(read.value)) {
      if (data === "[DONE]") continue;
      const chunk: unknown = JSON.parse(data);
      const problem = (chunk as { error?: { message?: unknown; code?: unknown } }).error;
      if (problem)
        throw new ApiFailure(
          text(problem.message) || "The answer was interrupted.",
          "refused",
          200,
          text(problem.code) || null,
        );
      chunks.push(chunk);
      onPiece(pieceOf(chunk), chunk);
    }
  }
  return { requestId, salt, chunks };
}
