// The transport that a feed uses behind a faulty proxy. On the way there and back, nothing is lost, duplicated or
// reordered.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { testbed } from "./support/bed.js";
import { NETWORK, launchBrowser } from "./support/browser.js";
import { openFeed } from "./support/feed.js";
import { PATIENCE } from "./support/patience.js";
import { testPage } from "./support/test-page.js";
import * as ways from "./support/ways.js";

const FEED = { after: "earliest", openTimeout: PATIENCE, betterAfter: 1_000 };
/** The `openTimeout` for faults that a feed only finds by waiting. A slow machine may need this long for an opening. */
const IMPATIENT = { ...FEED, openTimeout: 3_000 };

const swallows = ways.silentAfter(0);

/** The fault of the proxy, its ways, the affected transports, and the transport that the feed then uses. */
const FALLBACKS = [
  ["rejects upgrades", ways.rejectsUpgrades, ["websocket"], "sse"],
  ["strips the headers of an upgrade", ways.stripsUpgrades, ["websocket"], "sse"],
  ["answers WebSocket and SSE with 502", ways.badGateway, ["websocket", "sse"], "long-polling"],
  ["opens a WebSocket and drops everything", swallows, ["websocket"], "sse"],
  ["opens WebSocket and SSE and drops everything", swallows, ["websocket", "sse"], "long-polling"],
  ["drops everything after the first frame", ways.silentAfter(1), ["websocket"], "sse"],
  ["cuts a WebSocket after its first frame", ways.dropsAfterFirstFrame, ["websocket"], "sse"],
  ["cuts WebSocket and SSE after the first frame", ways.dropsAfterFirstFrame, ["websocket", "sse"], "long-polling"],
  ["cuts a WebSocket in the middle of a frame", ways.dropsMidFrame, ["websocket"], "sse"],
];

let browser;
let pages;
before(async () => {
  [browser, pages] = await Promise.all([launchBrowser(), testPage()]);
});
after(() => browser.close());

describe("a feed finds the transport that works, and returns to WebSocket", { concurrency: 4 }, () => {
  for (const [fault, way, transports, expected] of FALLBACKS) {
    test(`behind a proxy that ${fault}, a feed uses ${expected}`, async (t) => {
      const options = way === swallows ? IMPATIENT : FEED;
      await fallsBack(t, (proxy) => proxy.misbehave(way, transports), expected, options);
    });
  }

  test("behind a proxy that rejects upgrades and buffers streams, a feed uses long-polling", async (t) => {
    const misbehave = (proxy) => {
      proxy.misbehave(ways.rejectsUpgrades, ["websocket"]);
      proxy.misbehave(ways.buffers, ["sse", "long-polling"]);
    };
    await fallsBack(t, misbehave, "long-polling", IMPATIENT);
  });

  test("behind a proxy that cuts idle connections after two seconds, nothing of a quiet topic is lost", async (t) => {
    const { hub, proxy, page } = await bed(t);
    proxy.misbehave(ways.cutsIdle(2_000), ["websocket", "sse", "long-polling"]);
    const feed = await openFeed(page, "/topics/quiet", FEED);
    for (let n = 1; n <= 4; n++) {
      const requests = proxy.requests.length;
      await hub.publish("quiet", String(n));
      await feed.log(n);
      await proxy.requested(() => true, requests);
    }
    assert.deepEqual(await feed.log(4), ["1", "2", "3", "4"]);
  });

  test("behind a proxy that cuts idle connections after two seconds, polls become shorter", async (t) => {
    const { hub, proxy, page } = await bed(t);
    proxy.misbehave(ways.cutsIdle(2_000), ["long-polling"]);
    const feed = await openFeed(page, "/topics/quiet", { ...FEED, transports: ["long-polling"] });
    const { url } = await proxy.requested(({ url }) => url.searchParams.get("wait") === "1");
    assert.equal(url.pathname, "/topics/quiet");
    await hub.publish("quiet", "1");
    assert.deepEqual(await feed.log(1), ["1"]);
  });

  test("the next feed of a page begins with the transport that has worked", async (t) => {
    const { proxy, page } = await bed(t);
    proxy.misbehave(ways.rejectsUpgrades, ["websocket"]);
    const options = { ...FEED, betterAfter: 60_000 };
    await (await openFeed(page, "/topics/first", options)).open("sse");
    await page.reload();
    await (await openFeed(page, "/topics/second", options)).open("sse");
    const asked = (topic) =>
      proxy.requests.filter(({ url }) => url.pathname.endsWith(topic)).map(({ transport }) => transport);
    assert.deepEqual(asked("first"), ["websocket", "sse"]);
    assert.deepEqual(asked("second"), ["sse"]);
  });
});

/** Checks a feed behind a proxy that is first faulty and then works, while numbers are published. */
async function fallsBack(t, misbehave, expected, options) {
  const { hub, proxy, page } = await bed(t, "--heartbeat", "1");
  misbehave(proxy);
  const numbers = hub.publishNumbers("numbers");
  const feed = await openFeed(page, "/topics/numbers", options);
  await feed.open(expected);
  await feed.log(50);

  proxy.behave();
  await proxy.requested(({ transport }) => transport === "websocket", proxy.requests.length);
  await feed.open("websocket");
  const count = await numbers.stop();
  const log = await feed.log(count);
  assert.deepEqual(log, Array.from({ length: count }, (_, n) => String(n + 1)));
}

function bed(t, ...options) {
  return testbed(t, browser, { options, pages, expected: [NETWORK] });
}
