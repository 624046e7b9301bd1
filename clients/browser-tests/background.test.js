// A page that is in the background for a minute and then visible again. Only these tests wait for a fixed time.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launchBrowser } from "./support/browser.js";
import { startHub } from "./support/hub.js";
import { NO_LOSSES } from "./support/live-page.js";
import { openTabs } from "./support/tabs.js";

const MINUTE = 60_000;

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

describe("a page that was in the background for a minute has caught up and lost nothing", { concurrency: true }, () => {
  test("hidden by another tab", async (t) => {
    await away(t, async (page) => {
      await sleep(MINUTE);
      assert.equal(await page.evaluate(() => document.visibilityState), "hidden");
    });
  });

  test("hidden and frozen, as browsers do to save energy", async (t) => {
    await away(t, async (page) => {
      await page.evaluate(() => document.addEventListener("freeze", () => (window.wasFrozen = true)));
      await page.freeze();
      await sleep(MINUTE);
      await page.thaw();
      assert.equal(await page.evaluate(() => window.wasFrozen), true);
    });
  });
});

async function away(t, absence) {
  const hub = await startHub("--heartbeat", "5");
  t.after(() => hub.close());
  const tabs = await openTabs(browser);
  const page = await tabs.open(`${hub.url}/?topic=numbers`);
  const other = await tabs.open("about:blank");
  await page.front();
  await page.until(() => document.querySelectorAll('section[data-state="open"]').length === 3);

  const numbers = hub.publishNumbers("numbers", 200);
  await other.front();
  await absence(page);
  const count = await numbers.stop();
  await page.front();
  await page.until((count) => {
    const figures = [...document.querySelectorAll('.card [data-value="messages"]')];
    return figures.every((figure) => Number(figure.value) === count);
  }, count);
  const losses = await page.evaluate((names) => {
    const cards = [...document.querySelectorAll("section[data-transport]")];
    const figure = (card, name) => Number(card.querySelector(`[data-value="${name}"]`).value);
    return cards.map((card) => Object.fromEntries(names.map((name) => [name, figure(card, name)])));
  }, Object.keys(NO_LOSSES));
  assert.deepEqual(losses, [NO_LOSSES, NO_LOSSES, NO_LOSSES]);
  assert.deepEqual(page.faults, []);
}
