/** Journeys through what is public. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { accessible, json, misbehaving, picture, setting, shots, until, verdict, visit } from "./setting.mjs";
import { ask } from "./stage.mjs";

describe("explorer", () => {
  test("the front page shows what the chain has, and finds a request", { timeout: 60_000 }, async () => {
    const page = await visit("/");
    await page.getByText("Log grew from").first().waitFor();
    await accessible(page);
    await picture(page, "front");
    await page.getByLabel("Search by request id").fill("nonsense");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("Not an id this network uses").waitFor();
    await page.getByLabel("Search by request id").fill(setting.served.id);
    await page.keyboard.press("Enter");
    await page.waitForURL(`**/receipts/${setting.served.id}`);
    await page.close();
  });

  test("a receipt is verified in the browser, request and answer included", { timeout: 60_000 }, async () => {
    const page = await visit(`/receipts/${setting.served.id}`);
    // The request is dropped as a file, the answer is pasted.
    const dropped = await page.evaluateHandle((text) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], "request.json", { type: "application/json" }));
      return transfer;
    }, setting.served.request);
    await page.getByLabel("Request body").dispatchEvent("drop", { dataTransfer: dropped });
    await until(async () => (await page.getByLabel("Request body").inputValue()) === setting.served.request);
    await page.getByPlaceholder("The completion as JSON").fill(setting.served.answer);
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
      "Auction replay",
      "Your request",
      "Your answer",
    ]) {
      assert.match(await verdict(page, name).getAttribute("class"), /passed/, name);
    }
    assert.match(await verdict(page, "Attestation").getAttribute("class"), /not_checked/);
    // Against whom it won: the page read the book and ran the auction again.
    await page.getByText("run again, same outcome").waitFor();
    const offers = page.locator(".offers tbody tr");
    assert.equal(await offers.count(), setting.stage.ready.nodes.length);
    assert.equal(await offers.filter({ hasText: "served at" }).count(), 1);
    await accessible(page);
    await picture(page, "receipt");
    await page
      .getByPlaceholder("The completion as JSON")
      .fill(setting.served.answer.replace(/"content":"/, '"content":"not '));
    await page.getByRole("button", { name: "Check against the commitments" }).click();
    await page.getByText("This receipt does not hold").waitFor();
    assert.match(await verdict(page, "Your answer").getAttribute("class"), /failed/);
    await page.close();
  });

  test("a bundle from the page is verified by the command, and by the page without the coordinator", {
    timeout: 90_000,
  }, async () => {
    const page = await visit(`/receipts/${setting.served.id}`);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download bundle" }).click(),
    ]);
    const file = join(shots, "bundle.json");
    await download.saveAs(file);
    const { base_url, rpc_url } = setting.stage.ready;
    const said = spawnSync(
      setting.stage.binary,
      ["receipt", "verify", file, "--url", new URL(base_url).origin, "--rpc", rpc_url],
      { encoding: "utf8" },
    );
    assert.equal(said.status, 0, said.stdout + said.stderr);
    // The log goes on, so the bundle's path leads to a root that is not the newest any more.
    await ask(setting.stage.ready, "Grow the log.");
    // The files of a page are kept as they are used, once the worker is there.
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.reload();
    await page.getByRole("button", { name: "Verify this receipt" }).waitFor();
    setting.stage.web.control.down = true;
    try {
      await page.reload();
      await page.getByLabel("Open a bundle").setInputFiles(file);
      await page.getByRole("button", { name: "Verify this receipt" }).click();
      await page.getByText("This receipt holds").waitFor();
      assert.match(await verdict(page, "Log head on chain").getAttribute("class"), / passed/);
    } finally {
      setting.stage.web.control.down = false;
    }
    await page.close();
  });

  test("a receipt that was recorded on chain is read from there, with and against the coordinator", {
    timeout: 90_000,
  }, async () => {
    const { ready } = setting.stage;
    const { id } = setting.served;
    const where = ["--url", new URL(ready.base_url).origin, "--rpc", ready.rpc_url, "--wallet", ready.wallet];
    const first = await visit(`/receipts/${id}`);
    await first.getByText("It has no account of its own on chain").waitFor();
    await first.close();
    await until(
      () => spawnSync(setting.stage.binary, ["receipt", "record", id, "--json", ...where]).status === 0,
    );
    const page = await visit(`/receipts/${id}`);
    const card = page.locator(".card", { has: page.getByRole("heading", { name: "Recorded on chain" }) });
    await card.getByText("same as this receipt").waitFor();
    await accessible(page);
    await picture(page, "receipt-recorded");
    await page.close();
    // Gone at the coordinator, and there all the same.
    const absent = (path) =>
      path === `/v1/receipts/${id}`
        ? { ...json({ error: { message: "no", code: "receipt_not_found" } }), status: 404 }
        : null;
    await misbehaving({ reply: absent }, async () => {
      const gone = await visit(`/receipts/${id}`);
      await gone.getByText("has no receipt of that request").waitFor();
      await gone.getByText(/^\d+ in, \d+ out$/).waitFor();
      await gone.getByText(ready.model).waitFor();
      await accessible(gone);
      await gone.close();
    });
    // Another receipt at the same place of the log is called what it is.
    const lie = (path, body) => {
      if (!path.startsWith("/v1/receipts/")) return body;
      const document = JSON.parse(body);
      for (const entry of document.receipts ?? []) {
        const bytes = Buffer.from(entry.bytes, "base64");
        bytes[280] ^= 1;
        entry.bytes = bytes.toString("base64");
      }
      return JSON.stringify(document);
    };
    await misbehaving({ change: lie }, async () => {
      const lying = await visit(`/receipts/${id}`);
      await lying.getByText("The chain has another receipt at this place of the log").waitFor();
      await lying.close();
    });
  });

  test("search leads from every id to its page", { timeout: 60_000 }, async () => {
    const { ready } = setting.stage;
    const page = await visit("/");
    await page.getByText("Log grew from").first().waitFor();
    const href = await page.locator('a[href^="/transactions/"]').first().getAttribute("href");
    const search = async (text, path, says) => {
      await page.keyboard.press("/");
      await page.keyboard.insertText(text);
      await page.keyboard.press("Enter");
      await page.waitForURL(`**${path}`);
      await page.getByText(says).first().waitFor();
    };
    await search(ready.nodes[1], `/nodes/${ready.nodes[1]}`, "Operator");
    await search(href.replace("/transactions/", ""), href, "What it did");
    await search(ready.coordinator, "/coordinator", "adds up");
    await search(setting.wallet.address, `/wallets/${setting.wallet.address}`, "Reservations");
    await accessible(page);
    await picture(page, "wallet");
    await search(setting.served.id.slice(4).toUpperCase(), `/receipts/${setting.served.id}`, "Served by");
    await page.close();
  });

  test("a receipt with one changed byte is called a lie", { timeout: 60_000 }, async () => {
    setting.stage.web.control.change = (path, body) => {
      if (!path.startsWith("/v1/receipts/")) return body;
      const document = JSON.parse(body);
      for (const entry of document.receipts ?? []) {
        const bytes = Buffer.from(entry.bytes, "base64");
        bytes[280] ^= 1; // in the hash of the ticket, which the body has after the model's name
        entry.bytes = bytes.toString("base64");
      }
      return JSON.stringify(document);
    };
    try {
      const page = await visit(`/receipts/${setting.served.id}`);
      await page.getByRole("button", { name: "Verify this receipt" }).click();
      await page.getByText("This receipt does not hold").waitFor();
      assert.match(await verdict(page, "Body").getAttribute("class"), /failed/);
      await accessible(page);
      await picture(page, "receipt-lie");
      await page.close();
    } finally {
      setting.stage.web.control.change = null;
    }
  });

  test("another request's receipt is not taken for the one that was asked for", {
    timeout: 60_000,
  }, async () => {
    const { ready } = setting.stage;
    const other = await ask(ready, "Another question altogether.");
    const { id } = setting.served;
    const given = await until(async () => {
      const answer = await fetch(`${ready.base_url}/receipts/${other.id}`);
      return answer.status === 200 ? answer.json() : null;
    });
    const answers = { [`/v1/receipts/${id}`]: { ...given, request_id: id } };
    await misbehaving({ answers }, async () => {
      const page = await visit(`/receipts/${id}`);
      await page.getByText("What was served is another request's receipt").waitFor();
      await page.getByText(other.id).waitFor();
      assert.equal(await page.getByRole("button", { name: "Verify this receipt" }).count(), 0);
      await accessible(page);
      await page.close();
    });
  });

  test("an auction that does not come out as the receipt says is called so", {
    timeout: 60_000,
  }, async () => {
    const verify = async (page) => {
      await page.getByRole("button", { name: "Verify this receipt" }).click();
      await page.locator(".stamp").waitFor();
    };
    // The book with another ask in it than the one that was signed, among those that were there by then:
    // nodes renew theirs all the time.
    const { base_url } = setting.stage.ready;
    const terms = await (await fetch(`${base_url}/receipts/${setting.served.id}/auction`)).json();
    const forge = (path, body) => {
      if (!path.startsWith("/v1/book/")) return body;
      const book = JSON.parse(body);
      const entry = book.data.findLast(
        ({ version, entry }) => version <= terms.book_version && Buffer.from(entry, "base64")[0] === 3,
      );
      const bytes = Buffer.from(entry.entry, "base64");
      bytes[bytes.length - 1] ^= 1;
      entry.entry = bytes.toString("base64");
      return JSON.stringify(book);
    };
    await misbehaving({ change: forge }, async () => {
      const page = await visit(`/receipts/${setting.served.id}`);
      await verify(page);
      await page.getByText("This receipt does not hold").waitFor();
      assert.match(await verdict(page, "Auction replay").getAttribute("class"), /failed/);
      await page.getByText("another outcome").waitFor();
      await page.close();
    });
    // A coordinator that has not kept the book: open, not passed and not failed.
    const gone = (path) =>
      path.endsWith("/auction")
        ? { ...json({ error: { message: "no", code: "not_found" } }), status: 404 }
        : null;
    await misbehaving({ reply: gone }, async () => {
      const page = await visit(`/receipts/${setting.served.id}`);
      await verify(page);
      assert.match(await verdict(page, "Auction replay").getAttribute("class"), /not_checked/);
      await page.getByText("This receipt holds").waitFor();
      await page.close();
    });
  });

  test("without an RPC the page says what it did not check", { timeout: 60_000 }, async () => {
    const page = await visit("/");
    await page.evaluate(() => localStorage.setItem("pinaivu.rpc", "http://127.0.0.1:1"));
    await page.goto(`${setting.stage.web.url}/receipts/${setting.served.id}`);
    await page.getByRole("button", { name: "Verify this receipt" }).click();
    await page.getByText("Consistent, but the chain was not read").waitFor();
    assert.match(await verdict(page, "Coordinator's signature").getAttribute("class"), /not_checked/);
    await page.evaluate((rpc) => localStorage.setItem("pinaivu.rpc", rpc), setting.stage.ready.rpc_url);
    await page.close();
  });

  test("an unknown request, node, coordinator and settlement have their pages", {
    timeout: 90_000,
  }, async () => {
    const unknown = await visit(`/receipts/req_${"0".repeat(32)}`);
    await unknown.getByText("has no receipt of that request").waitFor();
    await unknown.close();
    const node = await visit(`/nodes/${setting.stage.ready.nodes[0]}`, { narrow: true, dark: true });
    await node.getByText("Operator").waitFor();
    await accessible(node);
    await picture(node, "node-narrow-dark");
    await node.close();
    const coordinator = await visit("/coordinator", { dark: true });
    await coordinator.getByText("adds up").waitFor();
    await coordinator.getByText("This coordinator is not attested").waitFor();
    await coordinator.getByRole("cell", { name: "covered" }).nth(2).waitFor();
    await accessible(coordinator);
    await picture(coordinator, "coordinator-dark");
    await coordinator.getByText("Log grew from").first().waitFor();
    await coordinator.locator('a[href^="/transactions/"]').first().click();
    await coordinator.getByText("What it did").waitFor();
    await accessible(coordinator);
    await picture(coordinator, "settlement-dark");
    await coordinator.close();
  });

  test("what a real coordinator counts and measures is shown", { timeout: 60_000 }, async () => {
    const page = await visit("/");
    await page.getByText("Live").waitFor();
    await page.locator('.row a[href^="/receipts/req_"]').first().waitFor();
    await page.locator(".figure", { hasText: "Tokens" }).waitFor();
    await page.locator(".figure", { hasText: "First token" }).waitFor();
    await page.getByRole("img", { name: "Requests by hour" }).waitFor();
    await page.close();
    const nodes = await Promise.all(
      setting.stage.ready.nodes.map(async (node) =>
        (await fetch(`${setting.stage.ready.base_url}/nodes/${node}`)).json(),
      ),
    );
    const busy = nodes.find(({ totals }) => totals.requests > 0);
    const node = await visit(`/nodes/${busy.node}`);
    await node.getByRole("heading", { name: "Served" }).waitFor();
    await node.locator('.row a[href^="/receipts/req_"]').first().waitFor();
    await accessible(node);
    await node.close();
  });

  test("nobody there is said as such, and what is known stays", { timeout: 60_000 }, async () => {
    const page = await visit("/");
    await page.getByText("Log grew from").first().waitFor();
    await setting.stage.context.setOffline(true);
    try {
      await page.getByText("The coordinator cannot be reached").waitFor();
      await accessible(page);
    } finally {
      await setting.stage.context.setOffline(false);
    }
    await page.getByText("The coordinator cannot be reached").waitFor({ state: "detached" });
    await page.close();
  });
});

describe("explorer with a coordinator that lists", () => {
  test("receipts, figures and offers in the documented shapes are shown", { timeout: 60_000 }, async () => {
    const now = Date.now();
    const [node] = setting.stage.ready.nodes;
    const rows = Array.from({ length: 8 }, (_, at) => ({
      request_id: `req_${at.toString(16).padStart(32, "0")}`,
      segment: 0,
      epoch: 0,
      index: 20 - at,
      created: now - at * 41_000,
      model: setting.stage.ready.model,
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
      first_token_ms_p50: 180,
      failed: 0,
      models: [{ model: setting.stage.ready.model, requests: 4, price: 200_000 + at * 1_000 }],
    }));
    setting.stage.web.control.answers = {
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
            model: setting.stage.ready.model,
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
        totals: { requests: 60, failed: 1, input_tokens: "1", output_tokens: "1", earned: "1" },
        unpaid: "1",
        last_served: now,
        series: {
          step: 3_600,
          buckets: Array.from({ length: 30 }, (_, at) => ({
            at: now - (30 - at) * 3_600_000,
            requests: 4 + (at % 5),
            failed: at % 11 === 0 ? 1 : 0,
            earned: "120000000",
            first_token_ms_p50: 170 + 3 * (at % 7),
            tokens_per_second_p50: at % 9 === 0 ? null : 70 + (at % 6),
          })),
        },
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
      await offers.getByRole("img", { name: "Milliseconds to the first token" }).waitFor();
      await offers.getByRole("img", { name: "Tokens a second" }).waitFor();
      await accessible(offers);
      await picture(offers, "node-listing");
      await offers.close();
    } finally {
      setting.stage.web.control.answers = {};
    }
  });
});
