/**
 * `cargo xtask web-test --record`: pictures of the main pages, wide and narrow, light and dark, and the
 * figures, into docs/screenshots. Small enough to keep in the repository.
 */
import assert from "node:assert/strict";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { sizes } from "../scripts/size.mjs";
import { figures } from "./figures.mjs";
import { answered, askInChat, chatWithKey, setting, visit } from "./setting.mjs";
import { ask } from "./stage.mjs";

const folder = process.env.PINAIVU_RECORD;
/** All pictures together. */
const MOST = 2_000_000;

/** A WebP of what is in view, and below it to `height`. */
async function take(page, name, { width, height }) {
  await page.setViewportSize({ width, height });
  await page.waitForTimeout(400); // charts and fonts settle after a change of size
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 82 });
  await writeFile(join(folder, `${name}.webp`), Buffer.from(data, "base64"));
}

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };

describe("gallery", () => {
  test("the main pages are pictured, and their figures written down", { timeout: 400_000 }, async () => {
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) if (name.endsWith(".webp")) await rm(join(folder, name));
    const { ready } = setting.stage;
    let served = setting.served;
    for (const question of ["Name three rivers.", "What is a receipt?", "Why is the sky blue?"])
      served = await ask(ready, question, { max_tokens: 60 });
    const nodes = await (await fetch(`${ready.base_url}/nodes`)).json();
    const node = nodes.data.toSorted((a, b) => b.totals.requests - a.totals.requests)[0].node;

    const shot = async (name, path, prepare) => {
      for (const [variant, size, dark] of [
        ["wide-light", WIDE, false],
        ["narrow-dark", NARROW, true],
      ]) {
        const page = await visit(path, { dark });
        await page.setViewportSize(size);
        await prepare(page);
        await take(page, `${name}-${variant}`, size);
        await page.close();
      }
    };
    await shot("front", "/", (page) => page.getByText("Log grew from").first().waitFor());
    await shot("receipt", `/receipts/${served.id}`, async (page) => {
      await page.getByRole("button", { name: "Verify this receipt" }).click();
      await page.locator(".stamp").waitFor();
    });
    await shot("node", `/nodes/${node}`, (page) => page.getByText("Operator").first().waitFor());
    await shot("coordinator", "/coordinator", (page) => page.getByText("adds up").waitFor());
    const signatures = await fetch(ready.rpc_url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "getSignaturesForAddress",
        params: [ready.coordinator, { limit: 1 }],
      }),
    });
    const [{ signature }] = (await signatures.json()).result;
    await shot("settlement", `/transactions/${signature}`, (page) => page.getByText("What it did").waitFor());
    await shot("console", "/console", (page) => page.getByText("Free in escrow").waitFor());

    const chat = await chatWithKey();
    await askInChat(chat, "Write a haiku about a lighthouse, then a short table of three famous ones.");
    await answered(chat).waitFor();
    await chat.locator(".receipt-badge", { hasText: "verified" }).waitFor({ timeout: 60_000 });
    await take(chat, "chat-wide-light", WIDE);
    await chat.emulateMedia({ colorScheme: "dark" });
    await take(chat, "chat-wide-dark", WIDE);
    await take(chat, "chat-narrow-dark", NARROW);
    await chat.close();

    const files = (await readdir(folder)).filter((name) => name.endsWith(".webp")).sort();
    const weights = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
    const bytes = weights.reduce((sum, weight) => sum + weight, 0);
    assert.ok(bytes < MOST, `the pictures have ${bytes} bytes`);
    await writeFile(join(folder, "README.md"), words(files, await figures(), await sizes()));
  });
});

function words(files, measured, loaded) {
  const rows = Object.entries(measured).map(
    ([page, { firstByte, firstPaint, largestPaint, shift, files: count, bytes }]) =>
      `| ${page} | ${firstByte} | ${firstPaint} | ${largestPaint} | ${shift} | ${count} | ${(bytes / 1024).toFixed(0)} |`,
  );
  const weights = Object.entries(loaded).map(([page, bytes]) => `| ${page} | ${(bytes / 1024).toFixed(1)} |`);
  return `# What the web application looks like

Written by \`cargo xtask web-test --record\` from a real network on one machine; do not edit. Figures are of
headless Chromium with nothing kept from before, the files coming from the coordinator itself.

| page | first byte, ms | first paint, ms | largest paint, ms | layout shift | files | KiB, packed |
|---|---|---|---|---|---|---|
${rows.join("\n")}

Script and style of each page, gzipped; \`app/web/budget.json\` says how much it may be:

| page | KiB |
|---|---|
${weights.join("\n")}

${files.map((name) => `![${name.replace(".webp", "").replaceAll("-", " ")}](${name})`).join("\n")}
`;
}
