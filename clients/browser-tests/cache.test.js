// Chromium's HTTP cache sends one request for a URL at a time. Others for the same URL wait until the head of the
// response shows that it cannot be stored, for at most 20 seconds. A held poll has no head yet.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { testbed } from "./support/bed.js";
import { launchBrowser } from "./support/browser.js";
import { openEventSource } from "./support/event-source.js";
import { openFeed } from "./support/feed.js";
import { inTime } from "./support/patience.js";
import { testPage } from "./support/test-page.js";

/** Less than the time for which Chromium delays a request, in milliseconds. */
const UNSTALLED = 15_000;

let browser;
let pages;
before(async () => {
  [browser, pages] = await Promise.all([launchBrowser(), testPage()]);
});
after(() => browser.close());

test("one page may fetch the same event stream any number of times", async (t) => {
  const { proxy, page } = await testbed(t, browser);
  for (let stream = 1; stream <= 3; stream++) await openStream(page);
  await openEventSource(page, "/topics/news").then((source) => source.opened());
  assert.equal(proxy.held("sse"), 4);
});

test("two tabs may fetch the same event stream, with and without EventSource", async (t) => {
  const { proxy, tabs } = await twoTabs(t);
  for (const tab of tabs) await openStream(tab);
  for (const tab of tabs) await openEventSource(tab, "/topics/news").then((source) => source.opened());
  assert.equal(proxy.held("sse"), 4);
});

test("plain polls of two tabs for one URL do not wait for each other if they are no-store", async (t) => {
  const { hub, proxy, tabs } = await twoTabs(t);
  const url = `/topics/news?after=${await hub.publish("news", "0")}&wait=60`;
  const answers = tabs.map((tab) =>
    tab.evaluate(async (url) => (await fetch(url, { cache: "no-store" })).json(), url),
  );
  await held(proxy, "long-polling", tabs.length);
  await hub.publish("news", "1");
  for (const answer of await Promise.all(answers)) assert.equal(answer.notifications[0].data, "1");
});

for (const transport of ["sse", "long-polling"]) {
  test(`feeds of one topic in two tabs do not wait for each other, by ${transport}`, async (t) => {
    const { hub, proxy, tabs } = await twoTabs(t);
    const after = await hub.publish("news", "0");
    const open = (tab) => openFeed(tab, "/topics/news", { transports: [transport], after });
    const feeds = await Promise.all([...tabs, ...tabs].map(open));
    for (const feed of feeds) await feed.open(transport);
    await held(proxy, transport, feeds.length);
    await hub.publish("news", "1");
    for (const feed of feeds) assert.deepEqual(await feed.log(1), ["1"]);
  });
}

async function twoTabs(t) {
  const { page, ...bed } = await testbed(t, browser, { pages });
  const other = await page.context().newPage();
  await other.goto(page.url());
  return { tabs: [page, other], ...bed };
}

/** Fetches an event stream with the default cache mode. Resolves when its head has arrived. */
function openStream(page) {
  return unstalled(
    page.evaluate(async () => {
      // Keeps a reference, because the browser may close a response without one.
      (window.streams ??= []).push(await fetch("/topics/news?transport=sse"));
    }),
  );
}

/** Waits until this number of requests of a transport are open at the same time. */
function held(proxy, transport, count) {
  const waiting = async () => {
    while (proxy.held(transport) < count) await proxy.requested(() => true, proxy.requests.length);
  };
  return unstalled(waiting());
}

function unstalled(promise) {
  return inTime(promise, "a request that waits for no other one", UNSTALLED);
}
