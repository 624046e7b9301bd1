// axe-core finds no serious or critical fault, in the light and the dark scheme and at the width of a phone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { launchBrowser, openPage } from "./support/browser.js";
import { livePage, secureLivePage } from "./support/live-page.js";

const REPORT = new URL("../../docs/comparison/report.html", import.meta.url);
const VIEWS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "on a phone": { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  "dark on a phone": { colorScheme: "dark", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

for (const [view, options] of Object.entries(VIEWS)) {
  test(`the live page, ${view}, has no serious fault when open, paused or offline`, async (t) => {
    const { page, cards, each } = await livePage(t, browser, { options: ["--demo"], ...options });
    await each((card) => card.reaches("messages", 1));
    await cards.sse.press("pause");
    await assertNoFault(page);
    await page.click('[data-action="offline"]');
    await each((card) => card.state("offline"));
    await assertNoFault(page);
    await assertNoSidewaysScroll(page);
  });

  test(`the report, ${view}, has no serious fault`, async (t) => {
    const page = await openPage(t, browser, REPORT.href, options);
    t.after(() => page.context().close());
    await assertNoFault(page);
    await assertNoSidewaysScroll(page);
  });
}

test("the longest topic does not make the page wider than a phone", async (t) => {
  const { page, each } = await livePage(t, browser, { topic: "t".repeat(255), ...VIEWS["on a phone"] });
  await each((card) => card.state("open"));
  await assertNoSidewaysScroll(page);
});

for (const view of ["light", "on a phone"]) {
  test(`the live page with four cards, ${view}, has no serious fault and fits`, async (t) => {
    const { page, each } = await secureLivePage(t, browser, { topic: "news", ...VIEWS[view] });
    await each((card) => card.state("open"));
    await assertNoFault(page);
    await assertNoSidewaysScroll(page);
  });
}

test("every button of the live page can be reached and pressed with the keyboard", async (t) => {
  const { page, cards, each } = await livePage(t, browser, { topic: "news" });
  await each((card) => card.state("open"));
  const reached = new Set();
  for (let tabs = 0; tabs < 30; tabs++) {
    await page.keyboard.press("Tab");
    const action = await page.evaluate(() => {
      const { dataset, id } = document.activeElement;
      const whose = document.activeElement.closest("section")?.dataset.transport ?? "all";
      return dataset.action ? `${whose} ${dataset.action}` : id;
    });
    if (action === "sse pause" && !reached.has(action)) await page.keyboard.press("Enter");
    reached.add(action);
  }
  const expected = ["publish", "flood", "offline"].map((action) => `all ${action}`);
  for (const transport of Object.keys(cards)) {
    for (const action of ["cut", "pause"]) expected.push(`${transport} ${action}`);
  }
  assert.deepEqual(expected.filter((action) => !reached.has(action)), []);
  await page.locator('[data-transport="sse"] [data-action="pause"]', { hasText: "Resume reader" }).waitFor();
});

async function assertNoFault(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run());
  const faults = violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`));
  assert.deepEqual(faults, []);
}

async function assertNoSidewaysScroll(page) {
  const { scrollWidth, clientWidth } = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { scrollWidth, clientWidth };
  });
  assert.ok(scrollWidth <= clientWidth, `${scrollWidth} wide on ${clientWidth}`);
}
