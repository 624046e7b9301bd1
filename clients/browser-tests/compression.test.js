// A server with compression, and decoders that are not ours: Chromium's, undici's and that of ws.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { tidings } from "tidings";
import { EventSource, WebSocket as UndiciWebSocket, fetch } from "undici";
import WebSocket from "ws";
import { testbed } from "./support/bed.js";
import { NETWORK, launchBrowser } from "./support/browser.js";
import { openEventSource } from "./support/event-source.js";
import { startHub } from "./support/hub.js";
import { inTime, until } from "./support/patience.js";

let browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

const COMPRESSED = ["--compression", "on"];
const EXTENSION = "permessage-deflate; client_no_context_takeover";

/** Orders, and sometimes texts with quotes, line ends and umlauts, nothing, and a text that is not compressed. */
const payload = (number) =>
  number % 9 === 3
    ? `Zeile "${number}"\n\nzweite Zeile mit Umlauten äöüß 🫖\n`
    : number % 9 === 5
      ? ""
      : number === 16
        ? `"${number}" ä `.repeat(8000)
        : JSON.stringify({ type: "order.updated", order: { id: `ord_${number}`, note: 'it is "urgent"', total: number * 31 } });

describe("decoders in Node", { concurrency: true }, () => {
  let hub;
  before(async () => (hub = await startHub(...COMPRESSED)));
  after(() => hub.close());

  // Each opens a reader from a position, and calls `receive` with the payload and id of each notification. It resolves
  // to a function that closes the reader.
  const decoders = {
    "ws": (url, receive) => openWebSocket(new WebSocket(url, "tidings.v1"), receive, "permessage-deflate"),
    "ws with a window of 12 bits": (url, receive) => {
      const options = { perMessageDeflate: { serverMaxWindowBits: 12 } };
      return openWebSocket(new WebSocket(url, "tidings.v1", options), receive, "permessage-deflate");
    },
    "ws without a history, which is not compressed": (url, receive) => {
      const options = { perMessageDeflate: { serverNoContextTakeover: true } };
      return openWebSocket(new WebSocket(url, "tidings.v1", options), receive, "");
    },
    "the WebSocket of undici": (url, receive) => openWebSocket(new UndiciWebSocket(url, "tidings.v1"), receive, EXTENSION),
    "the EventSource of undici": async (url, receive) => {
      const source = new EventSource(url);
      source.onmessage = ({ data, lastEventId }) => receive({ data, id: lastEventId });
      await new Promise((resolve) => (source.onopen = resolve));
      return () => source.close();
    },
    "the fetch of undici": async (url, receive) => {
      const ended = new AbortController();
      const answer = await fetch(url, { headers: { accept: "text/event-stream" }, signal: ended.signal });
      assert.equal(answer.headers.get("content-encoding"), "gzip");
      readEvents(answer.body, receive).catch(() => {});
      return () => ended.abort();
    },
  };

  for (const [name, open] of Object.entries(decoders)) {
    test(`${name}: readers that join at different moments and resume decode each notification at once`, async (t) => {
      const topic = name.replaceAll(" ", "-").replaceAll(",", "");
      const readers = [];
      t.after(() => readers.forEach(({ close }) => close()));
      const join = async (after) => {
        const reader = { read: [], wake: () => {} };
        const receive = ({ data, id }) => {
          reader.read.push({ data, id });
          reader.wake();
        };
        readers.push(reader);
        reader.close = await inTime(open(`${hub.url}/topics/${topic}?after=${after}`, receive), "it opens");
        return reader;
      };
      const published = [];
      const expectAll = async (reader) => {
        const expected = published.slice(reader.from);
        const isThere = async () => {
          while (reader.read.length < expected.length) await new Promise((resolve) => (reader.wake = resolve));
        };
        await inTime(isThere(), `notification ${published.length} arrives`);
        assert.deepEqual(reader.read, expected);
      };

      let at = await hub.publish("another", "");
      for (let number = 0; number < 60; number++) {
        if (number % 13 === 0) Object.assign(await join(at), { from: number });
        if (number === 45) {
          const [first] = readers.splice(0, 1);
          first.close();
          Object.assign(await join(first.read[29].id), { from: 30 });
        }
        const data = payload(number);
        at = await hub.publish(topic, data);
        published.push({ data, id: at });
        // No reader waits for a later one.
        for (const reader of readers) await expectAll(reader);
      }
    });
  }

  for (const [name, options] of [
    ["websocket", { WebSocket: UndiciWebSocket }],
    ["sse", { transports: ["sse"] }],
    ["long-polling", { transports: ["long-polling"] }],
  ]) {
    test(`a feed receives each notification by ${name}`, async (t) => {
      const topic = `feed.${name}`;
      const feed = tidings(`${hub.url}/topics/${topic}`, options);
      t.after(() => feed.close());
      await new Promise((resolve) => feed.on("state", (state) => state.name === "open" && resolve()));
      assert.equal(feed.state.transport, name);
      const notifications = feed[Symbol.asyncIterator]();
      for (let number = 0; number < 30; number++) {
        const id = await hub.publish(topic, payload(number));
        const { value } = await inTime(notifications.next(), `notification ${number} arrives`);
        assert.deepEqual(value, { id, topic, headers: {}, data: payload(number) });
      }
    });
  }
});

test("Chromium's EventSource decodes each event at once, also after a cut", async (t) => {
  const { hub, proxy, page } = await testbed(t, browser, { options: COMPRESSED, expected: [NETWORK] });
  const encodings = [];
  page.on("response", (response) => {
    if (response.url().includes("/topics/")) encodings.push(response.headers()["content-encoding"]);
  });
  const streams = [];
  const expected = [];
  for (let number = 0; number < 40; number++) {
    if (number % 15 === 0) {
      const stream = await openEventSource(page, "/topics/news");
      await stream.opened();
      streams.push({ stream, from: number });
    }
    if (number === 20) {
      proxy.cut();
      for (const { stream } of streams) assert.equal(await stream.firstError(), "connecting");
    }
    const data = payload(number);
    const lastEventId = await hub.publish("news", data);
    expected.push({ type: "message", data, lastEventId });
    for (const { stream, from } of streams) {
      assert.deepEqual(await stream.events(number + 1 - from), expected.slice(from));
    }
  }
  assert.deepEqual(encodings, ["gzip", "gzip", "gzip", "gzip", "gzip"]);
});

test("Chromium's WebSocket decodes each message at once, also from a position", async (t) => {
  const { hub, proxy, page } = await testbed(t, browser, { options: COMPRESSED });
  const sockets = [];
  const expected = [];
  const open = async (from, after) => {
    const url = `${proxy.url.replace("http", "ws")}/topics/news?after=${after}`;
    const handle = await page.evaluateHandle((url) => {
      const socket = new WebSocket(url);
      const read = [];
      socket.onmessage = ({ data }) => read.push(data);
      return { socket, read };
    }, url);
    await until(page, ({ socket }) => socket.readyState === WebSocket.OPEN, handle);
    assert.equal(await handle.evaluate(({ socket }) => socket.extensions), EXTENSION);
    sockets.push({ handle, from });
  };
  const ids = [await hub.publish("another", "")];
  for (let number = 0; number < 40; number++) {
    if (number % 15 === 0) await open(number, ids[number]);
    if (number === 25) {
      await sockets.shift().handle.evaluate(({ socket }) => socket.close());
      await open(10, ids[10]);
    }
    expected.push(payload(number));
    ids.push(await hub.publish("news", payload(number)));
    for (const { handle, from } of sockets) {
      await until(page, ([{ read }, count]) => read.length >= count, [handle, number + 1 - from]);
      assert.deepEqual(await handle.evaluate(({ read }) => read), expected.slice(from));
    }
  }
});

/** Reads the messages of a WebSocket with the subprotocol `tidings.v1`. */
async function openWebSocket(socket, receive, extensions) {
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if ("data" in message) receive(message);
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = ({ error }) => reject(error);
  });
  assert.equal(socket.extensions, extensions);
  return () => socket.close();
}

/** Reads the events of a body whose data is text. */
async function readEvents(body, receive) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const fields = text.slice(0, end).split("\n").map((line) => /^(\w*): ?(.*)$/.exec(line));
      const data = fields.filter((field) => field?.[1] === "data").map((field) => field[2]);
      if (data.length > 0) receive({ data: data.join("\n"), id: fields.find((field) => field?.[1] === "id")[2] });
    }
  }
}
