/**
 * The coordinator's public routes. Everything it says here is a view: pages show it as such, and read
 * from the chain what the chain has. Answers are checked for their shape before anything is shown.
 */
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

export async function failureOf(response: Response): Promise<ApiFailure> {
  const body = ErrorBody.safeParse(await response.json().catch(() => null));
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
  const parsed = schema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) {
    throw new ApiFailure(
      `the coordinator's answer to ${path} has another shape than documented`,
      "shape",
      response.status,
      null,
    );
  }
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

const Auction = z.object({ book: z.number(), book_version: z.number(), terms: z.string() });
const BookPage = z.object({
  data: z.array(z.object({ version: z.number(), entry: z.string() })),
  next: z.number().nullable(),
});

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
  const entries: string[] = [];
  let from: number | null = 1;
  while (from !== null && entries.length < auction.book_version) {
    const page: z.infer<typeof BookPage> = await getJson(`/v1/book/${auction.book}?from=${from}`, BookPage);
    entries.push(...page.data.map(({ entry }) => entry));
    from = page.next;
  }
  return { entries: entries.slice(0, auction.book_version), terms: auction.terms };
}

/** What a coordinator answers about the machine it runs on (docs/protocol.md, section 16). */
const Attestation = z.looseObject({
  state: z.string(),
  kind: z.string().nullish(),
  configuration: z.string().nullish(),
  // Read where it is checked: every field of it is evidence.
  evidence: z.unknown(),
});
export type Attestation = z.infer<typeof Attestation>;

/** Fresh evidence for a nonce of our own; `null` when this coordinator has no such route. */
export async function fetchAttestation(nonce: string): Promise<Attestation | null> {
  try {
    return await getJson(`/v1/attestation?nonce=${nonce}`, Attestation);
  } catch (error) {
    if (error instanceof ApiFailure && error.kind === "absent") return null;
    throw error;
  }
}

/** The evidence of that hash, byte for byte; `null` when the coordinator does not have it. */
export async function fetchKeptEvidence(hash: string): Promise<Uint8Array | null> {
  try {
    const response = await request(`/v1/attestation/${encodeURIComponent(hash)}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if (error instanceof ApiFailure && error.kind === "absent") return null;
    throw error;
  }
}
