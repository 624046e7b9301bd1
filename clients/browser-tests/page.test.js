// The live page as a user sees it, and its buttons.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { NETWORK, POLICY, launchBrowser } from "./support/browser.js";
import { NO_LOSSES, TRANSPORTS, livePage } from "./support/live-page.js";
import { PATIENCE } from "./support/patience.js";
import { output } from "./support/terminal.js";
import { badGateway, rejectsUpgrades, unplugged } from "./support/ways.js";

const TITLES = ["WebSocket", "SSE", "Long-polling"];

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

describe("the live page", { concurrency: 4 }, () => {
  test("it shows ticks on every transport, and all figures change", async (t) => {
    const { page, cards, each } = await livePage(t, browser, { options: ["--demo"] });
    await each(async (card) => {
      await card.state("open");
      await card.reaches("messages", 3);
      assert.match(await card.text("last"), /tick \d/);
      for (const figure of ["median", "slowest", "bytes-each", "requests", "bytes"]) {
        assert.ok((await card.number(figure)) > 0, `${figure} of ${card.transport}`);
      }
      assert.ok((await card.number("median")) < PATIENCE, "the latency is relative to the server's clock");
      assert.deepEqual(await card.losses(), NO_LOSSES);
    });
    assert.equal(await page.locator(".plot canvas").count(), TRANSPORTS.length);
    const requests = await Promise.all(TRANSPORTS.map((transport) => cards[transport].number("requests-each")));
    assert.deepEqual(requests.slice(0, 2), [0, 0]);
    assert.ok(requests[2] > 0 && requests[2] < 2, `${requests[2]} of long-polling`);
  });

  for (const transport of TRANSPORTS) {
    test(`after a cut, ${transport} reconnects and has lost nothing`, async (t) => {
      const { hub, page, cards, each } = await livePage(t, browser, { topic: "news", expected: [NETWORK] });
      await each((card) => card.state("open"));
      await hub.publish("news", "before");
      await each((card) => card.reaches("messages", 1));
      await cards[transport].press("cut");
      for (let n = 0; n < 20; n++) await hub.publish("news", `meanwhile ${n}`);
      await cards[transport].reaches("reconnects", 1);
      await each((card) => card.reaches("messages", 21));
      await each(async (card) => assert.deepEqual(await card.losses(), NO_LOSSES));
      await page.locator("[data-log] p", { hasText: /: back after / }).waitFor();
    });
  }

  test("after going offline and online by the button, nothing is lost", async (t) => {
    const { hub, page, each } = await livePage(t, browser, { topic: "news", expected: [NETWORK] });
    await each((card) => card.state("open"));
    await page.click('[data-action="offline"]');
    await each((card) => card.state("offline"));
    for (let n = 0; n < 20; n++) await hub.publish("news", `meanwhile ${n}`);
    await each(async (card) => assert.equal(await card.number("messages"), 0));
    await page.click('[data-action="offline"]');
    await each((card) => card.reaches("messages", 20));
    await each(async (card) => assert.deepEqual(await card.losses(), NO_LOSSES));
  });

  test("after the network was away, nothing is lost", async (t) => {
    const { hub, proxy, page, each } = await livePage(t, browser, { topic: "news", expected: [NETWORK] });
    await each((card) => card.state("open"));
    await page.context().setOffline(true);
    proxy.misbehave(unplugged, TRANSPORTS);
    proxy.cut();
    await each((card) => card.state("waiting"));
    for (let n = 0; n < 20; n++) await hub.publish("news", `meanwhile ${n}`);
    proxy.behave();
    await page.context().setOffline(false);
    await each((card) => card.reaches("messages", 20));
    await each(async (card) => assert.deepEqual(await card.losses(), NO_LOSSES));
  });

  test("if the server ends, the log and each card show the reason once, and a publish fails", async (t) => {
    const { hub, page, each } = await livePage(t, browser, { topic: "news", expected: [NETWORK] });
    await each((card) => card.state("open"));
    const heights = () => page.$$eval(".card", (all) => all.map((card) => card.offsetHeight));
    const before = await heights();
    await hub.close();
    await each((card) => card.away.filter({ hasText: /^Away: ./ }).waitFor());
    assert.deepEqual(await heights(), before, "no card changes its height");
    await page.click('[data-action="publish"]');
    await page.locator("[data-log] p", { hasText: "Not published, “hello”: the server does not respond" }).waitFor();
    for (const title of TITLES) {
      const lines = page.locator("[data-log] p", { hasText: `${title}: the server is going away, trying again` });
      assert.equal(await lines.count(), 1, title);
    }
  });

  test("if a proxy rejects upgrades, the WebSocket card shows a reason until it is open", async (t) => {
    const { proxy, page, cards } = await livePage(t, browser, { topic: "news", expected: [NETWORK] });
    proxy.misbehave(rejectsUpgrades, ["websocket"]);
    await page.reload();
    await cards.sse.state("open");
    await cards.websocket.away.filter({ hasText: "Away: closed with 1006" }).waitFor();
    proxy.behave();
    await cards.websocket.state("open");
    await cards.websocket.away.waitFor({ state: "hidden" });
  });

  test("after an outage longer than the server's retention, each card shows the gap and its size", async (t) => {
    const { hub, page, each } = await livePage(t, browser, { topic: "%3E", options: ["--retain", "5"] });
    await each((card) => card.state("open"));
    await page.click('[data-action="offline"]');
    for (let n = 0; n < 50; n++) await hub.publish("news", String(n));
    await page.click('[data-action="offline"]');
    await each((card) => card.reaches("messages", 5));
    await each(async (card) => {
      assert.deepEqual(await card.losses(), { gaps: 1, missed: 45, lost: 0, duplicated: 0 });
    });
  });

  test("a paused reader gives up its connection when its buffer is full, and resumes later", async (t) => {
    const { hub, cards, each } = await livePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    for (const transport of ["websocket", "long-polling"]) await cards[transport].press("pause");
    await hub.publishMany("news", 3_000);
    await cards.sse.reaches("messages", 3_000);
    for (const transport of ["websocket", "long-polling"]) {
      await cards[transport].state("paused");
      assert.ok((await cards[transport].number("requests-each")) < 0.1, "per message that arrived, not per message that was read");
      assert.ok((await cards[transport].number("bytes-each")) < 200);
      assert.ok((await cards[transport].number("messages")) <= 1);
      await cards[transport].press("pause");
    }
    await each((card) => card.reaches("messages", 3_000));
    await each(async (card) => assert.deepEqual(await card.losses(), NO_LOSSES));
  });

  test("latencies do not include the time in which the reader is paused", async (t) => {
    const { page, cards, each } = await livePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await cards.websocket.press("pause");
    for (let n = 1; n <= 3; n++) {
      await page.click('[data-action="publish"]');
      await cards.sse.reaches("messages", n);
    }
    // Longer than the latency on this machine, which the card of the other reader shows.
    const pause = 2_000 + 3 * (await cards.sse.number("slowest"));
    await page.waitForTimeout(pause);
    await cards.websocket.press("pause");
    await cards.websocket.reaches("messages", 3);
    assert.ok((await cards.websocket.number("slowest")) < pause);
  });

  test("a reconnect counts as one request, and a failed attempt does not count", async (t) => {
    const { hub, proxy, cards, each } = await livePage(t, browser, { topic: "news", expected: [NETWORK] });
    await each((card) => card.state("open"));
    proxy.misbehave(badGateway, ["sse"]);
    const before = proxy.requests.length;
    proxy.cut("sse");
    await proxy.requested(({ transport }) => transport === "sse", before);
    proxy.behave();
    await cards.sse.reaches("reconnects", 1);
    for (let n = 1; n <= 4; n++) await hub.publish("news", String(n));
    await cards.sse.reaches("messages", 4);
    assert.equal(await cards.sse.number("requests-each"), 1 / 4);
  });

  test("a published text appears on each card and in the log", async (t) => {
    const { page, each } = await livePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await page.fill("#text", "seven <b>teapots</b> 🫖");
    await page.press("#text", "Enter");
    await each((card) => card.says("last", "seven <b>teapots</b> 🫖"));
    await page.locator("[data-log] p", { hasText: "Published “seven <b>teapots</b> 🫖”" }).waitFor();
  });

  test("a flood arrives completely on each card", async (t) => {
    const { page, each } = await livePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await page.selectOption("#many", "100");
    await page.click('[data-action="flood"]');
    await each((card) => card.reaches("messages", 100));
    await each(async (card) => {
      assert.equal(await card.number("messages"), 100);
      assert.deepEqual(await card.losses(), NO_LOSSES);
    });
    await page.locator("[data-log] p", { hasText: /Flood: 100 of 100 published in / }).waitFor();
  });

  test("if a flood is stopped, the log shows how many were published, and another one can start", async (t) => {
    const { page, cards, each } = await livePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await page.selectOption("#many", "10000");
    await page.click('[data-action="flood"]');
    await cards.websocket.reaches("messages", 10);
    await page.click('[data-action="flood"]');
    await page.locator("[data-log] p", { hasText: /Flood: \d[\d,]* of 10,000 published in / }).waitFor();
    await page.locator('[data-action="flood"]', { hasText: "Flood" }).waitFor();
  });

  test("without JavaScript it shows that it needs JavaScript, and no controls", async (t) => {
    const { page } = await livePage(t, browser, { javaScriptEnabled: false });
    await page.locator("noscript p").waitFor();
    assert.equal(await page.locator("button:visible, input:visible, select:visible").count(), 0);
  });

  test("an invalid topic is rejected once with the server's message, and no stream is opened", async (t) => {
    const { proxy, page } = await livePage(t, browser, { topic: "a..b", expected: [NETWORK] });
    await page.getByRole("alert").filter({ hasText: /^This page cannot start: .*empty/ }).waitFor();
    for (const action of ["publish", "flood", "offline"]) assert.ok(await page.isDisabled(`[data-action="${action}"]`));
    assert.equal(await page.locator(".card").count(), 0);
    assert.equal(proxy.requests.length, 1);
  });

  test("if the topic is empty, the demo's is shown", async (t) => {
    const { cards } = await livePage(t, browser, { topic: "", options: ["--demo"] });
    await cards.websocket.says("last", "tick");
  });

  test("the command of each card shows the same stream in a terminal", async (t) => {
    const { hub, cards, each } = await livePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await hub.publish("news", "the first of all");
    await each((card) => card.reaches("messages", 1));
    for (const transport of TRANSPORTS) {
      const command = await cards[transport].text("command");
      const written = await output(t, command, "later", () => hub.publish("news", "later"));
      assert.ok(written.includes("later"), `${command}: ${written}`);
      assert.ok(!written.includes("the first of all"), `${command}: it starts at the current position`);
    }
  });

  test("its policy blocks scripts and requests that are not of the server", async (t) => {
    const { proxy, page } = await livePage(t, browser, { topic: "news", expected: [POLICY] });
    const { headers } = await fetch(proxy.url, { headers: { accept: "text/html" } });
    assert.match(headers.get("content-security-policy"), /^default-src 'none';/);
    const { inline, outside } = await page.evaluate(async () => {
      const violated = () =>
        new Promise((resolve) => addEventListener("securitypolicyviolation", resolve, { once: true }));
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      const byScript = violated();
      document.body.append(script);
      const inline = [(await byScript).effectiveDirective, window.ran];
      const byFetch = violated();
      await fetch("http://localhost:1/").catch(() => {});
      const outside = (await byFetch).effectiveDirective;
      return { inline, outside };
    });
    assert.deepEqual(inline, ["script-src-elem", undefined]);
    assert.equal(outside, "connect-src");
  });

  test("its script and style are cached for a year, and the page itself is revalidated", async (t) => {
    const { proxy, page } = await livePage(t, browser, { topic: "news" });
    const cached = (path) => fetch(proxy.url + path, { headers: { accept: "text/html" } });
    const assets = await page.$$eval("script[src], link[rel=stylesheet]", (all) => {
      return all.map((it) => new URL(it.src ?? it.href).pathname);
    });
    assert.equal(assets.length, 2);
    for (const path of assets) {
      assert.match(path, /^\/page\/[0-9a-f]+\.(js|css)$/);
      assert.match((await cached(path)).headers.get("cache-control"), /max-age=31536000.*immutable/);
    }
    assert.doesNotMatch((await cached("/")).headers.get("cache-control"), /max-age=[1-9]/);
  });
});
