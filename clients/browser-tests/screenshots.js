// Writes docs/images: the live page and the report of `tidings compare`, as a light, a dark and a phone's screen.
// Run it with `cargo xtask screenshots`.

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "./support/browser.js";
import { startHub } from "./support/hub.js";
import { Card, TRANSPORTS } from "./support/live-page.js";

const DOCS = new URL("../../docs/", import.meta.url);
const WIDE = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const VIEWS = {
  light: { ...WIDE, colorScheme: "light" },
  dark: { ...WIDE, colorScheme: "dark" },
  phone: { ...PHONE, colorScheme: "light" },
};
/** Of the demo, one a second: enough for a plot to be one. */
const TICKS = 30;
/** What a wide image shows at most, in pixels: the report goes on for longer. */
const HEIGHT = 1_800;

const [hub, browser] = await Promise.all([startHub("--demo"), launchBrowser()]);
await mkdir(new URL("images/", DOCS), { recursive: true });
// One after the other: pages at work side by side would see each other in their latencies.
for (const view of Object.keys(VIEWS)) {
  await report(view);
  await livePage(view);
}
await browser.close();
await hub.close();

/** Somebody has published something and cut a stream, so that there is something to see. */
async function livePage(view) {
  const page = await open(view, hub.url);
  const cards = TRANSPORTS.map((transport) => new Card(page, transport));
  const [, sse] = cards;
  await sse.reaches("messages", TICKS / 2);
  await page.click('[data-action="publish"]');
  await sse.press("cut");
  for (const card of cards) await card.reaches("messages", TICKS);
  await save(page, `live-page-${view}`);
}

async function report(view) {
  const page = await open(view, new URL("comparison/report.html", DOCS).href);
  await save(page, `report-${view}`);
}

async function open(view, url) {
  const context = await browser.newContext(VIEWS[view]);
  context.setDefaultTimeout(2 * TICKS * 1_000);
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** What a phone shows at once, and of a wide page so much that it can be read in a document. */
async function save(page, name) {
  const path = fileURLToPath(new URL(`images/${name}.png`, DOCS));
  await page.mouse.move(0, 0);
  await page.evaluate(() => {
    document.activeElement.blur();
    scrollTo(0, 0);
  });
  const { width } = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const isPhone = width === PHONE.viewport.width;
  const shown = isPhone ? {} : { fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(height, HEIGHT) } };
  await page.screenshot({ path, ...shown });
  await page.context().close();
}
