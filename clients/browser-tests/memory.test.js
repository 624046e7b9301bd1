// The page keeps the latencies of a minute and a table of fixed size, and nothing that grows with the number of
// messages.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser } from "./support/browser.js";
import { NO_LOSSES, livePage } from "./support/live-page.js";
import { PATIENCE } from "./support/patience.js";

const WARM = 20_000;
const ALL = 100_000;
/** How many notifications are published at once. The server retains more, so a slow reader gets no gap. */
const STEP = 10_000;
/** Less than three bytes for each notification on each of three transports. */
const BOUND = 500_000;
/** On a busy machine, some unused memory is only freed by a later collection. */
const COLLECT_EVERY = 1000;

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

test("the memory in use after 100,000 notifications is the same as after 20,000", async (t) => {
  const { hub, page, each } = await livePage(t, browser, { topic: "news" });
  const session = await page.context().newCDPSession(page);
  await each((card) => card.state("open"));

  const publishUpTo = async (from, to) => {
    for (let count = from + STEP; count <= to; count += STEP) {
      await hub.publishMany("news", STEP);
      await each((card) => card.reaches("messages", count));
    }
  };
  const inUse = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  await publishUpTo(0, WARM);
  const warm = await inUse();
  await publishUpTo(WARM, ALL);
  let all = await inUse();
  for (const end = Date.now() + PATIENCE; all - warm >= BOUND && Date.now() < end; all = await inUse()) {
    await page.waitForTimeout(COLLECT_EVERY);
  }
  t.diagnostic(`${warm} bytes after ${WARM}, ${all} after ${ALL}`);
  assert.ok(all - warm < BOUND, `${all - warm} bytes more`);
  await each(async (card) => {
    assert.equal(await card.number("messages"), ALL);
    assert.deepEqual(await card.losses(), NO_LOSSES);
  });
});
