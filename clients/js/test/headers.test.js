// The headers of notifications by each transport, and those of a publish.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub, json, settle, stream } from "./support.js";

const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const ALL = { event: "created", content_type: "a/b", time: 7, traceparent: PARENT, tracestate: "a=1" };

/** The notifications of a server: text and bytes with all headers, with one header, and with none. */
const NOTIFICATIONS = [
  { id: "e-1", topic: "orders.new", headers: ALL, data: "x" },
  { id: "e-2", topic: "orders.new", headers: ALL, data_base64: "AP8=" },
  { id: "e-3", topic: "orders.new", headers: { time: 8 }, data_base64: "AP8=" },
  { id: "e-4", topic: "orders.new", headers: { event: "toString" }, data: "gap" },
  { id: "e-5", topic: "orders.new", data: "none" },
];

const FIELDS = `content-type: a/b\ntime: 7\ntraceparent: ${PARENT}\ntracestate: a=1\n`;
const STREAM =
  `id: e-1\nevent: created\n${FIELDS}data: x\n\n` +
  `id: e-2\nevent-name: created\n${FIELDS}event: binary\ndata: AP8=\n\n` +
  "id: e-3\ntime: 8\nevent: binary\ndata: AP8=\n\n" +
  "id: e-4\nevent: toString\ndata: gap\n\n" +
  "id: e-5\ndata: none\n\n";

/** The form of these notifications on each transport. */
const WAYS = {
  websocket: (hub) => NOTIFICATIONS.forEach((notification) => hub.socket.say(notification)),
  sse: (hub) => {
    const body = stream();
    hub.request.answer(body.response);
    body.say(STREAM);
  },
  "long-polling": (hub) => hub.request.answer(json({ cursor: "e-5", notifications: NOTIFICATIONS })),
};

for (const [transport, bring] of Object.entries(WAYS)) {
  test(`headers arrive as they were published, by ${transport}`, async (t) => {
    const hub = new Hub();
    const decoded = [];
    const decode = (payload, topic, headers) => (decoded.push(headers), String(payload));
    const { feed } = hub.feed(t, { transports: [transport], decode });
    const heard = [];
    feed.on("notification", (notification) => heard.push(notification));
    await settle();
    bring(hub);
    await settle();
    const expected = NOTIFICATIONS.map(({ id, topic, headers = {}, data = "0,255" }) => ({ id, topic, headers, data }));
    assert.deepEqual(heard, expected);
    assert.deepEqual(decoded, expected.map(({ headers }) => headers));
  });
}

test("a publish sends only the given headers", async (t) => {
  const hub = new Hub();
  const { feed } = hub.feed(t);
  const sent = async (...args) => {
    const publishing = feed.publish(...args);
    await settle();
    hub.request.answer(json({ id: "e-1" }));
    await publishing;
    const { "idempotency-key": key, ...headers } = hub.request.init.headers;
    assert.ok(key);
    return [hub.request.url.pathname, headers];
  };
  const all = {
    "tidings-event": "created",
    "content-type": "a/b",
    "tidings-time": 7,
    traceparent: PARENT,
    tracestate: "a=1",
  };
  const own = "/topics/orders.new";
  const [text, binary] = [{ "tidings-kind": "text" }, { "tidings-kind": "binary" }];
  const octets = "application/octet-stream";
  assert.deepEqual(await sent("x", ALL), [own, { ...all, ...text }]);
  assert.deepEqual(await sent(Uint8Array.of(0), { ...ALL, topic: "b" }), ["/topics/b", { ...all, ...binary }]);
  // Bytes always have a content type, because servers of earlier versions recognise them by it.
  assert.deepEqual(await sent(Uint8Array.of(65)), [own, { "content-type": octets, ...binary }]);
  // Text is text with any content type.
  assert.deepEqual(await sent("x", { content_type: octets }), [own, { "content-type": octets, ...text }]);
  assert.deepEqual(await sent("x", { time: 0 }), [own, { "tidings-time": 0, ...text }]);
  assert.deepEqual(await sent("x", { event: undefined, topic: undefined }), [own, text]);
  assert.deepEqual(await sent("x", "c"), ["/topics/c", text]);
  assert.deepEqual(await sent("x"), [own, text]);
});

test("publishes do not have the query of the feed", async (t) => {
  const hub = new Hub();
  const { feed } = hub.feed(t, {}, "http://hub/topics/orders.new?after=e-1#top");
  void feed.publish("x").catch(() => {});
  await settle();
  assert.equal(hub.request.url.href, "http://hub/topics/orders.new");
});
