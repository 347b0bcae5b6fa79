/** What holds for the application as a whole. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { figures } from "./figures.mjs";
import { accessible, picture, setting, shots, visit } from "./setting.mjs";
import { policy } from "./stage.mjs";

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
    setting.stage.web.control.down = true;
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
      setting.stage.web.control.down = false;
    }
  });

  test("loads nothing of the chat where people begin", async () => {
    const page = await visit("/");
    await page.getByText("Log grew from").first().waitFor();
    const files = await page.evaluate(() =>
      performance.getEntriesByType("resource").map((entry) => entry.name),
    );
    assert.deepEqual(
      files.filter((file) => /markdown|katex|chat/.test(file)),
      [],
    );
    await page.close();
  });

  test("is served by the coordinator itself, packed, under the same policy", async () => {
    const { ready } = setting.stage;
    const page = await fetch(new URL("/console", ready.explorer_url), { headers: { accept: "text/html" } });
    assert.equal(page.status, 200);
    assert.equal(page.headers.get("content-security-policy"), await policy());
    const html = await page.text();
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|javascript:/i);
    const [script] = /\/assets\/[^"]+\.js/.exec(html);
    for (const [accepts, encoding] of [
      ["br", "br"],
      ["gzip", "gzip"],
      ["identity", null],
    ]) {
      const file = await fetch(new URL(script, ready.explorer_url), {
        headers: { "accept-encoding": accepts },
      });
      assert.equal(file.headers.get("content-encoding"), encoding);
      assert.match(file.headers.get("cache-control"), /immutable/);
    }
  });

  test("fits a narrow screen on every page, in the dark as well", { timeout: 120_000 }, async () => {
    const { ready } = setting.stage;
    const transaction = async () => {
      const page = await visit("/");
      await page.getByText("Log grew from").first().waitFor();
      const href = await page.locator('a[href^="/transactions/"]').first().getAttribute("href");
      await page.close();
      return href;
    };
    const fits = async (page, what) => {
      await accessible(page);
      const [content, screen] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      assert.ok(content <= screen, `${what}: ${content} of ${screen}`);
      await picture(page, `narrow-${what}`);
    };
    const pages = {
      front: ["/", (page) => page.getByText("Log grew from").first()],
      receipt: [`/receipts/${setting.served.id}`, (page) => page.getByText("Served by")],
      node: [`/nodes/${ready.nodes[0]}`, (page) => page.getByText("Operator")],
      coordinator: ["/coordinator", (page) => page.getByText("adds up")],
      settlement: [await transaction(), (page) => page.getByText("What it did")],
      wallet: [`/wallets/${setting.wallet.address}`, (page) => page.getByText("Reservations").first()],
      nothing: ["/no/such/page", (page) => page.locator("h1")],
      chat: ["/chat", (page) => page.getByRole("heading", { name: "Ask the network." })],
    };
    for (const [what, [path, shown]] of Object.entries(pages)) {
      const page = await visit(path, { narrow: true, dark: true });
      await page.setViewportSize({ width: 360, height: 740 });
      await shown(page).waitFor();
      await fits(page, what);
      await page.close();
    }
    const console = await visit("/console", { narrow: true });
    await console.setViewportSize({ width: 360, height: 740 });
    await console.getByText("Free in escrow").waitFor();
    for (const tab of ["Funds", "Keys", "Usage", "Snippets", "Operator"]) {
      await console.getByRole("tab", { name: tab }).click();
      await fits(console, `console-${tab.toLowerCase()}`);
    }
    await console.close();
  });

  test("is drawn soon and stays where it is", { timeout: 90_000 }, async () => {
    const found = await figures();
    await writeFile(join(shots, "figures.json"), `${JSON.stringify(found, null, 2)}\n`);
    for (const [page, { shift }] of Object.entries(found))
      assert.ok(shift < 0.15, `${page}: layout shift ${shift}`);
  });

  test("asks nobody but its coordinator and the chosen RPC, and breaks no policy", () => {
    // The dead RPC of the test above is the only other address, and a person's own choice there.
    assert.deepEqual(
      setting.stage.outside.filter((url) => url !== "http://127.0.0.1:1/"),
      [],
    );
    assert.deepEqual(setting.stage.violations, []);
  });
});
