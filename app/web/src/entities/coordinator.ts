/**
 * The coordinator's public routes. Everything it says here is a view: pages show it as such, and read
 * from the chain what the chain has. Answers are checked for their shape before anything is shown.
 */
import { type Json, JsonError, parseJson } from "@pinaivu/verify";
import { useQuery } from "@tanstack/react-query";
import { z } from "zod";

/** What a request came to. A route that a coordinator does not have is not an error of the person's. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  constructor(
    message: string,
    readonly kind: "unreachable" | "absent" | "refused" | "shape",
    readonly status: number,
    readonly code: string | null,
  ) {
    super(message);
  }
}

/** Asks again after so long; but not for a route that a coordinator does not have: it will not have it then either. */
const every = (millis: number) => (query: { state: { error: Error | null } }) =>
  query.state.error instanceof ApiFailure && query.state.error.kind === "absent" ? false : millis;

const ErrorBody = z.object({ error: z.object({ message: z.string(), code: z.string().nullish() }) });

/** Most bytes of one answer that are read: a page of the order book is the largest there is. */
const MAX_ANSWER = 16 * 1024 * 1024;

/** An answer's bytes, as long as there are no more than `most`; of a longer one the rest is not waited for. */
export async function boundedBytes(response: Response, most = MAX_ANSWER): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let next = await reader?.read(); reader && next && !next.done; next = await reader.read()) {
    length += next.value.length;
    if (length > most) {
      await reader.cancel().catch(() => undefined);
      throw new ApiFailure(
        `the coordinator's answer has more than ${most} bytes`,
        "shape",
        response.status,
        null,
      );
    }
    parts.push(next.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The same as JSON; throws what `boundedBytes` throws, and `SyntaxError`. */
export const boundedJson = async (response: Response, most = MAX_ANSWER): Promise<unknown> =>
  JSON.parse(new TextDecoder().decode(await boundedBytes(response, most)));

export async function failureOf(response: Response): Promise<ApiFailure> {
  const body = ErrorBody.safeParse(await boundedJson(response, 64 * 1024).catch(() => null));
  const message = body.success
    ? body.data.error.message
    : `the coordinator answered with status ${response.status}`;
  const code = body.success ? (body.data.error.code ?? null) : null;
  const absent = response.status === 404 && (code === "not_found" || code === null);
  return new ApiFailure(message, absent ? "absent" : "refused", response.status, code);
}

export async function request(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init?.signal?.aborted) throw error;
    throw new ApiFailure("the coordinator cannot be reached", "unreachable", 0, null);
  }
  // A proxy in front of a coordinator that is down answers for it.
  if (response.status >= 502 && response.status <= 504) {
    throw new ApiFailure("the coordinator cannot be reached", "unreachable", response.status, null);
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

export async function getJson<T>(path: string, schema: z.ZodType<T>, init?: RequestInit): Promise<T> {
  const response = await request(path, init);
  let value: unknown;
  try {
    value = await boundedJson(response);
  } catch (error) {
    if (error instanceof SyntaxError) throw misshapen(path);
    throw error;
  }
  return shaped(path, schema, value);
}

const misshapen = (path: string) =>
  new ApiFailure(`the coordinator's answer to ${path} has another shape than documented`, "shape", 200, null);

function shaped<T>(path: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw misshapen(path);
  return parsed.data;
}

/** A string of decimal digits, as a bigint. */
export const fineAmount = z
  .string()
  .regex(/^[0-9]+$/)
  .transform(BigInt);

const Model = z.object({
  id: z.string(),
  context_length: z.number(),
  nodes: z.number(),
  features: z.array(z.string()).default([]),
  pricing: z.object({
    lowest_ask: z.number().nullable(),
    input_weight: z.number(),
    output_weight: z.number(),
  }),
});
export type Model = z.infer<typeof Model>;

const Network = z.object({
  coordinator: z.string(),
  market: z.string(),
  program: z.string(),
  cluster: z.string(),
  deployment: z.string(),
  signer: z.string(),
  endpoint: z.string(),
  fee_bps: z.number(),
  nodes: z.number(),
  models: z.array(Model),
  book: z.object({ head: z.string(), version: z.number() }),
  log: z.object({ epoch: z.number(), size: z.number(), root: z.string() }),
  totals: z.object({ charged: fineAmount, fees: fineAmount }),
  rpc: z.object({ url: z.string(), ws_url: z.string().nullish() }).nullish(),
  local: z.boolean().nullish(),
  faucet: z.string().nullish(),
  software: z.string().nullish(),
});
export type Network = z.infer<typeof Network>;

/** Where accounts are: enough to use the chain without the coordinator. Kept from the last visit. */
export interface Place {
  readonly coordinator: string;
  readonly market: string;
  readonly program: string;
  readonly cluster: string;
}

const PLACE = "pinaivu.place";

export function rememberedPlace(): Place | null {
  const shape = z.object({
    coordinator: z.string(),
    market: z.string(),
    program: z.string(),
    cluster: z.string(),
  });
  try {
    return shape.safeParse(JSON.parse(localStorage.getItem(PLACE) ?? "null")).data ?? null;
  } catch {
    return null;
  }
}

export const useNetwork = () =>
  useQuery({
    queryKey: ["network"],
    queryFn: async ({ signal }) => {
      const network = await getJson("/v1/network", Network, { signal });
      const { coordinator, market, program, cluster } = network;
      localStorage.setItem(PLACE, JSON.stringify({ coordinator, market, program, cluster }));
      return network;
    },
    refetchInterval: 5_000,
    staleTime: 2_000,
  });

/** The place from the coordinator or, while that is down, from the last visit. */
export function usePlace(): Place | null {
  const network = useNetwork();
  return network.data ?? rememberedPlace();
}

export const Row = z.object({
  request_id: z.string(),
  segment: z.number(),
  epoch: z.number(),
  index: z.number(),
  created: z.number(),
  model: z.string(),
  node: z.string(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  amount: fineAmount,
  fee: fineAmount,
  price: z.number(),
  outcome: z.string(),
  candidates: z.number(),
  anchored: z.boolean(),
});
export type Row = z.infer<typeof Row>;
const Rows = z.object({ data: z.array(Row), next: z.string().nullish(), head: z.string().nullish() });

export const useReceipts = (filter: { node?: string; limit: number }) =>
  useQuery({
    queryKey: ["receipts", filter],
    queryFn: ({ signal }) => {
      const query = new URLSearchParams({
        limit: String(filter.limit),
        ...(filter.node ? { node: filter.node } : {}),
      });
      return getJson(`/v1/receipts?${query}`, Rows, { signal });
    },
    refetchInterval: every(3_000),
  });

export const Bucket = z.object({
  at: z.number(),
  requests: z.number(),
  input_tokens: fineAmount,
  output_tokens: fineAmount,
  charged: fineAmount,
  failed: z.number(),
  first_token_ms_p50: z.number().nullable(),
  models: z.array(z.object({ model: z.string(), requests: z.number(), price: z.number().nullable() })),
});
const Figures = z.object({
  step: z.number(),
  totals: z.object({
    requests: z.number(),
    input_tokens: fineAmount,
    output_tokens: fineAmount,
    charged: fineAmount,
    fees: fineAmount,
    first_token_ms: z.object({ p50: z.number(), p95: z.number(), samples: z.number() }).nullish(),
  }),
  buckets: z.array(Bucket),
});
export type Figures = z.infer<typeof Figures>;

export const useFigures = () =>
  useQuery({
    queryKey: ["figures"],
    queryFn: ({ signal }) => getJson("/v1/figures", Figures, { signal }),
    refetchInterval: every(30_000),
  });

const NodeInfo = z.object({
  node: z.string(),
  connected: z.boolean(),
  since: z.number().nullish(),
  software: z.string().nullish(),
  asks: z.array(
    z.object({ model: z.string(), price: z.number(), context_length: z.number(), features: z.number() }),
  ),
  measured: z
    .object({
      first_token_ms_p50: z.number().nullable(),
      tokens_per_second_p50: z.number().nullable(),
      samples: z.number(),
      failed: z.number(),
    })
    .nullish(),
  totals: z.object({ requests: z.number(), failed: z.number(), earned: fineAmount }).nullish(),
  unpaid: fineAmount.nullish(),
  last_served: z.number().nullish(),
  series: z
    .object({
      step: z.number(),
      buckets: z.array(
        z.object({
          at: z.number(),
          requests: z.number(),
          failed: z.number(),
          earned: fineAmount,
          first_token_ms_p50: z.number().nullable(),
          tokens_per_second_p50: z.number().nullable(),
        }),
      ),
    })
    .nullish(),
});
export type NodeInfo = z.infer<typeof NodeInfo>;

export const useNodeInfo = (node: string) =>
  useQuery({
    queryKey: ["node-info", node],
    queryFn: ({ signal }) => getJson(`/v1/nodes/${encodeURIComponent(node)}`, NodeInfo, { signal }),
    // Here a 404 speaks of the node, not of the route: it is known as soon as it dials in.
    refetchInterval: 5_000,
  });

const NodeList = z.object({ data: z.array(NodeInfo) });

export const useNodeList = () =>
  useQuery({
    queryKey: ["node-list"],
    queryFn: ({ signal }) => getJson("/v1/nodes", NodeList, { signal }),
    refetchInterval: every(10_000),
  });

const Transaction = z.object({ signature: z.string(), slot: z.number().nullable(), finalized: z.boolean() });
const ReceiptEntry = z.looseObject({
  segment: z.number(),
  bytes: z.string(),
  anchored: z.object({ epoch: z.number(), size: z.number(), root: z.string(), slot: z.number() }).nullable(),
  settlement: z.object({ log: Transaction.nullable(), debited: z.boolean(), credit: Transaction.nullable() }),
});
const Receipts = z.looseObject({ request_id: z.string(), receipts: z.array(ReceiptEntry) });
const Pending = z.object({ status: z.literal("pending") });
export type ServedReceipts = z.infer<typeof Receipts>;

/** The receipts as served; `"pending"` while the request is being served or written. */
export async function fetchReceipts(
  id: string,
  size: bigint | null,
  signal?: AbortSignal,
): Promise<ServedReceipts | "pending"> {
  const query = size === null ? "" : `?size=${size}`;
  const found = await getJson(
    `/v1/receipts/${encodeURIComponent(id)}${query}`,
    z.union([Receipts, Pending]),
    signal ? { signal } : {},
  );
  return "receipts" in found ? (found as ServedReceipts) : "pending";
}

const wholeNumber = z.number().int().nonnegative();
const Auction = z.object({ book: wholeNumber, book_version: wholeNumber, terms: z.string() });
const BookPage = z.object({
  data: z.array(z.object({ version: wholeNumber, entry: z.string() })),
  next: wholeNumber.nullable(),
});

/** A book is read in so many pages at most, of a thousand entries each where a coordinator is honest. */
const MAX_BOOK_PAGES = 2_000;
/** And so many characters of entries. */
const MAX_BOOK_TEXT = 128 * 1024 * 1024;

/**
 * What a request's clearing was made from: the entries of the book up to that clearing, and its terms.
 * `null` when this coordinator does not have them any more, or never published them.
 */
export async function fetchAuction(id: string): Promise<{ entries: string[]; terms: string } | null> {
  let auction: z.infer<typeof Auction>;
  try {
    auction = await getJson(`/v1/receipts/${encodeURIComponent(id)}/auction`, Auction);
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return null;
    throw error;
  }
  return { entries: await readBook(auction.book, auction.book_version), terms: auction.terms };
}

/** Entries 1 to `last` of a book. Each page has to lead on: one that does not is an error, not a reason to wait. */
async function readBook(book: number, last: number): Promise<string[]> {
  const entries: string[] = [];
  const refuse = (why: string): never => {
    throw new ApiFailure(`the order book ${why}`, "shape", 200, null);
  };
  let text = 0;
  for (let pages = 0; entries.length < last; pages += 1) {
    const from = entries.length + 1;
    if (pages >= MAX_BOOK_PAGES) refuse(`does not end within ${MAX_BOOK_PAGES} pages`);
    const { data, next } = await getJson(`/v1/book/${book}?from=${from}`, BookPage);
    if (data.some(({ version }, at) => version !== from + at)) refuse(`has gaps after entry ${from - 1}`);
    for (const { entry } of data) {
      text += entry.length;
      entries.push(entry);
    }
    if (text > MAX_BOOK_TEXT) refuse("is larger than a page reads");
    if (entries.length >= last) break;
    if (next === null) refuse(`ends after ${entries.length} of ${last} entries`);
    if (data.length === 0 || next !== entries.length + 1) refuse(`does not go on after entry ${from - 1}`);
  }
  return entries.slice(0, last);
}

/** What a coordinator answers about the machine it runs on (docs/protocol.md, section 16). */
const Attestation = z.looseObject({
  state: z.string(),
  kind: z.string().nullish(),
  // Read where it is checked: every field of it is evidence.
  evidence: z.unknown(),
});
export interface Attestation extends z.infer<typeof Attestation> {
  /** The configuration that it shows, with every digit: it is bound by its canonical form. */
  readonly configuration: Json;
}

/** Fresh evidence for a nonce of our own; `null` when this coordinator has no such route. */
export async function fetchAttestation(nonce: string): Promise<Attestation | null> {
  const path = `/v1/attestation?nonce=${nonce}`;
  let bytes: Uint8Array;
  try {
    bytes = await boundedBytes(await request(path), MAX_EVIDENCE);
  } catch (error) {
    if (error instanceof ApiFailure && error.kind === "absent") return null;
    throw error;
  }
  let strict: Json;
  try {
    // Refuses what readers of JSON disagree about, such as a name twice.
    strict = parseJson(bytes);
  } catch (error) {
    if (error instanceof JsonError) throw misshapen(path);
    throw error;
  }
  const configuration = (strict instanceof Map ? strict.get("configuration") : null) ?? null;
  return { ...shaped(path, Attestation, JSON.parse(new TextDecoder().decode(bytes))), configuration };
}

/** Most bytes of evidence; with Intel's collateral it has some fifty thousand. */
const MAX_EVIDENCE = 1024 * 1024;

/** The evidence of that hash, byte for byte; `null` when the coordinator does not have it. */
export async function fetchKeptEvidence(hash: string): Promise<Uint8Array | null> {
  try {
    const response = await request(`/v1/attestation/${encodeURIComponent(hash)}`);
    return await boundedBytes(response, MAX_EVIDENCE);
  } catch (error) {
    if (error instanceof ApiFailure && error.kind === "absent") return null;
    throw error;
  }
}
