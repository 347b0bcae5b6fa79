/** Takes pictures of pages: `node e2e/look.mjs NAME=>URL[=>BUTTON],… RPC [wide-light,narrow-dark]`, with a wallet from PINAIVU_WALLET. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { injectWallet } from "./wallet.mjs";

const [list, rpc, variants = "wide-light,narrow-dark"] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "pinaivu-look-"));
const browser = await chromium.launchPersistentContext(folder, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-background-networking"],
});
if (process.env.PINAIVU_WALLET)
  await injectWallet(browser, JSON.parse(await readFile(process.env.PINAIVU_WALLET, "utf8")));
const shots = process.env.PINAIVU_SHOTS ?? tmpdir();
for (const pair of list.split(",")) {
  const [name, url, click] = pair.split("=>");
  for (const variant of variants.split(",")) {
    const [width, scheme] = variant.split("-");
    const page = await browser.newPage();
    page.on("console", (message) => message.type() === "error" && console.log(name, message.text()));
    page.on("pageerror", (error) => console.log(name, "pageerror", error.message));
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize(width === "wide" ? { width: 1280, height: 860 } : { width: 390, height: 820 });
    await page.addInitScript((value) => {
      localStorage.setItem("pinaivu.rpc", value);
      localStorage.setItem("pinaivu.wallet", "Test Wallet");
    }, rpc);
    await page.goto(url);
    await page.waitForTimeout(1500);
    if (click) {
      await page.getByRole("button", { name: click }).first().click();
      await page.waitForTimeout(1500);
    }
    await page.screenshot({ path: join(shots, `${name}-${variant}.png`), fullPage: true });
    await page.close();
  }
}
await browser.close();
await rm(folder, { recursive: true });
