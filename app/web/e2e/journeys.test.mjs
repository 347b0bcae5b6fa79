/** The journeys of people through the application, in a real browser on a real network. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, open } from "./stage.mjs";
import { injectWallet } from "./wallet.mjs";

const shots = process.env.PINAIVU_SHOTS ?? fileURLToPath(new URL("./shots", import.meta.url));
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let stage;
let wallet;
let served;

before(
  async () => {
    await mkdir(shots, { recursive: true });
    stage = await open();
    wallet = await injectWallet(stage.context, JSON.parse(await readFile(stage.ready.wallet, "utf8")));
    served = await ask(stage.ready, "Say hello to the auditors.");
    await ask(stage.ready, "And once more.");
  },
  { timeout: 400_000 },
);

after(async () => stage?.close(), { timeout: 60_000 });

async function visit(path, options = {}) {
  const page = await stage.context.newPage();
  page.setDefaultTimeout(20_000);
  if (options.narrow) await page.setViewportSize({ width: 390, height: 820 });
  await page.emulateMedia({ colorScheme: options.dark ? "dark" : "light" });
  await page.goto(stage.web.url + path);
  return page;
}

async function picture(page, name) {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** Nothing that axe calls serious, in what is on the page now. */
async function accessible(page) {
  await page.locator("h1").first().waitFor({ state: "attached" });
  const violations = await page.evaluate(
    `(async () => { ${axe}; const found = await axe.run(document, { resultTypes: ["violations"] }); return found.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " " + (n.failureSummary ?? "")).slice(0, 3).join(" | ")); })()`,
  );
  assert.deepEqual(violations, []);
}

const verdict = (page, name) =>
  page.locator(".check", { has: page.locator(".check-name", { hasText: name }) }).first();

describe("explorer", () => {
  test("the front page shows what the chain has, and finds a request", { timeout: 60_000 }, async () => {
    const page = await visit("/");
    await page.getByText("Log grew from").first().waitFor();
    await accessible(page);
    await picture(page, "front");
    await page.getByLabel("Search by request id").fill("nonsense");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("Not an id this network uses").waitFor();
    await page.getByLabel("Search by request id").fill(served.id);
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/receipts/${served.id}`);
    await page.close();
  });

  test("a receipt is verified in the browser, request and answer included", { timeout: 60_000 }, async () => {
    const page = await visit(`/receipts/${served.id}`);
    await page.getByLabel("Request body").fill(served.request);
    await page.getByPlaceholder("The completion as JSON").fill(served.answer);
    // The chain's log follows within the settlement interval; until then that check is open, not passed.
    for (;;) {
      await page.getByRole("button", { name: "Check against the commitments" }).click();
      await page.getByText("This receipt holds").waitFor();
      if ((await verdict(page, "Log head on chain").getAttribute("class")).includes("passed")) break;
      await page.waitForTimeout(500);
    }
    for (const name of [
      "Coordinator's signature",
      "Node's signature",
      "Node's key",
      "Place in the log",
      "Your request",
      "Your answer",
    ]) {
      assert.match(await verdict(page, name).getAttribute("class"), /passed/, name);
    }
    for (const name of ["Auction replay", "Attestation"]) {
      assert.match(await verdict(page, name).getAttribute("class"), /not_checked/, name);
    }
    await accessible(page);
    await picture(page, "receipt");
    await page
      .getByPlaceholder("The completion as JSON")
      .fill(served.answer.replace(/"content":"/, '"content":"not '));
    await page.getByRole("button", { name: "Check against the commitments" }).click();
    await page.getByText("This receipt does not hold").waitFor();
    assert.match(await verdict(page, "Your answer").getAttribute("class"), /failed/);
    await page.close();
  });

  test("a bundle from the page is verified by the command, and by the page without the coordinator", {
    timeout: 90_000,
  }, async () => {
    const page = await visit(`/receipts/${served.id}`);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download bundle" }).click(),
    ]);
    const file = join(shots, "bundle.json");
    await download.saveAs(file);
    const { base_url, rpc_url } = stage.ready;
    const said = spawnSync(
      stage.binary,
      ["receipt", "verify", file, "--url", new URL(base_url).origin, "--rpc", rpc_url],
      { encoding: "utf8" },
    );
    assert.equal(said.status, 0, said.stdout + said.stderr);
    // The log goes on, so the bundle's path leads to a root that is not the newest any more.
    await ask(stage.ready, "Grow the log.");
    stage.web.control.down = true;
    try {
      await page.reload();
      await page.getByLabel("Open a bundle").setInputFiles(file);
      await page.getByRole("button", { name: "Verify this receipt" }).click();
      await page.getByText("This receipt holds").waitFor();
      assert.match(await verdict(page, "Log head on chain").getAttribute("class"), / passed/);
    } finally {
      stage.web.control.down = false;
    }
    await page.close();
  });

  test("a receipt with one changed byte is called a lie", { timeout: 60_000 }, async () => {
    stage.web.control.change = (path, body) => {
      if (!path.startsWith("/v1/receipts/")) return body;
      const document = JSON.parse(body);
      for (const entry of document.receipts ?? []) {
        const bytes = Buffer.from(entry.bytes, "base64");
        bytes[250] ^= 1; // a byte of the body
        entry.bytes = bytes.toString("base64");
      }
      return JSON.stringify(document);
    };
    try {
      const page = await visit(`/receipts/${served.id}`);
      const button = page.getByRole("button", { name: "Verify this receipt" });
      const broken = page.getByText("What was served is no receipt");
      await button.or(broken).waitFor();
      if (await button.isVisible()) {
        await button.click();
        await page.getByText("This receipt does not hold").waitFor();
        assert.match(await verdict(page, "Body").getAttribute("class"), /failed/);
        await picture(page, "receipt-lie");
      }
      await page.close();
    } finally {
      stage.web.control.change = null;
    }
  });

  test("without an RPC the page says what it did not check", { timeout: 60_000 }, async () => {
    const page = await visit("/");
    await page.evaluate(() => localStorage.setItem("pinaivu.rpc", "http://127.0.0.1:1"));
    await page.goto(`${stage.web.url}/receipts/${served.id}`);
    await page.getByRole("button", { name: "Verify this receipt" }).click();
    await page.getByText("Consistent, but the chain was not read").waitFor();
    assert.match(await verdict(page, "Coordinator's signature").getAttribute("class"), /not_checked/);
    await page.evaluate((rpc) => localStorage.setItem("pinaivu.rpc", rpc), stage.ready.rpc_url);
    await page.close();
  });

  test("an unknown request, node, coordinator and settlement have their pages", {
    timeout: 90_000,
  }, async () => {
    const unknown = await visit(`/receipts/req_${"0".repeat(32)}`);
    await unknown.getByText("has no receipt of that request").waitFor();
    await unknown.close();
    const node = await visit(`/nodes/${stage.ready.nodes[0]}`, { narrow: true, dark: true });
    await node.getByText("Operator").waitFor();
    await accessible(node);
    await picture(node, "node-narrow-dark");
    await node.close();
    const coordinator = await visit("/coordinator", { dark: true });
    await coordinator.getByText("adds up").waitFor();
    await coordinator.getByText("This coordinator is not attested").waitFor();
    await accessible(coordinator);
    await picture(coordinator, "coordinator-dark");
    await coordinator.getByText("Log grew from").first().waitFor();
    await coordinator.locator('a[href^="/transactions/"]').first().click();
    await coordinator.getByText("What it did").waitFor();
    await accessible(coordinator);
    await picture(coordinator, "settlement-dark");
    await coordinator.close();
  });
});

describe("explorer with a coordinator that lists", () => {
  test("receipts, figures and offers in the documented shapes are shown", { timeout: 60_000 }, async () => {
    const now = Date.now();
    const [node] = stage.ready.nodes;
    const rows = Array.from({ length: 8 }, (_, at) => ({
      request_id: `req_${at.toString(16).padStart(32, "0")}`,
      segment: 0,
      epoch: 0,
      index: 20 - at,
      created: now - at * 41_000,
      model: stage.ready.model,
      node,
      input_tokens: 35 + at,
      output_tokens: 120 + 7 * at,
      amount: String(19_000_000 + at * 1_300_000),
      fee: "950000",
      price: 200_000,
      outcome: at === 3 ? "cancelled" : "completed",
      candidates: 2,
      anchored: at > 0,
    }));
    const buckets = Array.from({ length: 24 }, (_, at) => ({
      at: now - (24 - at) * 3_600_000,
      requests: Math.round(40 + 30 * Math.sin(at / 3)),
      input_tokens: "1400",
      output_tokens: "1700",
      charged: "100",
      fees: "5",
      first_token_ms_p50: 180,
      failed: 0,
      models: [{ model: stage.ready.model, requests: 4, price: 200_000 + at * 1_000 }],
    }));
    stage.web.control.answers = {
      "/v1/receipts": { object: "list", data: rows, next: null, head: "0.20" },
      "/v1/figures": {
        from: 0,
        to: now,
        step: 3_600,
        totals: {
          requests: 960,
          input_tokens: "33600",
          output_tokens: "115200",
          charged: "1",
          fees: "1",
          nodes_connected: 2,
          first_token_ms: { p50: 182, p95: 420, samples: 960 },
        },
        buckets,
      },
      [`/v1/nodes/${node}`]: {
        node,
        connected: true,
        since: now,
        software: "pinaivu-node 0.1.0",
        asks: [
          {
            model: stage.ready.model,
            price: 200_000,
            context_length: 2048,
            features: 3,
            expires: 0,
            sequence: 1,
            bytes: "",
          },
        ],
        quality: [],
        measured: { first_token_ms_p50: 182, tokens_per_second_p50: 74.2, samples: 60, failed: 0 },
        totals: { requests: 60, input_tokens: "1", output_tokens: "1", earned: "1" },
        unpaid: "1",
        last_served: now,
        series: { step: 3_600, buckets: [] },
      },
    };
    try {
      const page = await visit("/");
      await page.getByText("Live").waitFor();
      assert.equal(await page.locator('.row a[href^="/receipts/req_"]').count(), 8);
      await page.locator(".figure-value", { hasText: "148,800" }).waitFor();
      await page.locator(".figure-value", { hasText: /^182$/ }).waitFor();
      await accessible(page);
      await picture(page, "front-listing");
      await page.close();
      const narrow = await visit("/", { narrow: true, dark: true });
      await narrow.getByText("Live").waitFor();
      await narrow.locator(".chart").first().waitFor();
      await accessible(narrow);
      await picture(narrow, "front-listing-narrow-dark");
      await narrow.close();
      const offers = await visit(`/nodes/${node}`);
      await offers.getByText("chat, tools").waitFor();
      await accessible(offers);
      await picture(offers, "node-listing");
      await offers.close();
    } finally {
      stage.web.control.answers = {};
    }
  });
});

describe("console", () => {
  const connect = async (page) => {
    await page.getByRole("button", { name: "Connect a wallet" }).click();
    await page.getByRole("button", { name: "Test Wallet" }).click();
    await page.getByRole("tab", { name: "Funds" }).waitFor();
  };
  const sign = async (page) => {
    await page.getByText("The simulation succeeded").waitFor();
    await page.getByRole("button", { name: "Sign with Test Wallet" }).click();
    await page.getByText("Confirmed by the cluster").waitFor();
    await page.getByRole("button", { name: "Done" }).click();
  };

  test("deposit, refuse, limit, key, exit and take out", { timeout: 180_000 }, async () => {
    const page = await visit("/console");
    await accessible(page);
    await connect(page);
    await page.getByText("Free in escrow").waitFor();

    const deposit = page.locator(".card", { has: page.getByRole("heading", { name: "Deposit" }) });
    await deposit.getByLabel("Amount").fill("2.5");
    await deposit.getByRole("button", { name: "Deposit" }).click();
    await page.getByText("The simulation succeeded").waitFor();
    await accessible(page);
    await picture(page, "console-deposit");
    wallet.refuse = true;
    await page.getByRole("button", { name: "Sign with Test Wallet" }).click();
    await page.getByText("The wallet did not sign").waitFor();
    wallet.refuse = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await sign(page);

    const limit = page.locator(".card", { has: page.getByRole("heading", { name: "Limit" }) });
    await limit.getByLabel("Raise by").fill("1");
    await limit.getByRole("button", { name: "Raise the limit" }).click();
    await sign(page);

    await page.getByRole("tab", { name: "Keys" }).click();
    await page.getByLabel("Label").fill("from the browser");
    await page.getByRole("button", { name: "Create a key" }).click();
    const key = await page.locator(".secret code").textContent();
    assert.match(key, /^sk-pnv-[A-Za-z0-9_-]{48}$/);
    const used = await ask({ ...stage.ready, api_key: key }, "Hi.");
    assert.match(used.id, /^req_/);
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByText("from the browser").waitFor();
    await accessible(page);

    await page.getByRole("tab", { name: "Snippets" }).click();
    await page.getByLabel("Your key").fill(key);
    assert.ok((await page.locator(".snippet pre").first().textContent()).includes(key));
    await page.getByRole("tab", { name: "Usage" }).click();
    await page.getByText("All that was ever debited from your limit").waitFor();
    await page.getByRole("tab", { name: "Operator" }).click();
    await page.getByText("Run a node").waitFor();

    // The rest without the coordinator: money leaves straight through the RPC.
    stage.web.control.down = true;
    try {
      await page.getByRole("tab", { name: "Funds" }).click();
      await page.getByText("The coordinator cannot be reached").waitFor();
      const withdraw = page.locator(".card", { has: page.getByRole("heading", { name: "Withdraw" }) });
      await withdraw.getByLabel("Amount").fill("1");
      await withdraw.getByRole("button", { name: "Withdraw" }).click();
      await sign(page);
      const exit = page.locator(".card", { has: page.getByRole("heading", { name: "Exit" }) });
      await exit.getByLabel("Ask back").fill("3");
      await exit.getByRole("button", { name: "Ask for it back" }).click();
      await sign(page);
      await exit.getByRole("timer").waitFor();
      await picture(page, "console-exit");
      const takeOut = exit.getByRole("button", { name: "Take it out" });
      if (!process.env.PINAIVU_READY) {
        await page.waitForFunction(
          () =>
            [...document.querySelectorAll("button")].some(
              (b) => b.textContent === "Take it out" && !b.disabled,
            ),
          null,
          { timeout: 60_000 },
        );
        await takeOut.click();
        await sign(page);
        await exit.getByLabel("Ask back").waitFor();
      }
    } finally {
      stage.web.control.down = false;
    }
    await page.close();
  });

  test("the demo wallet opens a key file, on a local chain only, and says what it is", {
    timeout: 60_000,
  }, async () => {
    const page = await visit("/console");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("button", { name: "Connect a wallet" }).click();
    await page.getByText("local chain only").waitFor();
    const chooser = page.getByLabel("Key file of the demo wallet");
    await chooser.setInputFiles({
      name: "wrong.json",
      mimeType: "application/json",
      buffer: Buffer.from("[1,2,3]"),
    });
    await page.getByRole("alert").getByText("That is no key file").waitFor();
    await chooser.setInputFiles(stage.ready.wallet);
    await page.locator(".wallet-line", { hasText: "Demo wallet" }).waitFor();
    const withdraw = page.locator(".card", { has: page.getByRole("heading", { name: "Withdraw" }) });
    await withdraw.getByLabel("Amount").fill("0.25");
    await withdraw.getByRole("button", { name: "Withdraw" }).click();
    await page.getByText("The simulation succeeded").waitFor();
    await page.getByRole("button", { name: "Sign with Demo wallet" }).click();
    await page.getByText("Confirmed by the cluster").waitFor();
    assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }).includes("Demo")), false);
    await page.evaluate(() => localStorage.setItem("pinaivu.wallet", "Test Wallet"));
    await page.close();
  });

  test("what an RPC refuses is said in the program's words, and a dead one as unknown", {
    timeout: 60_000,
  }, async () => {
    const page = await visit("/console");
    const withdraw = page.locator(".card", { has: page.getByRole("heading", { name: "Withdraw" }) });
    const attempt = async () => {
      await withdraw.getByLabel("Amount").fill("0.1");
      await withdraw.getByRole("button", { name: "Withdraw" }).click();
    };
    let fail = "simulateTransaction";
    await page.route(stage.ready.rpc_url, async (route) => {
      const { method, id } = route.request().postDataJSON();
      if (method !== fail) return route.continue();
      const err = { InstructionError: [1, { Custom: 6000 }] };
      const value = { err, logs: [], unitsConsumed: 1, accounts: null, returnData: null };
      const body =
        method === "simulateTransaction"
          ? { jsonrpc: "2.0", id, result: { context: { slot: 1 }, value } }
          : { jsonrpc: "2.0", id, error: { code: -32005, message: "Node is behind" } };
      await route.fulfill({ json: body, headers: { "access-control-allow-origin": "*" } });
    });
    await attempt();
    await page.getByText("It would fail, so it was not sent").waitFor();
    await page.getByText("the program refused it:").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    fail = "sendTransaction";
    await attempt();
    await page.getByText("The simulation succeeded").waitFor();
    await page.getByRole("button", { name: "Sign with Test Wallet" }).click();
    await page.getByText("It failed").or(page.getByText("The RPC did not do it")).first().waitFor();
    await accessible(page);
    await page.close();
  });

  test("too much is refused before anything is signed, in words", { timeout: 60_000 }, async () => {
    const page = await visit("/console");
    const before = wallet.signed;
    const deposit = page.locator(".card", { has: page.getByRole("heading", { name: "Deposit" }) });
    await deposit.getByLabel("Amount").fill("999999999");
    await deposit.getByText("At most").waitFor();
    assert.ok(await deposit.getByRole("button", { name: "Deposit" }).isDisabled());
    assert.equal(wallet.signed, before);
    await page.close();
  });
});

describe("chat", () => {
  const start = async (path = "/chat") => {
    const page = await visit(path);
    await page.getByRole("button", { name: "Add a key", exact: true }).click();
    await page.getByLabel("API key").fill(stage.ready.api_key);
    await page.getByRole("button", { name: "Use this key" }).click();
    return page;
  };
  const ask = async (page, text) => {
    await page.locator(".composer textarea").fill(text);
    await page.keyboard.press("Enter");
  };
  const answered = (page) => page.locator('.answer[aria-busy="false"]').last();

  test("ask, verify, edit, branch, try again", { timeout: 120_000 }, async () => {
    const page = await visit("/chat");
    await accessible(page);
    await picture(page, "chat-empty");
    await page.close();
    const chat = await start();
    await ask(chat, "Say hello in one short sentence.");
    await answered(chat).waitFor();
    await chat.locator(".receipt-badge", { hasText: "verified" }).waitFor();
    assert.match(await chat.locator(".receipt-badge").textContent(), /0\.0000\d+ USDC/);
    await accessible(chat);
    await picture(chat, "chat");

    await chat.getByRole("button", { name: "Edit" }).click();
    await chat.getByLabel("Edit your question").fill("Say goodbye in one short sentence.");
    await chat.getByRole("button", { name: "Ask this instead" }).click();
    await chat.getByText("2 / 2").first().waitFor();
    await answered(chat).waitFor();
    await chat.getByRole("button", { name: "Previous version" }).first().click();
    await chat.locator(".question", { hasText: "Say hello" }).waitFor();
    await chat.getByRole("button", { name: "Try again" }).last().click();
    await answered(chat).waitFor();
    assert.equal(await chat.locator(".answer .branches").textContent(), "2 / 2");
    await chat.locator(".receipt-badge").click();
    await chat.waitForURL("**/receipts/req_*");
    await chat.close();
  });

  test("stopping leaves what came, and a receipt for it", { timeout: 120_000 }, async () => {
    const chat = await start();
    await ask(chat, "Write a very long story about a lighthouse, with many chapters.");
    await chat.locator(".answer .markdown").waitFor();
    await chat.getByRole("button", { name: "Stop" }).click();
    await chat.getByText("Stopped.").waitFor();
    assert.ok((await chat.locator(".answer .markdown").textContent()).length > 0);
    await chat.locator(".receipt-badge", { hasText: "USDC" }).waitFor();
    assert.doesNotMatch(await chat.locator(".receipt-badge").textContent(), /does not hold/);
    await chat.close();
  });

  test("history and memory are kept encrypted, and only the wallet opens them", {
    timeout: 120_000,
  }, async () => {
    const chat = await start();
    await chat.getByRole("button", { name: "Unlock history" }).click();
    await chat.getByText("kept encrypted").waitFor();
    await ask(chat, "Remember that my dog is called Brunhilde.");
    await answered(chat).waitFor();
    await ask(chat, "What is my dog called?");
    await chat.getByText("1 remembered").first().waitFor();
    await answered(chat).waitFor();
    await chat.waitForTimeout(1_500); // the vault writes a moment after the last change
    const kept = await chat.evaluate(async () => {
      const database = await new Promise((resolve) => {
        const opening = indexedDB.open("pinaivu-vault");
        opening.onsuccess = () => resolve(opening.result);
      });
      const all = await new Promise((resolve) => {
        const asked = database.transaction("boxes").objectStore("boxes").getAll();
        asked.onsuccess = () => resolve(asked.result);
      });
      const decoder = new TextDecoder();
      return {
        boxes: all.length,
        readable:
          all.some((box) => decoder.decode(box.data).includes("Brunhilde")) ||
          JSON.stringify(localStorage).includes("Brunhilde"),
      };
    });
    assert.ok(kept.boxes >= 3);
    assert.equal(kept.readable, false);
    await chat.reload();
    assert.equal(await chat.getByText("Brunhilde").count(), 0);
    await chat.getByRole("button", { name: "Unlock history" }).click();
    await chat.getByLabel("Search conversations").fill("brunhilde dog");
    await chat.getByRole("button", { name: "Remember that my dog", exact: false }).first().click();
    await chat.locator(".question", { hasText: "What is my dog called?" }).waitFor();
    await chat.getByRole("button", { name: "Memory (1)" }).click();
    await accessible(chat);
    await picture(chat, "chat-memory");
    // What a small model finds is its own affair; that it was asked and answered is ours.
    await chat.getByRole("button", { name: "Find facts in this conversation" }).click();
    await chat
      .getByText("It found none.")
      .or(chat.getByRole("button", { name: "Keep" }).first())
      .waitFor();
    await chat.getByRole("button", { name: "Forget: my dog" }).click();
    await chat.getByText("Nothing is remembered").waitFor();
    await chat.close();
  });

  test("a reload in the middle of an answer keeps what had come", { timeout: 90_000 }, async () => {
    const chat = await start();
    await chat.getByRole("button", { name: "Unlock history" }).click();
    await chat.getByText("kept encrypted").waitFor();
    await ask(chat, "Write a very long tale about a windmill, with many chapters and a moral.");
    await chat.locator(".answer .markdown").waitFor();
    await chat.waitForTimeout(1_200); // the vault writes while the answer comes
    await chat.reload();
    await chat.getByRole("button", { name: "Unlock history" }).click();
    await chat.getByRole("button", { name: "Write a very long tale", exact: false }).first().click();
    assert.ok((await chat.locator(".answer .markdown").textContent()).length > 0);
    await chat.getByRole("button", { name: "Try again" }).waitFor();
    await chat.close();
  });

  test("what a model writes cannot act as markup, and is drawn as markdown", {
    timeout: 60_000,
  }, async () => {
    const content = [
      '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>',
      "[click](javascript:globalThis.hacked=1) ![x](https://outside.invalid/pixel.png)",
      "",
      "| a | b |\n|---|---|\n| 1 | 2 |",
      "",
      "```js\nconst one = 1;\n```",
      "",
      "$$e^{i\\pi} + 1 = 0$$",
    ].join("\n");
    stage.web.control.change = (path, body) =>
      path === "/v1/chat/completions"
        ? `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\ndata: [DONE]\n\n`
        : body;
    try {
      const chat = await start();
      await ask(chat, "Attack me.");
      await answered(chat).locator("table").waitFor();
      await answered(chat).locator(".katex").first().waitFor();
      await answered(chat).locator("pre code.hljs").waitFor();
      assert.equal(await chat.evaluate(() => globalThis.hacked), undefined);
      assert.equal(await answered(chat).locator("img, script").count(), 0);
      assert.equal(await chat.locator('a[href^="javascript:"]').count(), 0);
      // The answer is not the one that was served, and the badge says so.
      await chat.locator(".receipt-badge", { hasText: "does not hold" }).waitFor();
      await accessible(chat);
      await picture(chat, "chat-markdown");
      await chat.close();
    } finally {
      stage.web.control.change = null;
    }
  });

  test("a wrong key and a coordinator that is down are said in words", { timeout: 60_000 }, async () => {
    const chat = await start();
    stage.web.control.down = true;
    try {
      await ask(chat, "Anybody there?");
      await chat.locator(".notice-text", { hasText: "The coordinator cannot be reached." }).waitFor();
    } finally {
      stage.web.control.down = false;
    }
    await chat.evaluate(() => sessionStorage.setItem("pinaivu.chat.key", `sk-pnv-${"A".repeat(48)}`));
    await chat.reload();
    await ask(chat, "Anybody there?");
    await chat.locator(".notice.bad").waitFor();
    assert.match(await chat.locator(".notice.bad").textContent(), /key/i);
    await chat.close();
  });
});

describe("the application", () => {
  test("opens while the coordinator that served it is down, and still takes money out", {
    timeout: 60_000,
  }, async () => {
    const first = await visit("/console");
    await first.evaluate(() => navigator.serviceWorker.ready);
    // The files of the pages are kept as they are used: once more, with the worker in control.
    await first.reload();
    await first.getByRole("tab", { name: "Funds" }).waitFor();
    await first.close();
    stage.web.control.down = true;
    try {
      const page = await visit("/console");
      await page.getByText("The coordinator cannot be reached").waitFor();
      const withdraw = page.locator(".card", { has: page.getByRole("heading", { name: "Withdraw" }) });
      await withdraw.getByLabel("Amount").fill("0.5");
      await withdraw.getByRole("button", { name: "Withdraw" }).click();
      await page.getByText("The simulation succeeded").waitFor();
      await page.getByRole("button", { name: "Sign with Test Wallet" }).click();
      await page.getByText("Confirmed by the cluster").waitFor();
      await page.close();
    } finally {
      stage.web.control.down = false;
    }
  });

  test("is small where people begin", async () => {
    const page = await visit("/");
    await page.getByText("Log grew from").first().waitFor();
    const { bytes, files } = await page.evaluate(() => {
      const scripts = performance.getEntriesByType("resource").filter((entry) => entry.name.endsWith(".js"));
      return {
        bytes: scripts.reduce((sum, entry) => sum + entry.decodedBodySize, 0),
        files: scripts.map((entry) => entry.name),
      };
    });
    assert.ok(bytes < 700_000, `${bytes} bytes of script on the front page`);
    assert.ok(
      !files.some((file) => file.includes("markdown")),
      "the chat's markdown is loaded on the front page",
    );
    await page.close();
  });

  test("is drawn soon and stays where it is", async () => {
    const page = await visit("/");
    await page.getByText("Log grew from").first().waitFor();
    const figures = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const found = { largestPaint: 0, shift: 0 };
          const watch = (type, take) =>
            new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({
              type,
              buffered: true,
            });
          watch("largest-contentful-paint", (entry) => {
            found.largestPaint = Math.round(entry.startTime);
          });
          watch("layout-shift", (entry) => {
            if (!entry.hadRecentInput) found.shift += entry.value;
          });
          setTimeout(() => {
            const firstPaint = Math.round(
              performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
            );
            const bytes = performance
              .getEntriesByType("resource")
              .reduce((sum, entry) => sum + entry.encodedBodySize, 0);
            resolve({ firstPaint, ...found, bytes });
          }, 500);
        }),
    );
    await writeFile(join(shots, "figures.json"), `${JSON.stringify(figures, null, 2)}\n`);
    assert.ok(figures.shift < 0.25, `layout shift ${figures.shift}`);
    await page.close();
  });

  test("asks nobody but its coordinator and the chosen RPC, and breaks no policy", () => {
    // The dead RPC of the test above is the only other address, and a person's own choice there.
    assert.deepEqual(
      stage.outside.filter((url) => url !== "http://127.0.0.1:1/"),
      [],
    );
    assert.deepEqual(stage.violations, []);
  });
});
