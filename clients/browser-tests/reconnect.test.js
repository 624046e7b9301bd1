// The behaviour of a feed between two connections, and of a publish.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { testbed } from "./support/bed.js";
import { NETWORK, launchBrowser } from "./support/browser.js";
import { openFeed } from "./support/feed.js";
import { testPage } from "./support/test-page.js";
import * as ways from "./support/ways.js";

const ALL = ["websocket", "sse", "long-polling"];

let browser;
let pages;
before(async () => {
  [browser, pages] = await Promise.all([launchBrowser(), testPage()]);
});
after(() => browser.close());

describe("a feed reconnects at the right time", { concurrency: 4 }, () => {
  test("after a 503, a feed waits for the time in Retry-After", async (t) => {
    const { proxy, page } = await bed(t);
    proxy.misbehave(ways.answers(503, { "retry-after": "2" }), ["sse"], 1);
    const feed = await openFeed(page, "/topics/news", { transports: ["sse"] });
    await feed.open("sse");
    const [rejected, again] = proxy.requests;
    assert.ok(again.at - rejected.at >= 2_000, `${again.at - rejected.at} ms`);
  });

  for (const transports of [ALL, ["sse"], ["long-polling"]]) {
    test(`after a rejected token, a fresh one is requested and the feed opens by ${transports[0]}`, async (t) => {
      const { hub, proxy, page } = await bed(t);
      proxy.misbehave(ways.rejectsToken("old"), ALL);
      const feed = await openFeed(page, "/topics/news", { transports, tokens: ["old", "new", "never asked for"] });
      await feed.open(transports[0]);
      await hub.publish("news", "1");
      assert.deepEqual(await feed.log(1), ["1"]);
    });
  }

  test("a publish whose token is rejected is repeated with a fresh one", async (t) => {
    const { hub, proxy, page } = await bed(t);
    proxy.misbehave(ways.rejectsToken("old"), ["publish"]);
    const feed = await openFeed(page, "/topics/news", { tokens: ["old", "new", "never asked for"] });
    assert.deepEqual([await feed.publish("x")], await stored(hub, "news"));
  });

  test("a publish whose response is lost is repeated and stored once", async (t) => {
    const { hub, proxy, page } = await bed(t);
    proxy.misbehave(ways.losesAnswer, ["publish"], 1);
    const feed = await openFeed(page, "/topics/news");
    const id = await feed.publish("x");
    assert.deepEqual(await stored(hub, "news"), [id]);
    const attempts = proxy.requests.filter(({ transport }) => transport === "publish");
    assert.equal(attempts.length, 2);
    assert.equal(attempts[0].headers["idempotency-key"], attempts[1].headers["idempotency-key"]);
  });

  test("if feeds use all six connections, a publish uses that of its own feed", async (t) => {
    const { hub, proxy, page } = await bed(t);
    const feeds = [];
    for (let n = 1; n <= 6; n++) {
      feeds.push(await openFeed(page, "/topics/news", { transports: ["sse"] }));
      await feeds.at(-1).open("sse");
    }
    assert.equal(proxy.held("sse"), 6);
    const began = performance.now();
    const id = await feeds[5].publish("x");
    assert.ok(performance.now() - began < 10_000, "at the first attempt");
    assert.deepEqual(await stored(hub, "news"), [id]);
    for (const feed of feeds) assert.deepEqual(await feed.log(1), ["x"]);
    await feeds[5].open("sse");
  });

  test("a feed that waits reconnects when the page is online again", async (t) => {
    const { hub, proxy, page } = await bed(t);
    const feed = await openFeed(page, "/topics/news");
    await feed.open("websocket");
    await page.evaluate(() => {
      const minutes = 2;
      Math.random = () => 60 * minutes;
    });
    await page.context().setOffline(true);
    proxy.cut();
    await feed.waiting();
    await hub.publish("news", "meanwhile");
    await page.context().setOffline(false);
    assert.deepEqual(await feed.log(1), ["meanwhile"]);
  });

  for (const transport of ALL) {
    test(`a gap arrives by ${transport} before the notifications after it`, async (t) => {
      const { hub, proxy, page } = await bed(t, "--retain", "5");
      const feed = await openFeed(page, "/topics/%3E", { transports: [transport] });
      await feed.open(transport);
      const seen = await hub.publish("news", "0");
      await feed.log(1);
      proxy.misbehave(ways.badGateway, [transport]);
      proxy.cut();
      let resume;
      for (let n = 1; n <= 50; n++) {
        const id = await hub.publish("news", String(n));
        if (n === 45) resume = id;
      }
      proxy.behave();
      const gap = { after: seen, resume, missed: 45, reason: "evicted" };
      assert.deepEqual(await feed.log(7), ["0", { gap }, "46", "47", "48", "49", "50"]);
    });
  }
});

/** Returns the ids of all retained notifications of a topic. */
async function stored(hub, topic) {
  const answer = await fetch(`${hub.url}/topics/${topic}?after=earliest&wait=0`);
  return (await answer.json()).notifications.map(({ id }) => id);
}

function bed(t, ...options) {
  return testbed(t, browser, { options, pages, expected: [NETWORK] });
}
