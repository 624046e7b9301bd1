// Which transport a feed ends up with behind a proxy that misbehaves, and that nothing is lost, told twice or told out
// of order on the way there and back.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { testbed } from "./support/bed.js";
import { NETWORK, launchBrowser } from "./support/browser.js";
import { openFeed } from "./support/feed.js";
import { PATIENCE } from "./support/patience.js";
import { testPage } from "./support/test-page.js";
import * as ways from "./support/ways.js";

const FEED = { after: "earliest", openTimeout: PATIENCE, betterAfter: 1_000 };
/** For what opens and stays silent, where the feed has to wait this long; a slow machine may need it to open at all. */
const IMPATIENT = { ...FEED, openTimeout: 3_000 };

const swallows = ways.silentAfter(0);

/** What the proxy does, by which ways, toward which transports, and what the feed has then. */
const FALLBACKS = [
  ["refuses upgrades", ways.refusesUpgrades, ["websocket"], "sse"],
  ["strips the headers of an upgrade", ways.stripsUpgrades, ["websocket"], "sse"],
  ["answers WebSocket and SSE with 502", ways.badGateway, ["websocket", "sse"], "long-polling"],
  ["opens a WebSocket and swallows everything", swallows, ["websocket"], "sse"],
  ["opens WebSocket and SSE and swallows everything", swallows, ["websocket", "sse"], "long-polling"],
  ["falls silent behind the first frame", ways.silentAfter(1), ["websocket"], "sse"],
  ["drops a WebSocket after its first frame", ways.dropsAfterFirstFrame, ["websocket"], "sse"],
  ["drops WebSocket and SSE after the first frame", ways.dropsAfterFirstFrame, ["websocket", "sse"], "long-polling"],
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
    test(`a proxy that ${fault} leaves ${expected}`, async (t) => {
      const options = way === swallows ? IMPATIENT : FEED;
      await fallsBack(t, (proxy) => proxy.misbehave(way, transports), expected, options);
    });
  }

  test("a proxy that refuses upgrades and buffers streams leaves long-polling", async (t) => {
    const misbehave = (proxy) => {
      proxy.misbehave(ways.refusesUpgrades, ["websocket"]);
      proxy.misbehave(ways.buffers, ["sse", "long-polling"]);
    };
    await fallsBack(t, misbehave, "long-polling", IMPATIENT);
  });

  test("a proxy that cuts what is idle for two seconds loses nothing of a quiet topic", async (t) => {
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

  test("a proxy that cuts what is idle for two seconds is asked for shorter polls", async (t) => {
    const { hub, proxy, page } = await bed(t);
    proxy.misbehave(ways.cutsIdle(2_000), ["long-polling"]);
    const feed = await openFeed(page, "/topics/quiet", { ...FEED, transports: ["long-polling"] });
    const { url } = await proxy.requested(({ url }) => url.searchParams.get("wait") === "1");
    assert.equal(url.pathname, "/topics/quiet");
    await hub.publish("quiet", "1");
    assert.deepEqual(await feed.log(1), ["1"]);
  });

  test("what worked is remembered: the page's next feed begins with it", async (t) => {
    const { proxy, page } = await bed(t);
    proxy.misbehave(ways.refusesUpgrades, ["websocket"]);
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

/** A feed behind a proxy that misbehaves and then behaves, while numbers are published. */
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
