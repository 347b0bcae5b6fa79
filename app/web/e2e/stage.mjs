/**
 * What the journeys run against: a real network (`pinaivu up`), the built application under the policy it
 * is served with, and a browser. A network that runs already is taken from PINAIVU_READY, its ready file.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const dist = join(here, "../dist");
const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** The policy of vite.config.ts, read from there so that there is one. */
export async function policy() {
  const config = await readFile(join(here, "../vite.config.ts"), "utf8");
  const [, list] = /const policy = \[([\s\S]*?)\]/.exec(config);
  return [...list.matchAll(/"([^"]+)"/g)].map(([, part]) => part).join("; ");
}

function binary() {
  if (process.env.PINAIVU_BIN) return process.env.PINAIVU_BIN;
  const target =
    process.env.PINAIVU_TARGET_DIR ?? process.env.CARGO_TARGET_DIR ?? join(here, "../../../target");
  return join(target, "debug/pinaivu");
}

async function network() {
  if (process.env.PINAIVU_READY)
    return {
      ready: JSON.parse(await readFile(process.env.PINAIVU_READY, "utf8")),
      stop: async () => undefined,
    };
  const folder = await mkdtemp(join(tmpdir(), "pinaivu-e2e-"));
  const readyFile = join(folder, "ready.json");
  const args = [
    "up",
    "--port",
    "0",
    "--rpc-port",
    "0",
    "--exit-delay",
    "4",
    "--unbond-delay",
    "20",
    // Evidence made by software, which has to be shown as what it is.
    "--coordinator",
    "attestation.attester=development",
    "--ready-file",
    readyFile,
    "--data-dir",
    join(folder, "data"),
  ];
  const child = spawn(binary(), args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, PINAIVU_APP: dist },
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const started = Date.now();
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null || Date.now() - started > 300_000)
      throw new Error("the network did not start");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  return { ready: JSON.parse(await readFile(readyFile, "utf8")), stop };
}

async function bodyOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/**
 * Serves `dist` as the coordinator does, and passes its routes on. What a dishonest or dead coordinator
 * would do is set in `control`: `down`, `change(path, body)` of answers, whole `answers` by path, and
 * `reply(path, body)` to requests, which gives `{ type, body }` or nothing; with a promise as `cut`, the connection breaks when that comes true. `seen` has what asked for blobs.
 */
async function serve(coordinator) {
  const csp = await policy();
  const control = { down: false, change: null, reply: null, answers: {}, seen: [] };
  const api = async (from, to, path) => {
    if (control.down) return to.writeHead(502).end();
    const given = control.answers[path];
    if (given) return to.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(given));
    const sent = from.method === "GET" ? Buffer.alloc(0) : await bodyOf(from);
    if (path.startsWith("/v1/blobs/"))
      control.seen.push({ method: from.method, path, headers: { ...from.headers }, body: sent });
    const reply = control.reply?.(path, sent.toString("utf8"));
    if (reply?.cut) {
      to.writeHead(200, { "content-type": reply.type });
      to.write(reply.body);
      return reply.cut.then(() => to.destroy());
    }
    if (reply) return to.writeHead(reply.status ?? 200, { "content-type": reply.type }).end(reply.body);
    const upstream = request(
      new URL(from.url, coordinator),
      { method: from.method, headers: from.headers },
      async (answer) => {
        if (!control.change) return to.writeHead(answer.statusCode, answer.headers) && answer.pipe(to);
        const body = await bodyOf(answer);
        const changed = control.change(path, body.toString("utf8"));
        const { "content-length": _, ...headers } = answer.headers;
        // Bytes that nobody changes stay as they are: not everything is text.
        to.writeHead(answer.statusCode, headers).end(changed === body.toString("utf8") ? body : changed);
      },
    );
    upstream.on("error", () => (to.headersSent ? to.destroy() : to.writeHead(502).end()));
    to.on("close", () => upstream.destroy());
    return upstream.end(sent);
  };
  const server = createServer(async (from, to) => {
    const path = new URL(from.url, "http://x").pathname;
    if (path.startsWith("/v1/") || path === "/healthz") return api(from, to, path);
    if (control.down) return to.destroy();
    const wanted = join(dist, normalize(path));
    const file = wanted.startsWith(dist) && extname(wanted) ? wanted : join(dist, "index.html");
    try {
      const body = await readFile(file);
      to.writeHead(200, {
        "content-type": types[extname(file)] ?? "application/octet-stream",
        "content-security-policy": csp,
      });
      return to.end(body);
    } catch {
      return to.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    control,
    close: () => new Promise((resolve) => server.close(resolve) && server.closeAllConnections()),
  };
}

/** Everything, and how to end it. */
export async function open() {
  const { ready, stop } = await network();
  const web = await serve(new URL(ready.base_url).origin);
  const folder = await mkdtemp(join(tmpdir(), "pinaivu-browser-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-background-networking"],
    viewport: { width: 1280, height: 860 },
    serviceWorkers: "allow",
  });
  const violations = [];
  const outside = [];
  const allowed = new Set([
    new URL(web.url).host,
    new URL(ready.rpc_url).host,
    new URL(ready.faucet_url).host,
  ]);
  context.on("request", (sent) => {
    const url = new URL(sent.url());
    if (url.protocol.startsWith("http") && !allowed.has(url.host)) outside.push(sent.url());
  });
  context.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) violations.push(message.text());
  });
  await context.addInitScript((rpc) => {
    if (!localStorage.getItem("pinaivu.rpc")) localStorage.setItem("pinaivu.rpc", rpc);
  }, ready.rpc_url);
  // Other people's browsers and other devices: each a fresh profile.
  let others = null;
  const device = async () => {
    others ??= await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-background-networking"],
    });
    const found = await others.newContext({ viewport: { width: 1280, height: 860 } });
    await found.addInitScript((rpc) => localStorage.setItem("pinaivu.rpc", rpc), ready.rpc_url);
    return found;
  };
  const close = async () => {
    await others?.close();
    await context.close();
    await web.close();
    await stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { ready, binary: binary(), web, context, device, violations, outside, close };
}

/** Asks the network a question as any client does. */
export async function ask(ready, content, extra = {}) {
  const request = JSON.stringify({
    model: ready.model,
    max_tokens: 24,
    messages: [{ role: "user", content }],
    ...extra,
  });
  const answer = await fetch(`${ready.base_url}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${ready.api_key}`, "content-type": "application/json" },
    body: request,
  });
  if (!answer.ok) throw new Error(await answer.text());
  return {
    id: answer.headers.get("x-request-id"),
    salt: answer.headers.get("x-pinaivu-salt"),
    request,
    answer: await answer.text(),
  };
}
