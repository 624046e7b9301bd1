// A server with TLS: the live page and WebSockets over HTTP/2, and WebTransport.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { secureTestbed } from "./support/bed.js";
import { NETWORK, launchBrowser } from "./support/browser.js";
import { openEventSource } from "./support/event-source.js";
import { ALL, NO_LOSSES, secureLivePage } from "./support/live-page.js";
import { until } from "./support/patience.js";
import { output } from "./support/terminal.js";

const TABS = 12;

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

describe("the live page over TLS", { concurrency: 2 }, () => {
  test("it shows that it was loaded over HTTP/2", async (t) => {
    const { page, cards } = await secureLivePage(t, browser, { topic: "news" });
    await cards.sse.state("open");
    assert.match(await page.textContent('[data-value="facts"]'), /page over HTTP\/2/);
  });

  test("four cards receive what is published by the page and by others", async (t) => {
    const { hub, page, each } = await secureLivePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await page.click('[data-action="publish"]');
    await each((card) => card.says("last", "hello"));
    await hub.publish("news", "from elsewhere");
    await each((card) => card.says("last", "from elsewhere"));
    await each(async (card) => {
      assert.deepEqual(await card.losses(), NO_LOSSES);
      for (const figure of ["median", "bytes-each", "requests", "bytes"]) {
        assert.ok((await card.number(figure)) > 0, `${figure} of ${card.transport}`);
      }
    });
    assert.deepEqual(await page.$$eval("[data-transport]", (all) => all.map((it) => it.dataset.transport)), ALL);
  });

  test("after a cut, WebTransport reconnects and has lost nothing", async (t) => {
    const { hub, page, cards, each } = await secureLivePage(t, browser, { topic: "news", expected: [NETWORK] });
    await each((card) => card.state("open"));
    await hub.publish("news", "before");
    await each((card) => card.reaches("messages", 1));
    await cards.webtransport.press("cut");
    for (let n = 0; n < 20; n++) await hub.publish("news", `meanwhile ${n}`);
    await cards.webtransport.reaches("reconnects", 1);
    await each((card) => card.reaches("messages", 21));
    await each(async (card) => assert.deepEqual(await card.losses(), NO_LOSSES));
    await page.locator("[data-log] p", { hasText: "WebTransport: the connection was cut, trying again" }).waitFor();
    await page.locator("[data-log] p", { hasText: /WebTransport: back after / }).waitFor();
  });

  test("a flood arrives completely on each card, and a paused reader resumes", async (t) => {
    const { hub, cards, each } = await secureLivePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await cards.webtransport.press("pause");
    await hub.publishMany("news", 3_000);
    await cards.sse.reaches("messages", 3_000);
    assert.ok((await cards.webtransport.number("messages")) <= 1);
    await cards.webtransport.press("pause");
    await each((card) => card.reaches("messages", 3_000));
    await each(async (card) => assert.deepEqual(await card.losses(), NO_LOSSES));
  });

  test("if the server ends, the card of WebTransport shows the reason", async (t) => {
    const { hub, page, each } = await secureLivePage(t, browser, { topic: "news", expected: [NETWORK] });
    await each((card) => card.state("open"));
    await hub.close();
    await page.locator("[data-log] p", { hasText: "WebTransport: the server is going away, trying again" }).waitFor();
  });

  test("the command of each card shows the same stream in a terminal", async (t) => {
    const { hub, each } = await secureLivePage(t, browser, { topic: "news" });
    await each((card) => card.state("open"));
    await each(async (card) => {
      const command = await card.text("command");
      const written = await output(t, command, "later", () => hub.publish("news", "later"));
      assert.ok(written.includes("later"), `${command}: ${written}`);
    });
  });
});

test(`${TABS} tabs with an EventSource are served at the same time over HTTP/2`, async (t) => {
  const { hub, page } = await secureTestbed(t, browser);
  const tabs = [page];
  while (tabs.length < TABS) {
    const tab = await page.context().newPage();
    await tab.goto(page.url());
    tabs.push(tab);
  }
  const streams = [];
  for (const tab of tabs) {
    streams.push(await openEventSource(tab, "/topics/news"));
    await streams.at(-1).opened();
  }
  await hub.publish("news", "for all tabs");
  for (const stream of streams) {
    const [{ data }] = await stream.events(1);
    assert.equal(data, "for all tabs");
  }
});

describe("a WebSocket runs over the HTTP/2 connection of its page", { concurrency: 2 }, () => {
  test("of the live page", async (t) => {
    const { hub, page, cards } = await secureLivePage(t, browser, { topic: "news" });
    const statuses = await statusesOfHandshakes(page);
    await page.reload();
    await cards.websocket.state("open");
    await hub.publish("news", "hello");
    await cards.websocket.says("last", "hello");
    assert.deepEqual([...new Set(statuses)], [OVER_HTTP2]);
  });

  test(`${TABS} feeds of a page have no other connection`, async (t) => {
    const { hub, page } = await secureTestbed(t, browser);
    const statuses = await statusesOfHandshakes(page);
    const feeds = [await openFeed(page, { transports: ["websocket"] })];
    await feeds[0].open("websocket");
    const before = await hub.metric("tidings_connections");
    while (feeds.length < TABS) feeds.push(await openFeed(page, { transports: ["websocket"] }));
    for (const feed of feeds) await feed.open("websocket");
    await hub.publish("news", "hello");
    await feeds[0].publish("from the page");
    for (const feed of feeds) assert.deepEqual(await feed.log(2), ["hello", "from the page"]);
    assert.deepEqual(statuses, Array(TABS).fill(OVER_HTTP2));
    assert.equal(await hub.metric("tidings_connections"), before);
  });
});

describe("a feed in a plain page", { concurrency: 2 }, () => {
  test("it uses WebTransport, receives everything once and in order, and publishes", async (t) => {
    const { hub, page } = await secureTestbed(t, browser);
    const feed = await openFeed(page);
    await feed.open("webtransport");
    await hub.publishMany("news", 5_000);
    const expected = Array.from({ length: 5_000 }, (_, at) => String(at + 1));
    assert.deepEqual(await feed.log(5_000), expected);
    await feed.publish("from the page");
    assert.equal((await feed.log(5_001)).at(-1), "from the page");
  });

  test("with a wrong hash it falls back to WebSocket", async (t) => {
    const { hub, page } = await secureTestbed(t, browser, { expected: [NETWORK] });
    const feed = await openFeed(page, { hash: "A".repeat(43) + "=" });
    await feed.open("websocket");
    await hub.publish("news", "hello");
    assert.deepEqual(await feed.log(1), ["hello"]);
  });

  test("if nothing listens at the port, it falls back to WebSocket", async (t) => {
    const { page } = await secureTestbed(t, browser, { expected: [NETWORK] });
    const feed = await openFeed(page, { port: 9 });
    await feed.open("websocket");
  });

  test("a rejected subscription ends it with the server's code", async (t) => {
    const { page } = await secureTestbed(t, browser, { expected: [NETWORK] });
    const feed = await openFeed(page, { topic: "a..b" });
    const error = await feed.error();
    assert.equal(error.name, "Rejection");
    assert.equal(error.status, 400);
    assert.equal(error.code, "bad_topic");
  });

  test("it can be closed while it connects and while it is open", async (t) => {
    const { page } = await secureTestbed(t, browser);
    const feed = await openFeed(page);
    await feed.open("webtransport");
    await feed.close();
    const other = await openFeed(page);
    await other.close();
    await feed.closed();
    await other.closed();
  });
});

/** The status of the response to a WebSocket handshake over HTTP/2. Over HTTP/1.1 it is 101. */
const OVER_HTTP2 = 200;

/** Returns a list to which the status of the response to each further WebSocket handshake of the page is appended. */
async function statusesOfHandshakes(page) {
  const session = await page.context().newCDPSession(page);
  const statuses = [];
  session.on("Network.webSocketHandshakeResponseReceived", ({ response }) => statuses.push(response.status));
  await session.send("Network.enable");
  return statuses;
}

/**
 * Opens a feed with the files of the server. By default, it tries WebTransport first, and the port and the hash of the
 * certificate are the server's.
 */
async function openFeed(page, { topic = "news", transports, port, hash } = {}) {
  const handle = await page.evaluateHandle(
    async ([topic, transports, port, hash]) => {
      const { tidings } = await import("/client.js");
      const { webTransport } = await import("/webtransport.js");
      const { webtransport } = await (await fetch("/transports")).json();
      const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const hashes = hash ? [hash] : webtransport.hashes;
      const separate = webTransport({
        port: port ?? webtransport.port,
        serverCertificateHashes: hashes.map((hash) => ({ algorithm: "sha-256", value: bytes(hash) })),
      });
      const feed = tidings(`/topics/${topic}`, {
        transports: transports ?? [separate, "websocket", "sse", "long-polling"],
      });
      const log = [];
      feed.on("notification", ({ data }) => log.push(data));
      // Otherwise the error is written to the console.
      feed.on("state", () => {});
      return { feed, log };
    },
    [topic, transports, port, hash],
  );
  return {
    open: (transport) =>
      until(
        page,
        ([{ feed }, transport]) => feed.state.name === "open" && feed.state.transport === transport,
        [handle, transport],
      ),
    log: async (count) => {
      await until(page, ([{ log }, count]) => log.length >= count, [handle, count]);
      return handle.evaluate(({ log }) => log);
    },
    publish: (data) => handle.evaluate(({ feed }, data) => feed.publish(data), data),
    close: () => handle.evaluate(({ feed }) => feed.close()),
    closed: () => until(page, ({ feed }) => feed.state.name === "closed" && !feed.state.error, handle),
    error: async () => {
      await until(page, ({ feed }) => feed.state.error, handle);
      return handle.evaluate(({ feed }) => {
        const { name, status, code, message } = feed.state.error;
        return { name, status, code, message };
      });
    },
  };
}
