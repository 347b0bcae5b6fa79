/** Journeys of a person who runs a node: from its key to the money it earned. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, describe, test } from "node:test";
import { ANSWER, nodesOnChain, runNode, SCRIPTED, THOUGHT, walletTokens } from "./node.mjs";
import {
  accessible,
  answered,
  askInChat,
  chatWithKey,
  picture,
  setting,
  signTransaction,
  until,
  visit,
} from "./setting.mjs";
import { ask } from "./stage.mjs";

const STAKE = 10_000_000n;
const USDC = 1_000_000n;

describe("operator", () => {
  let running = null;
  let stop = async () => undefined;
  after(() => stop());

  const operatorTab = async () => {
    const page = await visit("/console");
    await page.getByRole("tab", { name: "Operator" }).click();
    await page.getByRole("button", { name: "Make a hot key" }).waitFor();
    return page;
  };
  const cardOf = (page, id) =>
    page.locator(".card", { hasText: "To claim" }).filter({ has: page.locator(`a[href="/nodes/${id}"]`) });
  const tokens = () => walletTokens(setting.stage, setting.wallet.address);

  /** Registers and stakes a node in the browser, and starts it. Once for all journeys here. */
  const node = () => {
    running ??= (async () => {
      const known = new Set(nodesOnChain(setting.stage).map(({ id }) => id));
      const page = await operatorTab();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Make a hot key" }).click(),
      ]);
      const keyFile = await readFile(await download.path(), "utf8");
      await page.getByRole("button", { name: "Register the node" }).click();
      await page.getByText("is registered with your wallet as its operator").waitFor();
      await signTransaction(page);
      const registered = nodesOnChain(setting.stage).filter(({ id }) => !known.has(id));
      assert.equal(registered.length, 1);
      const [{ id, operator, payout_owner, stake }] = registered;
      assert.deepEqual(
        [operator, payout_owner, BigInt(stake)],
        [setting.wallet.address, setting.wallet.address, 0n],
      );
      const card = cardOf(page, id);
      await card.getByText("stake too low").waitFor();
      const before = await tokens();
      await card.getByLabel("Amount").fill("10");
      await card.getByRole("button", { name: "Stake", exact: true }).click();
      await page.getByText("move from your wallet to the stake of node").waitFor();
      await signTransaction(page);
      assert.equal(await tokens(), before - STAKE);
      assert.equal(BigInt(nodesOnChain(setting.stage, id)[0].stake), STAKE);
      await card.getByText("stake is enough").waitFor();
      const started = await runNode(setting.stage, id, keyFile);
      stop = started.stop;
      await card.getByText("connected", { exact: true }).waitFor({ timeout: 30_000 });
      await page.close();
      const offered = () => fetch(`${setting.stage.ready.base_url}/models`).then((models) => models.text());
      await until(async () => (await offered()).includes(SCRIPTED));
      return { id, backend: started.backend };
    })();
    return running;
  };

  test("what a model thinks is folded away, opened by keyboard, and is no part of its answer", {
    timeout: 120_000,
  }, async () => {
    const { backend } = await node();
    const chat = await chatWithKey();
    await chat.getByRole("button", { name: "Model:" }).click();
    await chat.getByRole("menuitemradio", { name: SCRIPTED }).click();
    let go = () => undefined;
    backend.gate = new Promise((resolve) => {
      go = resolve;
    });
    try {
      await askInChat(chat, "What is two and two?");
      const summary = chat.locator(".reasoning summary");
      await summary.getByText("Thinking").waitFor();
      await accessible(chat);
      assert.equal(await chat.getByText(THOUGHT).isVisible(), false);
      assert.equal(await chat.locator(".answer .markdown").count(), 0);
      go();
      await answered(chat).waitFor();
      await summary.getByText("Reasoning").waitFor();
      assert.equal(await chat.getByText(THOUGHT).isVisible(), false);
      assert.equal(await chat.locator(".answer .markdown").textContent(), ANSWER);
      // The receipt commits to both, and holds.
      await chat.locator(".receipt-badge", { hasText: "verified" }).waitFor();
      await summary.focus();
      await chat.keyboard.press("Enter");
      await chat.getByText(THOUGHT).waitFor();
      await accessible(chat);
      await picture(chat, "chat-reasoning");
      await chat.keyboard.press("Enter");
      await chat.getByText(THOUGHT).waitFor({ state: "hidden" });
      await askInChat(chat, "And three and three?");
      await chat.locator(".answer").nth(1).waitFor();
      await answered(chat).waitFor();
      await until(() => backend.asked.length === 2);
      assert.deepEqual(
        backend.asked[1].messages.map(({ role, content }) => [role, content]),
        [
          ["user", "What is two and two?"],
          ["assistant", ANSWER],
          ["user", "And three and three?"],
        ],
      );
    } finally {
      go();
    }
    await chat.close();
  });

  test("what a node earned is claimed by its operator's wallet, to the last millionth", {
    timeout: 120_000,
  }, async () => {
    const { id } = await node();
    await ask({ ...setting.stage.ready, model: SCRIPTED }, "What is two and two?", { stream: true });
    /** What its receipts leave to the node, rounded down as the program credits it. */
    const earned = async () => {
      const answer = await fetch(`${setting.stage.ready.base_url}/receipts?node=${id}&limit=100`);
      const { data } = await answer.json();
      const shares = data.map(({ amount, fee }) => BigInt(amount) - BigInt(fee));
      return shares.reduce((sum, share) => sum + share, 0n) / 1_000_000n;
    };
    const payout = () => nodesOnChain(setting.stage, id)[0].payouts[0];
    // Receipts come after the last byte, credits with the settlement after that.
    await until(async () => (await earned()) > 0n && BigInt(payout()?.credited ?? 0) === (await earned()));
    const due = BigInt(payout().claimable);
    assert.equal(due, await earned());
    const shown = `${due / USDC}.${(due % USDC)
      .toString()
      .padStart(6, "0")
      .replace(/0{1,4}$/, "")}`;

    const page = await operatorTab();
    const card = cardOf(page, id);
    const figure = (name, value) =>
      card.locator(".figure").filter({ hasText: name }).filter({ hasText: value }).waitFor();
    await figure("Earned", shown);
    await figure("To claim", shown);
    await card.getByText(/the last (hour|\d+ hours)/).waitFor();
    await card.getByText(/^0 of \d+ requests/).waitFor();
    await card.getByText(`${shown} USDC can be claimed`).waitFor();
    await accessible(page);
    await picture(page, "console-operator-earned");
    const before = await tokens();
    await card.getByRole("button", { name: `Claim ${shown} USDC` }).click();
    await page.getByText(`${shown} USDC that node`).waitFor();
    // A person may think better of it.
    setting.wallet.refuse = true;
    try {
      await page.getByText("The simulation succeeded").waitFor();
      await page.getByRole("button", { name: "Sign with Test Wallet" }).click();
      await page.getByText("The wallet did not sign").waitFor();
    } finally {
      setting.wallet.refuse = false;
    }
    assert.equal(await tokens(), before);
    await page.getByRole("button", { name: "Try again" }).click();
    await signTransaction(page);
    assert.equal(await tokens(), before + due);
    assert.deepEqual([BigInt(payout().paid), BigInt(payout().claimable)], [due, 0n]);
    await figure("To claim", "0.00");
    assert.equal(await card.getByRole("button", { name: "Claim" }).count(), 0);
    await page.close();
  });

  test("stake that was asked back leaves after its delay, and not before", {
    timeout: 120_000,
  }, async () => {
    const { id } = await node();
    const page = await operatorTab();
    const card = cardOf(page, id);
    await card.getByLabel("Amount").fill("11");
    assert.ok(await card.getByRole("button", { name: "Ask stake back" }).isDisabled());
    await card.getByLabel("Amount").fill("2.5");
    const before = await tokens();
    await card.getByRole("button", { name: "Ask stake back" }).click();
    await signTransaction(page);
    await card.getByText("2.50 USDC of stake can leave in").waitFor();
    assert.ok(await card.getByRole("button", { name: "Take it out" }).isDisabled());
    const [waiting] = nodesOnChain(setting.stage, id);
    assert.deepEqual(
      [BigInt(waiting.stake), BigInt(waiting.unbonding.amount)],
      [STAKE - 2_500_000n, 2_500_000n],
    );
    assert.equal(await tokens(), before);
    await card.getByText("stake too low").waitFor();
    if (!process.env.PINAIVU_READY) {
      await card.getByText("2.50 USDC of stake can leave now").waitFor({ timeout: 60_000 });
      await card.getByRole("button", { name: "Take it out" }).click();
      await signTransaction(page);
      assert.equal(await tokens(), before + 2_500_000n);
      const [left] = nodesOnChain(setting.stage, id);
      assert.deepEqual([BigInt(left.stake), left.unbonding], [STAKE - 2_500_000n, null]);
      await card.getByText("of stake can leave").waitFor({ state: "detached" });
    }
    await page.close();
  });
});
