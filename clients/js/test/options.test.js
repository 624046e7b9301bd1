// The URL and the options of a feed, and differences between environments.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { tidings } from "../dist/index.js";
import { Hub, json, ownTime, pass, settle, stream } from "./support.js";

const told = (seq, data = "x") => ({ id: `e-${seq}`, topic: "orders.new", data });

/** Sets a global variable for one test. */
function withGlobal(t, name, value) {
  globalThis[name] = value;
  t.after(() => delete globalThis[name]);
}

test("a path is relative to the base of the document, and to the script in a worker", async (t) => {
  const hub = new Hub();
  const asked = async () => {
    const { feed } = hub.feed(t, { transports: ["sse"] }, "topics/a");
    await settle();
    feed.close();
    return hub.request.url.href;
  };
  withGlobal(t, "location", { href: "http://worker/js/worker.js" });
  assert.equal(await asked(), "http://worker/js/topics/a?transport=sse");
  withGlobal(t, "document", { baseURI: "http://base/app/" });
  assert.equal(await asked(), "http://base/app/topics/a?transport=sse");
});

test("the error for an invalid URL contains the URL and the expected form", () => {
  for (const url of ["/topics/a", "topics/a", "127.0.0.1:8080/topics/a", "localhost:8080/topics/a", "http://hub/topics/"]) {
    const message = `"${url}" is not http://HOST/topics/NAME (a path needs a document)`;
    assert.throws(() => tidings(url), { name: "TypeError", message });
  }
});

test("only the storage of a page is used, and never that of Node", async (t) => {
  const had = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
  let touched = 0;
  Object.defineProperty(globalThis, "localStorage", { configurable: true, get: () => ++touched });
  t.after(() => (had ? Object.defineProperty(globalThis, "localStorage", had) : delete globalThis.localStorage));
  const hub = new Hub();
  const { feed } = hub.feed(t);
  await settle();
  hub.socket.say({ ping: 25_000, id: "e-1" });
  await settle();
  assert.equal(feed.state.name, "open");
  assert.equal(touched, 0);
});

test("setting the time of day has no effect on connections and better transports", async (t) => {
  for (const hours of [-1, 1]) {
    ownTime(t);
    const hub = new Hub();
    hub.upgrades = false;
    const { feed } = hub.feed(t, { betterAfter: 20_000 });
    await settle();
    const body = stream();
    hub.request.answer(body.response);
    body.say(":ping 4000\nid: e-1\n\n");
    await settle();
    const { now } = Date;
    const set = t.mock.method(Date, "now", () => now() + hours * 3_600_000);
    for (let second = 0; second < 12; second += 4) {
      await pass(4_000);
      assert.equal(feed.state.name, "open");
      body.say(":\nid: e-1\n\n");
    }
    assert.equal(hub.sockets.length, 1);
    await pass(8_001);
    assert.notEqual(feed.state.name, "open", `silence is noticed, ${hours} h away`);
    set.mock.restore();
    feed.close();
    await settle();
    mock.timers.reset();
    mock.restoreAll();
  }
});

test("listeners and iterations receive the data of decode, which may be null", async (t) => {
  const hub = new Hub();
  const decode = (payload, topic) => (typeof payload === "string" ? JSON.parse(payload) : [topic, ...payload]);
  const { feed } = hub.feed(t, { decode });
  const heard = [];
  feed.on("notification", ({ data }) => heard.push(data));
  await settle();
  for (const [seq, data] of ['{"a":1}', "null", "0"].entries()) hub.socket.say(told(seq, data));
  hub.socket.say({ id: "e-9", topic: "orders.new", data_base64: "AP8=" });
  assert.deepEqual(heard, [{ a: 1 }, null, 0, ["orders.new", 0, 255]]);
});

test("a notification that cannot be decoded is skipped, and the error is written to the console", async (t) => {
  const hub = new Hub();
  const written = mock.method(console, "error", () => {});
  t.after(() => mock.restoreAll());
  const { feed, told: heard } = hub.feed(t, { decode: JSON.parse });
  await settle();
  for (const [seq, data] of ["1", "{", "3"].entries()) hub.socket.say(told(seq, data));
  await settle();
  assert.deepEqual(heard.notifications, ["e-0", "e-2"]);
  assert.equal(feed.state.name, "open");
  const [[, what, id, error]] = written.mock.calls.map((call) => call.arguments);
  assert.deepEqual([what, id, error.name], ["decode", "e-1", "SyntaxError"]);
  hub.socket.say(told(4, "{"));
  assert.equal(feed.position, "e-4", "the position moves on");
});

test("off removes a listener, and so does the function that on returns", async (t) => {
  const hub = new Hub();
  const { feed } = hub.feed(t);
  const heard = [];
  const listener = ({ id }) => heard.push(id);
  feed.on("notification", listener);
  await settle();
  hub.socket.say(told(1));
  feed.off("notification", listener);
  hub.socket.say(told(2));
  feed.on("notification", listener)();
  hub.socket.say(told(3));
  assert.deepEqual(heard, ["e-1"]);
});

test("each request has the headers and the credentials, and its own headers take precedence", async (t) => {
  const hub = new Hub();
  const options = { headers: { "x-tenant": "7", accept: "text/html" }, credentials: "include", token: () => "secret" };
  for (const transport of ["sse", "long-polling"]) {
    const { feed } = hub.feed(t, { transports: [transport], ...options });
    await settle();
    assert.equal(hub.request.init.headers["x-tenant"], "7");
    assert.equal(hub.request.init.headers.authorization, "Bearer secret");
    assert.equal(hub.request.init.headers.accept, transport === "sse" ? "text/event-stream" : "text/html");
    assert.equal(hub.request.init.credentials, "include");
    assert.equal(hub.request.init.cache, "no-store");
    const publishing = feed.publish("x");
    await settle();
    assert.equal(hub.request.init.method, "POST");
    assert.equal(hub.request.init.headers["x-tenant"], "7");
    assert.equal(hub.request.init.credentials, "include");
    hub.request.answer(json({ id: "e-1" }));
    assert.equal(await publishing, "e-1");
    feed.close();
  }
});

test("a signal closes the feed, and with an aborted signal nothing is opened", async (t) => {
  const hub = new Hub();
  const abort = new AbortController();
  const { feed } = hub.feed(t, { signal: abort.signal });
  await settle();
  hub.socket.say({ ping: 25_000, id: "e-1" });
  abort.abort();
  await settle();
  assert.deepEqual(feed.state, { name: "closed", error: undefined });
  assert.ok(hub.socket.isClosed);
  const { feed: late } = hub.feed(t, { signal: abort.signal });
  await settle();
  assert.equal(late.state.name, "closed");
  assert.equal(hub.sockets.length, 1);
});

test("the time limit of a publish is a second longer for each 16 kB", async (t) => {
  ownTime(t);
  const written = mock.method(console, "error", () => {});
  const hub = new Hub();
  const { feed } = hub.feed(t);
  const publishing = feed.publish("x".repeat(1_000_000));
  await pass(10_000 + 62_499);
  assert.equal(hub.requests.length, 1);
  hub.request.answer(json({ id: "e-1" }));
  assert.equal(await publishing, "e-1");

  const timedOut = assert.rejects(feed.publish("x"), /^Error: no response in 10000\.\d+ ms: all connections used/);
  const publishes = () => hub.requests.filter(({ init }) => init.method === "POST").length;
  for (let attempt = 1; attempt <= 5; attempt++) {
    await settle();
    assert.equal(publishes(), 1 + attempt);
    await pass(10_001);
    if (attempt < 5) await pass(1_000 * 2 ** (attempt - 1));
  }
  await timedOut;
  const [[, event, error]] = written.mock.calls.map((call) => call.arguments).filter(([by]) => by === "tidings:");
  assert.equal(event, "publish", "reported after the first attempt");
  assert.match(String(error), /all connections used/);
});

test("in a browser, a feed gives up its connection for a publish that is not answered soon", async (t) => {
  ownTime(t);
  withGlobal(t, "location", { href: "http://hub/" });
  const hub = new Hub();
  const { feed } = hub.feed(t, { transports: ["sse"] });
  await settle();
  const body = stream();
  hub.request.answer(body.response);
  body.say("id: e-1\n\n");
  await settle();
  const [{ init }] = hub.requests;
  const publishing = feed.publish("x");
  await pass(2_000);
  assert.ok(!init.signal.aborted);
  await pass(1);
  assert.ok(init.signal.aborted, "the stream is closed");
  assert.equal(feed.state.name, "paused");
  hub.request.answer(json({ id: "e-2" }));
  assert.equal(await publishing, "e-2");
  await settle();
  assert.equal(hub.request.url.search, "?transport=sse&after=e-1", "the feed resumes from its position");
});

test("a WebSocket and a feed in Node keep their connection during a publish", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = hub.feed(t, { transports: ["sse"] });
  await settle();
  const body = stream();
  hub.request.answer(body.response);
  body.say("id: e-1\n\n");
  void feed.publish("x").catch(() => {});
  await pass(5_000);
  assert.equal(feed.state.name, "open");
  withGlobal(t, "location", { href: "http://hub/" });
  const { feed: other } = hub.feed(t);
  await settle();
  hub.socket.say({ ping: 25_000, id: "e-1" });
  void other.publish("x").catch(() => {});
  await pass(5_000);
  assert.equal(other.state.name, "open");
});
