/** What all journeys share: the network, a wallet, two answers that were served, and how pages are visited. */
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { ask, open } from "./stage.mjs";
import { injectWallet } from "./wallet.mjs";

/** Pictures are kept when somebody asks for them. */
export const shots = process.env.PINAIVU_SHOTS ?? join(tmpdir(), "pinaivu-shots");
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Filled before the first journey. */
export const setting = { stage: null, wallet: null, served: null };

/** Begins the setting, and ends it with the last journey. */
export function begin() {
  before(
    async () => {
      await mkdir(shots, { recursive: true });
      setting.stage = await open();
      const { ready, context } = setting.stage;
      setting.wallet = await injectWallet(context, JSON.parse(await readFile(ready.wallet, "utf8")));
      // Looking for facts asks the model once more; journeys that are not about it go without.
      await context.addInitScript(() => {
        if (!localStorage.getItem("pinaivu.chat.learn")) localStorage.setItem("pinaivu.chat.learn", "off");
        // As after an earlier visit, so that no journey needs another one before it.
        if (!localStorage.getItem("pinaivu.wallet")) localStorage.setItem("pinaivu.wallet", "Test Wallet");
      });
      setting.served = await ask(ready, "Say hello to the auditors.");
      await ask(ready, "And once more.");
    },
    { timeout: 400_000 },
  );
  after(async () => setting.stage?.close(), { timeout: 60_000 });
}

export async function visit(path, { narrow = false, dark = false, context = setting.stage.context } = {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  if (narrow) await page.setViewportSize({ width: 390, height: 820 });
  await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
  await page.goto(setting.stage.web.url + path);
  return page;
}

export async function picture(page, name) {
  if (process.env.PINAIVU_SHOTS) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

/** Nothing that axe objects to, in what is on the page now. */
export async function accessible(page) {
  await page.locator("h1").first().waitFor({ state: "attached" });
  // Colours are compared as they are, not while something fades in.
  await page.waitForFunction(() =>
    document
      .getAnimations()
      .every(
        (one) =>
          one.playState !== "running" || one.effect?.getTiming().iterations === Number.POSITIVE_INFINITY,
      ),
  );
  const violations = await page.evaluate(
    `(async () => { ${axe}; const found = await axe.run(document, { resultTypes: ["violations"] }); return found.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.target.join(" ") + " " + (n.failureSummary ?? "")).slice(0, 3).join(" | ")); })()`,
  );
  assert.deepEqual(violations, []);
}

export const verdict = (page, name) =>
  page.locator(".check", { has: page.locator(".check-name", { hasText: name }) }).first();

/** Runs `doing` while the coordinator behaves as `changes` say, and then as before. */
export async function misbehaving(changes, doing) {
  const { control } = setting.stage.web;
  const before = Object.fromEntries(Object.keys(changes).map((name) => [name, control[name]]));
  Object.assign(control, changes);
  try {
    return await doing();
  } finally {
    Object.assign(control, before);
  }
}

/** A streamed answer with this text. */
export const streamed = (content) => ({
  type: "text/event-stream",
  body: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\ndata: [DONE]\n\n`,
});
export const json = (value) => ({ type: "application/json", body: JSON.stringify(value) });

/** Asks for something until it is so; journeys have no other clock than the network's own. */
export async function until(what, limit = 30_000) {
  for (const ends = Date.now() + limit; ; ) {
    const found = await what();
    if (found) return found;
    if (Date.now() > ends) throw new Error("it did not become so in time");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Signs what the dialog shows, and waits until the cluster has confirmed it. */
export async function signTransaction(page) {
  await page.getByText("The simulation succeeded").waitFor();
  await page.getByRole("button", { name: "Sign with Test Wallet" }).click();
  await page.getByText("Confirmed by the cluster").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
}

/** The chat with a key in it. */
export async function chatWithKey(options = {}) {
  const page = await visit("/chat", options);
  await page.getByRole("button", { name: "Add a key", exact: true }).click();
  await page.getByLabel("API key").fill(setting.stage.ready.api_key);
  await page.getByRole("button", { name: "Use this key" }).click();
  return page;
}

export async function askInChat(page, text) {
  await page.locator(".composer textarea").fill(text);
  await page.keyboard.press("Enter");
}

export const answered = (page) => page.locator('.answer[aria-busy="false"]').last();

export async function unlock(page) {
  await page.getByRole("button", { name: "Unlock history" }).click();
  await page.getByText("kept encrypted").waitFor();
}
