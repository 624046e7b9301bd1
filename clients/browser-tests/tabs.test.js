// Six connections to one host is what a browser opens over HTTP/1.1, for all tabs together.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { testbed } from "./support/bed.js";
import { launchBrowser } from "./support/browser.js";
import { openEventSource } from "./support/event-source.js";
import { Card, NO_LOSSES, TRANSPORTS, livePage } from "./support/live-page.js";
import { until } from "./support/patience.js";

const TABS = 8;
const LIMIT = 6;
/** After so many milliseconds a card says that it waits. */
const SAYS_SO = 3_000;

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

test("of eight tabs with an EventSource each six are served, and the next when one of them is closed", async (t) => {
  const { proxy, page } = await testbed(t, browser);
  const tabs = [page, ...(await more(page))];
  const streams = [];
  for (const tab of tabs) {
    streams.push(await openEventSource(tab, "/topics/news"));
    if (streams.length <= LIMIT) await streams.at(-1).opened();
  }
  assert.equal(proxy.held("sse"), LIMIT);
  await streams[0].close();
  await Promise.any([streams[6].opened(), streams[7].opened()]);
  assert.equal(proxy.requests.length, LIMIT + 1);
});

test("eight tabs of the live page say that they wait for one of six connections, until enough are closed", async (t) => {
  const { hub, proxy, page } = await livePage(t, browser, { topic: "news" });
  const others = await more(page);
  const note = page.locator('main > [data-note="connections"]');

  await eachTab([page, ...others], async (tab) => {
    await new Card(tab, "websocket").state("open");
    await until(
      tab,
      (tabs) => document.querySelector('[data-value="facts"]').textContent.includes(`${tabs} tabs of this page`),
      TABS,
    );
  });
  const waiting = others[TABS - 2];
  await waiting.locator('main > [data-note="connections"]').waitFor();
  assert.match(await waiting.textContent('main > [data-note="connections"]'), /a browser opens six to one host/);
  assert.match(await new Card(waiting, "sse").note.textContent(), /It waits for one of the browser’s six connections/);
  assert.ok(proxy.held("sse", "long-polling") < LIMIT, "one is left for who wants to load something else");
  assert.equal(proxy.held("websocket"), TABS);

  await hub.publish("news", "to all");
  await eachTab([page, ...others], (tab) => new Card(tab, "websocket").says("last", "to all"));

  for (const tab of others.slice(1)) await tab.close();
  await note.waitFor({ state: "hidden" });
  await eachTab([page, others[0]], async (tab) => {
    for (const transport of TRANSPORTS) {
      const card = new Card(tab, transport);
      await card.state("open");
      assert.deepEqual(await card.losses(), NO_LOSSES);
    }
  });
});

test("a stream that waits for the other tabs can go ahead of them", async (t) => {
  const { page } = await livePage(t, browser, { topic: "news" });
  const others = await more(page);
  const card = new Card(others.at(-1), "sse");
  await card.note.waitFor();
  await card.press("insist");
  await card.state("open");
  await card.note.waitFor({ state: "hidden" });
});

test("one that went ahead of the other tabs stays there, poll for poll", async (t) => {
  const { hub, page } = await livePage(t, browser, { topic: "news" });
  const others = await more(page);
  const card = new Card(others.at(-1), "long-polling");
  await card.note.waitFor();
  await card.press("insist");
  for (let n = 1; n <= 5; n++) {
    await hub.publish("news", String(n));
    await card.says("last", String(n));
  }
  await others.at(-1).waitForTimeout(2 * SAYS_SO);
  assert.ok(await card.note.isHidden());
});

/** As many tabs of the same page as are missing to eight. */
async function more(page) {
  const tabs = [];
  while (tabs.length + 1 < TABS) {
    const tab = await page.context().newPage();
    await tab.goto(page.url());
    tabs.push(tab);
  }
  return tabs;
}

const eachTab = (tabs, act) => Promise.all(tabs.map(act));
