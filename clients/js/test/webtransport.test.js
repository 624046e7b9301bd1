// WebTransport, which is a separate file. `table.test.js` has its close codes and goodbyes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Rejection, tidings } from "../dist/index.js";
import { webTransport } from "../dist/webtransport.js";
import { Hub, json, ownTime, pass, settle } from "./support.js";

const ping = (id, ms = 25_000) => ({ ping: ms, id });
const told = (seq, data = "x") => ({ id: `e-${seq}`, topic: "orders.new", data });

/** Opens a feed that uses WebTransport and then the other transports. */
function open(t, hub, { settings = {}, url, ...options } = {}) {
  const { WebTransport } = hub;
  const transports = [webTransport({ WebTransport, ...settings }), "websocket", "sse", "long-polling"];
  return hub.feed(t, { transports, ...options }, url);
}

test("a feed opens a session, whose URL has the query and the token, and emits what arrives", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = open(t, hub, { after: "e-1", token: () => "secret", url: "http://hub:8080/topics/a,b?x=1#y" });
  assert.deepEqual(feed.state, { name: "connecting", transport: "webtransport" });
  await settle();
  assert.equal(hub.session.url.href, "https://hub:8080/topics/a,b?x=1&after=e-1&access_token=secret");
  hub.session.say(ping("e-1"));
  hub.session.say(told(2), { reply: { data: "not for a feed" } }, told(3));
  await settle();
  assert.deepEqual(heard.notifications, ["e-2", "e-3"]);
  assert.deepEqual(feed.state, { name: "open", transport: "webtransport" });
  assert.equal(feed.position, "e-3");
  assert.equal(hub.sockets.length + hub.requests.length, 0);
});

test("the port and the hashes of certificates are passed to the session", async (t) => {
  const hub = new Hub();
  const serverCertificateHashes = [{ algorithm: "sha-256", value: new Uint8Array(32) }];
  open(t, hub, { settings: { port: 8443, serverCertificateHashes } });
  await settle();
  assert.equal(hub.session.url.href, "https://hub:8443/topics/orders.new");
  assert.deepEqual(hub.session.options, { serverCertificateHashes });
});

test("lines and characters may be split between any two bytes", async (t) => {
  const hub = new Hub();
  const read = [];
  const { feed } = open(t, hub);
  feed.on("notification", ({ data }) => read.push(data));
  await settle();
  const lines = [ping("e-1"), told(2, "é 🫖\n"), told(3, "")].map((frame) => `${JSON.stringify(frame)}\n`);
  for (const byte of new TextEncoder().encode(lines.join(""))) hub.session.send(Uint8Array.of(byte));
  await settle();
  assert.deepEqual(read, ["é 🫖\n", ""]);
});

test("without WebTransport the feed begins with the next transport", async (t) => {
  const hub = new Hub();
  const { feed } = open(t, hub, { settings: { WebTransport: undefined } });
  assert.deepEqual(feed.state, { name: "connecting", transport: "websocket" });
  await settle();
  assert.equal(hub.sockets.length, 1);
  assert.throws(() => tidings("http://hub/topics/a", { transports: [webTransport()] }), /^TypeError: no transport$/);
});

test("the name of WebTransport alone is an error, because it is a separate import", () => {
  const message = 'no transport "webtransport"';
  assert.throws(() => tidings("http://hub/topics/a", { transports: ["webtransport"] }), { name: "TypeError", message });
});

test("if a session cannot be opened, the next transport is tried at once and the session again later", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = open(t, hub, { after: "e-5" });
  await settle();
  hub.session.fail();
  await settle();
  assert.equal(hub.socket.url.search, "?transport=websocket&after=e-5");
  hub.socket.say(ping("e-6", 60_000));
  await settle();
  assert.deepEqual(feed.state, { name: "open", transport: "websocket" });
  await pass(60_000);
  assert.equal(hub.sessions.length, 2);
  hub.session.say(ping("e-6"), told(7));
  await settle();
  assert.deepEqual(feed.state, { name: "open", transport: "webtransport" });
  assert.deepEqual(heard.notifications, ["e-7"]);
  assert.ok(hub.socket.isClosed);
});

test("an opening without a response ends at the time limit, and the next transport is tried", async (t) => {
  ownTime(t);
  const hub = new Hub();
  open(t, hub);
  await pass(9_999);
  assert.equal(hub.sockets.length, 0);
  await pass(1);
  assert.ok(hub.session.isClosed);
  assert.equal(hub.sockets.length, 1);
});

test("a session that is cut is opened again from its position", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = open(t, hub);
  await settle();
  hub.session.say(ping("e-1"), told(2), told(3));
  await pass(10_000);
  hub.session.fail("Connection lost.");
  await settle();
  assert.equal(feed.state.reason, "Connection lost.");
  await pass(1_000);
  assert.equal(hub.session.url.search, "?after=e-3");
  hub.session.say(ping("e-3"), told(4));
  await settle();
  assert.deepEqual(heard.notifications, ["e-2", "e-3", "e-4"]);
});

test("what arrived before the session ended is emitted", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = open(t, hub);
  await settle();
  hub.session.say(ping("e-1"));
  await settle();
  hub.session.say(told(2), { goodbye: { reason: "going_away", message: "restart" } });
  hub.session.finish();
  await settle();
  assert.deepEqual(heard.notifications, ["e-2"]);
  assert.equal(feed.state.reason, "restart");
  assert.ok(hub.session.isClosed, "the feed does not wait for the server");
});

test("a gap is emitted, and delivery continues after it", async (t) => {
  const hub = new Hub();
  const { told: heard } = open(t, hub, { after: "e-1" });
  await settle();
  const gap = { after: "e-1", resume: "e-7", missed: 5, reason: "evicted" };
  hub.session.say(ping("e-1"), { gap }, told(8));
  await settle();
  assert.deepEqual(heard.gaps, [gap]);
  assert.deepEqual(heard.notifications, ["e-8"]);
});

test("a session that becomes silent soon after its opening is left once its heartbeat is overdue", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = open(t, hub);
  await settle();
  hub.session.say(ping("e-1", 4_000));
  await pass(4_000);
  hub.session.say(ping("e-1", 4_000));
  await pass(7_999);
  assert.equal(feed.state.name, "open");
  await pass(1);
  assert.ok(hub.session.isClosed);
  assert.equal(hub.sockets.length, 1, "the next transport");
});

test("a part of a long line is a sign of life", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = open(t, hub);
  await settle();
  hub.session.say(ping("e-1", 4_000));
  for (const part of [...JSON.stringify(told(2, "xxxx")), "\n"]) {
    await pass(5_000);
    hub.session.send(part);
  }
  await settle();
  assert.equal(feed.state.name, "open");
  assert.deepEqual(heard.notifications, ["e-2"]);
});

test("a rejection closes the feed with the server's code and message", async (t) => {
  const hub = new Hub();
  const { feed } = open(t, hub);
  await settle();
  hub.session.end(400, "bad_topic: \"a..b\" has an empty token: expected tokens");
  await settle();
  const { error } = feed.state;
  assert.ok(error instanceof Rejection);
  const { status, code, message } = error;
  assert.deepEqual([status, code, message], [400, "bad_topic", '"a..b" has an empty token: expected tokens']);
  assert.equal(hub.sockets.length, 0);
});

test("a rejection without a code of the server only excludes the session", async (t) => {
  const hub = new Hub();
  const { feed } = open(t, hub);
  await settle();
  hub.session.end(404);
  await settle();
  assert.equal(hub.sockets.length, 1);
  assert.equal(feed.state.transport, "websocket");
});

test("if only answers of proxies are final, the feed ends although the session could not be opened", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.upgrades = false;
  const { feed } = open(t, hub);
  await settle();
  hub.session.fail();
  for (let time = 1; time <= 2; time++) {
    await settle();
    hub.request.answer(new Response("blocked", { status: 403 }));
  }
  await settle();
  assert.deepEqual([feed.state.name, feed.state.error?.status], ["closed", 403]);
});

test("after a rejected token, a fresh one is requested once", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = open(t, hub, { token: (rejected) => (rejected ? "fresh" : "old") });
  await settle();
  assert.equal(hub.session.url.searchParams.get("access_token"), "old");
  hub.session.end(401, "unauthorized: the token has expired");
  await settle();
  assert.equal(hub.session.url.searchParams.get("access_token"), "fresh");
  hub.session.end(401, "unauthorized: the token has expired");
  await settle();
  assert.equal(feed.state.error.status, 401);
});

test("if the server is full, the feed waits and tries no other transport", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = open(t, hub);
  for (let time = 1; time <= 4; time++) {
    await settle();
    assert.equal(hub.sessions.length, time);
    hub.session.end(503, "full: all 10 seats are taken: try again later");
    await settle();
    assert.equal(feed.state.reason, "all 10 seats are taken: try again later");
    await pass(60_000);
  }
  assert.equal(hub.sockets.length, 0);
});

test("a feed that is closed closes its session, also before it is open", async (t) => {
  const hub = new Hub();
  for (const isOpen of [false, true]) {
    const { feed } = open(t, hub);
    await settle();
    if (isOpen) hub.session.say(ping("e-1"));
    await settle();
    feed.close();
    await settle();
    assert.ok(hub.session.isClosed);
    assert.deepEqual(feed.state, { name: "closed", error: undefined });
  }
});

test("a slow reader makes the server wait, and the session is kept", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { WebTransport } = hub;
  // Without a listener, so that the iteration sets the pace.
  const feed = tidings("http://hub/topics/orders.new", { buffer: 2, transports: [webTransport({ WebTransport })] });
  t.after(() => feed.close());
  await settle();
  const session = hub.session;
  session.say(ping("e-0"));
  for (let seq = 1; seq <= 10; seq++) session.say(told(seq));
  await pass(500);
  assert.ok(session.room < 0, "the stream is not read further");
  const read = [];
  for await (const { id } of feed) if (read.push(id) === 10) break;
  assert.equal(read.at(-1), "e-10");
  assert.ok(!session.isClosed);
});

test("in a browser, a session is kept during a publish", async (t) => {
  ownTime(t);
  globalThis.location = { href: "http://hub/" };
  t.after(() => delete globalThis.location);
  const hub = new Hub();
  const { feed } = open(t, hub);
  await settle();
  hub.session.say(ping("e-1"));
  const publishing = feed.publish("x");
  await pass(5_000);
  assert.equal(feed.state.name, "open");
  assert.equal(hub.request.url.href, "http://hub/topics/orders.new", "by a request");
  hub.request.answer(json({ id: "e-2" }));
  assert.equal(await publishing, "e-2");
});

test("a line that is not JSON breaks the connection", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = open(t, hub);
  await settle();
  hub.session.say(ping("e-1"));
  await settle();
  hub.session.send("{\n");
  await settle();
  assert.equal(feed.state.name, "waiting");
  assert.ok(hub.session.isClosed);
});
