/**
 * A node of somebody's own: the real `pinaivu-node` beside a scripted inference server, which is called
 * scripted wherever it shows. It claims nothing itself, so that its operator can.
 */
import { spawn, spawnSync } from "node:child_process";
import { openSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";

export const SCRIPTED = "thinks-scripted";
export const THOUGHT = "Two and two were asked for. Two apples and two more are four.";
export const ANSWER = "It is four.";
const PROMPT_TOKENS = 12;

const words = (text) => text.split(/(?= )/);

/**
 * An OpenAI-compatible server with one model, which always thinks and says the same. `asked` has the bodies
 * of what it was asked; between thought and answer it waits for `gate`.
 */
async function scripted() {
  const state = { asked: [], gate: Promise.resolve() };
  const answer = async (body, to) => {
    const request = JSON.parse(body);
    state.asked.push(request);
    const chunk = (choices, more = {}) =>
      to.write(
        `data: ${JSON.stringify({
          id: "chatcmpl-scripted",
          object: "chat.completion.chunk",
          created: 1_700_000_000,
          model: SCRIPTED,
          choices,
          ...more,
        })}\n\n`,
      );
    const delta = (fields, finish = null) => chunk([{ index: 0, delta: fields, finish_reason: finish }]);
    to.writeHead(200, { "content-type": "text/event-stream" });
    delta({ role: "assistant", content: null });
    for (const piece of words(THOUGHT)) delta({ reasoning_content: piece });
    await state.gate;
    for (const piece of words(ANSWER)) delta({ content: piece });
    delta({}, "stop");
    const completion = words(THOUGHT).length + words(ANSWER).length + 1;
    const usage = { prompt_tokens: PROMPT_TOKENS, completion_tokens: completion };
    chunk([], { usage: { ...usage, total_tokens: PROMPT_TOKENS + completion } });
    to.end("data: [DONE]\n\n");
  };
  const server = createServer(async (from, to) => {
    const parts = [];
    for await (const part of from) parts.push(part);
    if (from.url === "/v1/chat/completions") return answer(Buffer.concat(parts).toString("utf8"), to);
    const known = from.url === "/v1/models" || from.url === "/health";
    to.writeHead(known ? 200 : 404, { "content-type": "application/json" });
    return to.end(JSON.stringify({ object: "list", data: [{ id: SCRIPTED, object: "model" }] }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  state.url = `http://127.0.0.1:${server.address().port}`;
  state.close = () => new Promise((resolve) => server.close(resolve) && server.closeAllConnections());
  return state;
}

/** Runs node `id` with this key file until `stop`. */
export async function runNode(stage, id, keyFile) {
  const { ready } = stage;
  const backend = await scripted();
  const folder = join(ready.data_dir, `of-${id}`);
  await mkdir(folder, { recursive: true });
  const key = join(folder, "key.json");
  await writeFile(key, keyFile, { mode: 0o600 });
  // Where nodes dial in is a free port that only configurations of this network's nodes name.
  const other = await readFile(join(ready.data_dir, "run/node-1.toml"), "utf8");
  const [, endpoint] = /^endpoint = "(.+)"$/m.exec(other);
  const config = join(folder, "node.toml");
  await writeFile(
    config,
    `node = "${id}"
key_file = "${key}"
data_dir = "${folder}"

[chain]
rpc_url = "${ready.rpc_url}"
program = "${ready.program_id}"
poll_seconds = 1

[backend]
url = "${backend.url}"
kind = "openai"

[pricing]
usdc_per_million_tokens = "50"

[claims]
enabled = false

[[models]]
name = "${SCRIPTED}"
context_length = 4096
features = ["chat"]

[[coordinators]]
id = "${ready.coordinator}"
endpoint = "${endpoint}"
`,
  );
  const child = spawn(
    join(dirname(stage.binary), "pinaivu-node"),
    ["run", "--config", config, "--stdin-guard"],
    { stdio: ["pipe", "ignore", openSync(join(ready.data_dir, "logs", `of-${id}.log`), "a")] },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.stdin.end();
    await ended;
    await backend.close();
  };
  return { backend, stop };
}

/** What the command, which shares nothing with the page, reads of the wallet's nodes from the chain. */
export function nodesOnChain(stage, node) {
  const { ready, binary } = stage;
  const url = new URL(ready.base_url).origin;
  const where = ["--url", url, "--rpc", ready.rpc_url, "--wallet", ready.wallet];
  const said = spawnSync(binary, ["node", "status", "--json", ...where, ...(node ? ["--node", node] : [])], {
    encoding: "utf8",
  });
  // Its code for what is not there: a wallet without nodes.
  if (said.status === 4 && !node) return [];
  if (said.status !== 0) throw new Error(said.stdout + said.stderr);
  return JSON.parse(said.stdout);
}

/** What `owner` has of the market's token in its wallet, in 10⁻⁶ USDC. */
export async function walletTokens({ ready }, owner) {
  const answer = await fetch(ready.rpc_url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "getTokenAccountsByOwner",
      params: [owner, { mint: ready.mint }, { encoding: "base64", commitment: "confirmed" }],
    }),
  });
  const { result } = await answer.json();
  // The amount of an SPL token account: eight bytes behind mint and owner.
  return result.value.reduce(
    (sum, { account }) => sum + Buffer.from(account.data[0], "base64").readBigUInt64LE(64),
    0n,
  );
}
