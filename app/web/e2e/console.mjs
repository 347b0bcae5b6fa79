/** Journeys of people with money, keys and nodes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { accessible, picture, setting, signTransaction, until, visit } from "./setting.mjs";
import { ask } from "./stage.mjs";

describe("console", () => {
  const connect = async (page) => {
    await page.getByRole("button", { name: "Connect a wallet" }).click();
    await page.getByRole("button", { name: "Test Wallet" }).click();
    await page.getByRole("tab", { name: "Funds" }).waitFor();
  };
  test("deposit, refuse, limit, key, exit and take out", { timeout: 180_000 }, async () => {
    const page = await visit("/console");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await accessible(page);
    await connect(page);
    await page.getByText("Free in escrow").waitFor();

    const deposit = page.locator(".card", {
      has: page.getByRole("heading", { name: "Deposit", exact: true }),
    });
    await deposit.getByLabel("Amount").fill("2.5");
    await deposit.getByRole("button", { name: "Deposit", exact: true }).click();
    await page.getByText("The simulation succeeded").waitFor();
    await accessible(page);
    await picture(page, "console-deposit");
    setting.wallet.refuse = true;
    await page.getByRole("button", { name: "Sign with Test Wallet" }).click();
    await page.getByText("The wallet did not sign").waitFor();
    setting.wallet.refuse = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await signTransaction(page);

    const limit = page.locator(".card", { has: page.getByRole("heading", { name: "Limit" }) });
    await limit.getByLabel("Raise by").fill("1");
    await limit.getByRole("button", { name: "Raise the limit" }).click();
    await signTransaction(page);

    await page.getByRole("tab", { name: "Keys" }).click();
    await page.getByLabel("Label").fill("from the browser");
    await page.getByLabel("Budget").fill("0.5");
    await page.getByText("Models and rates").click();
    await page.getByLabel("Requests a minute").fill("30");
    await page.getByRole("button", { name: "Create a key" }).click();
    const key = await page.locator(".secret code").textContent();
    assert.match(key, /^sk-pnv-[A-Za-z0-9_-]{48}$/);
    const used = await ask({ ...setting.stage.ready, api_key: key }, "Hi.");
    assert.match(used.id, /^req_/);
    await page.getByRole("button", { name: "Sign in" }).click();
    const row = page.locator(".key-row", { hasText: "from the browser" });
    await row.getByText("of 0.50 USDC").waitFor();
    await row.getByText("30 requests a minute").waitFor();
    await row.getByText("1 request ·").waitFor();
    await accessible(page);
    await picture(page, "console-keys");

    // Bounds hold from the next request on.
    await row.getByRole("button", { name: "Change from the browser" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Budget").fill("0.000001");
    await accessible(page);
    await dialog.getByRole("button", { name: "Change the key" }).click();
    await dialog.waitFor({ state: "detached" });
    await row.getByText("of 0.000001 USDC").waitFor();
    await assert.rejects(ask({ ...setting.stage.ready, api_key: key }, "Hi."), /budget/);

    await page.getByRole("tab", { name: "Snippets" }).click();
    await page.getByLabel("Your key").fill(setting.stage.ready.api_key);
    // Pasted into a shell, it works as it is.
    const pasted = spawnSync("bash", ["-c", await page.locator(".snippet pre").first().textContent()], {
      encoding: "utf8",
    });
    assert.equal(JSON.parse(pasted.stdout).choices.length, 1, pasted.stdout + pasted.stderr);
    await page.getByLabel("Your key").fill(key);
    for (const language of ["Python", "Node"]) {
      await page.getByRole("tab", { name: language }).click();
      assert.ok((await page.locator(".snippet pre").first().textContent()).includes(key));
    }
    await page.getByRole("tab", { name: "Usage" }).click();
    await page.getByText("All that was ever debited from your limit").waitFor();
    await page.getByRole("img", { name: "Charged" }).waitFor();
    await page.getByRole("cell", { name: "from the browser" }).first().waitFor();
    await page.locator(`a[href="/receipts/${used.id}"]`).waitFor();
    await accessible(page);
    await picture(page, "console-usage");

    await page.getByRole("tab", { name: "Keys" }).click();
    await row.getByRole("button", { name: "Revoke from the browser" }).click();
    await row.getByText("revoked").waitFor();
    await assert.rejects(ask({ ...setting.stage.ready, api_key: key }, "Hi."), /revoked/);

    // The rest without the coordinator: money leaves straight through the RPC.
    setting.stage.web.control.down = true;
    try {
      await page.getByRole("tab", { name: "Funds" }).click();
      await page.getByText("The coordinator cannot be reached").waitFor();
      const withdraw = page.locator(".card", { has: page.getByRole("heading", { name: "Withdraw" }) });
      await withdraw.getByLabel("Amount").fill("1");
      await withdraw.getByRole("button", { name: "Withdraw" }).click();
      await signTransaction(page);
      const exit = page.locator(".card", { has: page.getByRole("heading", { name: "Exit" }) });
      await exit.getByLabel("Ask back").fill("3");
      await exit.getByRole("button", { name: "Ask for it back" }).click();
      await signTransaction(page);
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
        await signTransaction(page);
        await exit.getByLabel("Ask back").waitFor();
      }
    } finally {
      setting.stage.web.control.down = false;
    }
    await page.close();
  });

  test("money sent to the deposit address is credited", { timeout: 90_000 }, async () => {
    const page = await visit("/console");
    const card = page.locator(".card", { has: page.getByRole("heading", { name: "Deposit address" }) });
    await card.getByRole("button", { name: "Open a deposit address" }).click();
    await signTransaction(page);
    await card.getByText("Nothing has arrived").waitFor();
    await accessible(page);
    // A plain transfer by somebody who knows the escrow's address and nothing else.
    const escrow = await card.locator(".fine-print .id").last().getAttribute("title");
    const sent = await fetch(setting.stage.ready.faucet_url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ address: escrow, sol: 0, usdc: 3.25 }),
    });
    assert.ok(sent.ok, await sent.text());
    await card.getByText("3.25 USDC arrived").waitFor();
    await card.getByRole("button", { name: "Credit it to the escrow" }).click();
    await signTransaction(page);
    await card.getByText("Nothing has arrived").waitFor();
    await page.close();
  });

  test("a node is registered with a key made here, staked and unbonded", { timeout: 120_000 }, async () => {
    const page = await visit("/console");
    await page.getByRole("tab", { name: "Operator" }).click();
    const nodes = page.locator(".card", { hasText: "stake" }).filter({ hasText: "To claim" });
    await page.getByRole("button", { name: "Make a hot key" }).waitFor();
    const before = await nodes.count();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Make a hot key" }).click(),
    ]);
    const key = JSON.parse(await readFile(await download.path(), "utf8"));
    assert.equal(key.length, 64);
    await accessible(page);
    await page.getByRole("button", { name: "Register the node" }).click();
    await page.getByText("is registered with your wallet as its operator").waitFor();
    await signTransaction(page);
    await until(async () => (await nodes.count()) === before + 1);
    const node = nodes.filter({ hasText: "stake too low" }).first();
    await node.getByLabel("Amount").fill("1");
    await node.getByRole("button", { name: "Stake", exact: true }).click();
    await signTransaction(page);
    await node.locator(".figure", { hasText: "1.00" }).first().waitFor();
    await node.getByRole("button", { name: "Ask stake back" }).click();
    await signTransaction(page);
    await node.getByText("1.00 USDC of stake can leave in").waitFor();
    await accessible(page);
    await picture(page, "console-operator");
    await page.close();
  });

  test("the demo wallet opens a key file, on a local chain only, and says what it is", {
    timeout: 60_000,
  }, async () => {
    const page = await visit("/console");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("button", { name: "Connect a wallet" }).click();
    await page.getByText("local chain only").waitFor();
    const chooser = page.getByLabel("Open a key file");
    await chooser.setInputFiles({
      name: "wrong.json",
      mimeType: "application/json",
      buffer: Buffer.from("[1,2,3]"),
    });
    await page.getByRole("alert").getByText("That is no key file").waitFor();
    await chooser.setInputFiles(setting.stage.ready.wallet);
    await page.locator(".wallet-line", { hasText: "Demo wallet" }).waitFor();
    const withdraw = page.locator(".card", { has: page.getByRole("heading", { name: "Withdraw" }) });
    await withdraw.getByLabel("Amount").fill("0.25");
    await withdraw.getByRole("button", { name: "Withdraw" }).click();
    await page.getByText("The simulation succeeded").waitFor();
    await page.getByRole("button", { name: "Sign with Demo wallet" }).click();
    await page.getByText("Confirmed by the cluster").waitFor();
    assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }).includes("Demo")), false);
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
    await page.route(setting.stage.ready.rpc_url, async (route) => {
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
    const before = setting.wallet.signed;
    const deposit = page.locator(".card", {
      has: page.getByRole("heading", { name: "Deposit", exact: true }),
    });
    await deposit.getByLabel("Amount").fill("999999999");
    await deposit.getByText("At most").waitFor();
    assert.ok(await deposit.getByRole("button", { name: "Deposit", exact: true }).isDisabled());
    assert.equal(setting.wallet.signed, before);
    await page.close();
  });
});
