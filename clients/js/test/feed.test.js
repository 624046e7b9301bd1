import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { tidings } from "../dist/index.js";
import { Hub, json, ownTime, pass, rejection, settle, stream } from "./support.js";

const told = (seq) => ({ id: `e-${seq}`, topic: "orders.new", data: String(seq) });
const gap = { after: "e-3", resume: "e-8", missed: 5, reason: "lagged" };

test("an iteration reads in order, binary as bytes, and ends when the feed is closed", async (t) => {
  const hub = new Hub();
  const { feed } = hub.feed(t);
  const read = [];
  const reading = (async () => {
    for await (const { data } of feed) read.push(data);
  })();
  await settle();
  hub.socket.say({ ping: 25_000, id: "e-0" });
  hub.socket.say(told(1));
  hub.socket.say({ id: "e-2", topic: "orders.new", data_base64: "AP8=" });
  await settle();
  assert.deepEqual(read, ["1", Uint8Array.of(0, 255)]);
  feed.close();
  await reading;
  assert.ok(hub.socket.isClosed);
});

test("a feed without a reader gives up its connection and resumes from its position", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const feed = tidings("http://hub/topics/a", { WebSocket: hub.WebSocket, buffer: 3 });
  t.after(() => feed.close());
  await settle();
  hub.socket.say({ ping: 25_000, id: "e-0" });
  for (let seq = 1; seq <= 5; seq++) hub.socket.say(told(seq));
  await settle();
  assert.deepEqual(feed.state, { name: "paused" });
  assert.ok(hub.socket.isClosed);
  assert.equal(feed.position, "e-0", "nothing has been read yet");

  const read = [];
  feed.on("notification", ({ id }) => read.push(id));
  await settle();
  assert.deepEqual(read, ["e-1", "e-2", "e-3", "e-4"]);
  assert.equal(hub.socket.url.searchParams.get("after"), "e-4");
  hub.socket.say(told(5));
  assert.equal(read.at(-1), "e-5");
});

for (const transport of ["sse", "long-polling"]) {
  test(`a fast reader keeps its connection if one piece exceeds the buffer, by ${transport}`, async (t) => {
    const hub = new Hub();
    const feed = tidings("http://hub/topics/a", { fetch: hub.fetch, transports: [transport], buffer: 3 });
    t.after(() => feed.close());
    const states = [];
    feed.on("state", ({ name }) => states.push(name));
    const read = [];
    const reading = (async () => {
      for await (const { data } of feed) if (read.push(Number(data)) === 50) break;
    })();
    await settle();
    const all = Array.from({ length: 50 }, (_, at) => told(at + 1));
    if (transport === "sse") {
      const body = stream();
      hub.request.answer(body.response);
      body.say(all.map(({ id, data }) => `id: ${id}\ndata: ${data}\n\n`).join(""));
    } else {
      hub.request.answer(json({ cursor: "e-50", notifications: all }));
    }
    await reading;
    assert.deepEqual(read, all.map(({ data }) => Number(data)));
    assert.ok(!states.includes("paused"), states.join());
  });

  test(`the connection is given up if the buffer is full for a second, by ${transport}`, async (t) => {
    ownTime(t);
    const hub = new Hub();
    const feed = tidings("http://hub/topics/a", { fetch: hub.fetch, transports: [transport], buffer: 2 });
    t.after(() => feed.close());
    await settle();
    const all = [told(1), told(2), told(3)];
    const body = stream();
    if (transport === "sse") {
      hub.request.answer(body.response);
      body.say(all.map(({ id, data }) => `id: ${id}\ndata: ${data}\n\n`).join(""));
    } else {
      hub.request.answer(json({ cursor: "e-3", notifications: all }));
    }
    await pass(999);
    assert.notEqual(feed.state.name, "paused");
    await pass(1);
    assert.equal(feed.state.name, "paused");
    const read = [];
    feed.on("notification", ({ id }) => read.push(id));
    await settle();
    assert.deepEqual(read, ["e-1", "e-2"]);
    assert.equal(hub.request.url.searchParams.get("after"), "e-2");
  });
}

test("the position is after the last processed notification, not after the current one", async (t) => {
  const hub = new Hub();
  const { feed } = hub.feed(t);
  await settle();
  const reader = feed[Symbol.asyncIterator]();
  const first = reader.next();
  hub.socket.say(told(1));
  assert.equal((await first).value.id, "e-1");
  hub.socket.say({ ping: 25_000, id: "e-7" });
  assert.equal(feed.position, undefined);
  void reader.next();
  await settle();
  assert.equal(feed.position, "e-7");
});

test("a gap is emitted in order, and written to the console if there is no listener", async (t) => {
  const hub = new Hub();
  const { told: heard } = hub.feed(t);
  const deaf = tidings("http://hub/topics/a", { WebSocket: hub.WebSocket });
  t.after(() => deaf.close());
  deaf.on("notification", () => {});
  const written = mock.method(console, "error", () => {});
  t.after(() => mock.restoreAll());
  await settle();
  for (const socket of hub.sockets) {
    socket.say(told(3));
    socket.say({ gap });
    socket.say(told(9));
  }
  assert.deepEqual(heard.gaps, [gap]);
  assert.deepEqual(heard.notifications, ["e-3", "e-9"]);
  assert.deepEqual(written.mock.calls.map((call) => call.arguments), [["tidings:", "gap", gap]]);
});

test("a final rejection is written to the console if there is no listener", async (t) => {
  const hub = new Hub();
  const open = () => {
    const feed = tidings("http://hub/topics/a", { fetch: hub.fetch, transports: ["sse"] });
    t.after(() => feed.close());
    return feed;
  };
  const written = mock.method(console, "error", () => {});
  t.after(() => mock.restoreAll());
  const [deaf, listener, reader] = [open(), open(), open()];
  deaf.on("notification", () => {});
  listener.on("state", () => {});
  const reading = assert.rejects(reader[Symbol.asyncIterator]().next(), { code: "not_found" });
  await settle();
  for (const request of hub.requests) request.answer(rejection(404, "not_found"));
  await settle();
  await reading;
  assert.deepEqual(written.mock.calls.map((call) => call.arguments), [["tidings:", "state", deaf.state]]);
});

test("a publish is repeated with the same key until it is stored", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = hub.feed(t);
  const publishing = feed.publish("hello");
  await settle();
  hub.request.fail();
  await pass(1_000);
  hub.request.answer(rejection(503, "unavailable", { "retry-after": "1" }));
  await pass(3_000);
  hub.request.answer(json({ id: "e-4" }));
  assert.equal(await publishing, "e-4");
  const keys = hub.requests.map(({ init }) => init.headers["idempotency-key"]);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.equal(hub.request.url.href, "http://hub/topics/orders.new");
});

test("a rejected publish is not repeated, and one without a topic is not sent", async (t) => {
  const hub = new Hub();
  const { feed } = hub.feed(t, {}, "http://hub/topics/orders.*");
  await assert.rejects(feed.publish("x"), TypeError);
  await assert.rejects(feed.publish({ text: "x" }, "orders.new"), TypeError);
  const publishing = feed.publish("x", "orders.new");
  hub.request?.answer(rejection(413, "too_big"));
  await settle();
  hub.request.answer(rejection(413, "too_big"));
  await assert.rejects(publishing, { status: 413, code: "too_big" });
  assert.equal(hub.requests.length, 1);
});

test("invalid URLs and options throw at once", () => {
  for (const [url, options] of [
    ["/topics/a"],
    ["ftp://hub/topics/a"],
    ["http://hub/topics/"],
    ["http://hub/topics/a", { transports: ["pigeon"] }],
    ["http://hub/topics/a", { transports: [] }],
    ["http://hub/topics/a", { buffer: 0 }],
  ]) {
    assert.throws(() => tidings(url, options), TypeError, url);
  }
});

test("a poll for the newest of each topic continues at the end of its answer", async (t) => {
  const hub = new Hub();
  const { told: heard } = hub.feed(t, { after: "latest", transports: ["long-polling"] });
  const after = () => hub.request.url.searchParams.get("after");
  await settle();
  assert.equal(after(), "latest");
  hub.request.answer(json({ cursor: "e-7.42", notifications: [told(3), told(7)] }));
  await settle();
  assert.equal(after(), "e-7.42");
  hub.request.answer(json({ cursor: "e-42", notifications: [told(8), told(41)] }));
  await settle();
  assert.equal(after(), "e-42");
  assert.deepEqual(heard.notifications, ["e-3", "e-7", "e-8", "e-41"]);
});

test("a feed that is cut before its first notification requests the newest of each topic again", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = hub.feed(t, { after: "latest" });
  await settle();
  const after = () => hub.socket.url.searchParams.get("after");
  assert.equal(after(), "latest");
  hub.socket.say({ ping: 25_000 });
  await settle();
  assert.equal(feed.state.name, "open");
  hub.socket.end(1001);
  await pass(1_000);
  assert.deepEqual([hub.sockets.length, after()], [2, "latest"]);
  hub.socket.say({ ping: 25_000 });
  hub.socket.say(told(4));
  await settle();
  hub.socket.end(1001);
  await pass(2_000);
  assert.deepEqual([hub.sockets.length, after()], [3, "e-4"]);
  assert.deepEqual(heard.notifications, ["e-4"]);
});

test("a slow reader of a long answer does not count as silence of the server", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const feed = tidings("http://hub/topics/a", { fetch: hub.fetch, transports: ["long-polling"], buffer: 2 });
  t.after(() => feed.close());
  const states = [];
  feed.on("state", ({ name }) => states.push(name));
  void (async () => {
    for await (const _ of feed) await new Promise((resolve) => setTimeout(resolve, 400));
  })();
  await settle();
  hub.request.answer(json({ cursor: "e-60", notifications: Array.from({ length: 60 }, (_, at) => told(at + 1)) }));
  for (let turn = 0; turn < 62; turn++) await pass(400);
  assert.deepEqual(states, ["connecting", "open"]);
});

test("a connection that was given up for a full buffer does not count as a failure of the transport", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const feed = tidings("http://hub/topics/a", { WebSocket: hub.WebSocket, fetch: hub.fetch, buffer: 1 });
  t.after(() => feed.close());
  const states = [];
  feed.on("state", ({ name }) => states.push(name));
  void (async () => {
    for await (const _ of feed);
  })();
  for (let time = 0; time < 4; time++) {
    await settle();
    for (let seq = 1; seq <= 3; seq++) hub.socket.say(told(3 * time + seq));
    await settle();
  }
  assert.equal(hub.sockets.length, 5);
  assert.ok(!states.includes("waiting"), states.join());
});

test("listeners receive what an iteration has left", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const feed = tidings("http://hub/topics/a", { WebSocket: hub.WebSocket, buffer: 3 });
  t.after(() => feed.close());
  await settle();
  for (let seq = 1; seq <= 5; seq++) hub.socket.say(told(seq));
  await settle();
  const heard = [];
  for await (const _ of feed) {
    feed.on("notification", ({ id }) => heard.push(id));
    break;
  }
  await settle();
  assert.deepEqual(heard, ["e-2", "e-3", "e-4"]);
  assert.notEqual(feed.state.name, "paused");
});
