// Over HTTP/1.1 a browser opens at most six connections to one host, for all tabs together.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { testbed } from "./support/bed.js";
import { launchBrowser } from "./support/browser.js";
import { openEventSource } from "./support/event-source.js";
import { Card, TRANSPORTS, livePage } from "./support/live-page.js";

const LIMIT = 6;

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

test("of eight tabs with an EventSource, six are served, and another one when one of them is closed", async (t) => {
  const { proxy, page } = await testbed(t, browser);
  const tabs = [page];
  while (tabs.length < 8) tabs.push(await another(page));
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

test("three tabs of the live page use all six connections, and a fourth loads when one of them is closed", async (t) => {
  const { proxy, page } = await livePage(t, browser, { topic: "news" });
  const open = (tab) => Promise.all(TRANSPORTS.map((transport) => new Card(tab, transport).state("open")));
  const others = [await another(page), await another(page)];
  for (const tab of [page, ...others]) await open(tab);
  const fourth = another(page);
  assert.equal(proxy.held("sse", "long-polling"), LIMIT);
  await others[0].close();
  await open(await fourth);
});

/** Opens another tab with the same page. */
async function another(page) {
  const tab = await page.context().newPage();
  await tab.goto(page.url());
  return tab;
}
