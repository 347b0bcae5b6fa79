/** How soon pages are there, as a browser without anything kept measures them, from the coordinator itself. */
import { setting } from "./setting.mjs";

const watch = () => {
  globalThis.__seen = { largestPaint: 0, shift: 0 };
  const observe = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  observe("largest-contentful-paint", (entry) => {
    globalThis.__seen.largestPaint = Math.round(entry.startTime);
  });
  observe("layout-shift", (entry) => {
    if (!entry.hadRecentInput) globalThis.__seen.shift += entry.value;
  });
};

const read = () => {
  const [navigation] = performance.getEntriesByType("navigation");
  const loaded = [navigation, ...performance.getEntriesByType("resource")].filter(
    ({ name }) => !/\/v1\//.test(name),
  );
  const { largestPaint, shift } = globalThis.__seen;
  return {
    firstByte: Math.round(navigation.responseStart),
    firstPaint: Math.round(performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0),
    largestPaint,
    shift: Math.round(shift * 1000) / 1000,
    files: loaded.length,
    bytes: loaded.reduce((sum, entry) => sum + entry.encodedBodySize, 0),
  };
};

/** By page: times in milliseconds, layout shift, and what the application itself loads, packed. */
export async function figures() {
  const { stage, served } = setting;
  const pages = {
    front: ["/", (page) => page.getByText("Log grew from").first()],
    receipt: [`/receipts/${served.id}`, (page) => page.getByRole("button", { name: "Verify this receipt" })],
    console: ["/console", (page) => page.getByRole("button", { name: "Connect a wallet" })],
    chat: ["/chat", (page) => page.getByRole("heading", { name: "Ask the network." })],
  };
  const found = {};
  for (const [name, [path, ready]] of Object.entries(pages)) {
    const context = await stage.device();
    const page = await context.newPage();
    await page.addInitScript(watch);
    await page.goto(new URL(path, stage.ready.explorer_url).href);
    await ready(page).waitFor();
    await page.waitForLoadState("networkidle").catch(() => undefined);
    found[name] = await page.evaluate(read);
    await context.close();
  }
  return found;
}
