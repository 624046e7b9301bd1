// Writes docs/images: the live page and the report of `tidings compare` in a light, a dark and a phone view.
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
/** How many ticks of the demo a plot shows. There is one per second. */
const TICKS = 30;
/** The maximum height of a wide image in pixels. The report is longer. */
const HEIGHT = 1_800;

const [hub, browser] = await Promise.all([startHub("--demo"), launchBrowser()]);
await mkdir(new URL("images/", DOCS), { recursive: true });
// One page after another, because pages that run at the same time would increase each other's latencies.
for (const view of Object.keys(VIEWS)) {
  await report(view);
  await livePage(view);
}
await browser.close();
await hub.close();

/** Shows the live page after a publish and a cut. */
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

/** Saves the first screen of a phone, and as much of a wide page as can be read in a document. */
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
