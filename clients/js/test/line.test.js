import assert from "node:assert/strict";
import { test } from "node:test";
import { tidings } from "../dist/index.js";
import { Hub, json, ownTime, pass, rejection, settle, stream } from "./support.js";

const ping = (id, ms = 25_000) => ({ ping: ms, id });
const told = (seq) => ({ id: `e-${seq}`, topic: "orders.new", data: "x" });

/** Waits for longer than a feed ever waits between two attempts. */
const backoff = () => pass(60_000);

test("a feed opens the best transport and emits what arrives", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = hub.feed(t);
  await settle();
  assert.equal(hub.socket.url.href, "ws://hub/topics/orders.new?transport=websocket");
  hub.socket.say(ping("e-1"));
  hub.socket.say(told(2));
  await settle();
  assert.deepEqual(heard.notifications, ["e-2"]);
  assert.deepEqual(feed.state, { name: "open", transport: "websocket" });
  assert.equal(feed.position, "e-2");
});

test("a reply to a message is ignored", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = hub.feed(t);
  await settle();
  hub.socket.say(ping("e-1"));
  hub.socket.say({ reply: { data: "not for a feed" } });
  hub.socket.say(told(2));
  await settle();
  assert.deepEqual(heard.notifications, ["e-2"]);
  assert.deepEqual(feed.state, { name: "open", transport: "websocket" });
});

test("a transport that cannot be opened is skipped at once, and the position is kept", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.upgrades = false;
  const { feed, told: heard } = hub.feed(t, { after: "e-5" });
  await settle();
  assert.equal(hub.request.url.search, "?transport=sse&after=e-5");
  hub.request.answer(json({}, 502));
  await settle();
  assert.equal(hub.request.url.search, "?transport=long-polling&after=e-5&wait=0");
  hub.request.answer(json({ cursor: "e-9", notifications: [told(7)] }));
  await settle();
  assert.deepEqual(heard.notifications, ["e-7"]);
  assert.equal(hub.request.url.search, "?transport=long-polling&after=e-9&wait=25");
  assert.deepEqual(feed.state, { name: "open", transport: "long-polling" });
});

test("if no transport can be opened, the feed waits and begins with the best again", async (t) => {
  ownTime(t, 0.5);
  const hub = new Hub();
  hub.upgrades = false;
  const { feed } = hub.feed(t);
  for (const transport of ["sse", "long-polling"]) {
    await settle();
    assert.equal(hub.request.url.searchParams.get("transport"), transport);
    hub.request.fail();
  }
  await settle();
  assert.equal(feed.state.name, "waiting");
  assert.equal(feed.state.until, Date.now() + 750);
  assert.equal(hub.sockets.length, 1);
  await pass(749);
  assert.equal(hub.sockets.length, 1);
  await pass(1);
  assert.equal(hub.sockets.length, 2);
});

test("after three early cuts, the next transport is used", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  for (let time = 1; time <= 3; time++) {
    await settle();
    assert.equal(hub.sockets.length, time);
    hub.socket.say(ping(`e-${time}`));
    await settle();
    hub.socket.end(1006);
    await backoff();
  }
  assert.equal(hub.sockets.length, 3);
  assert.equal(hub.request.url.search, "?transport=sse&after=e-3");
});

test("a transport that lasts is kept after any number of cuts", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  for (let time = 1; time <= 4; time++) {
    await settle();
    hub.socket.say(ping(`e-${time}`));
    await pass(10_000);
    hub.socket.end(1006);
    await backoff();
  }
  assert.equal(hub.sockets.length, 5);
  assert.equal(hub.requests.length, 0);
});

test("the goodbye of a server does not count as a failure of the transport", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  for (let time = 1; time <= 4; time++) {
    await settle();
    hub.socket.say(ping("e-1"));
    await settle();
    hub.socket.end(1001);
    await backoff();
  }
  assert.equal(hub.sockets.length, 5);
});

test("an opening that takes too long counts as failed", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t, { openTimeout: 3_000 });
  await pass(2_999);
  assert.equal(hub.requests.length, 0);
  await pass(1);
  assert.ok(hub.socket.isClosed);
  assert.equal(hub.request.url.searchParams.get("transport"), "sse");
});

test("an event stream without a body after its head is not open", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = hub.feed(t, { transports: ["sse", "long-polling"] });
  await settle();
  hub.request.answer(stream().response);
  await pass(9_999);
  assert.equal(feed.state.name, "connecting");
  await pass(1);
  assert.equal(hub.request.url.searchParams.get("transport"), "long-polling");
});

test("a transport that opens and becomes silent is left once its heartbeat is overdue", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  await settle();
  hub.socket.say(ping("e-1", 4_000));
  await pass(7_999);
  assert.equal(hub.requests.length, 0);
  await pass(1);
  assert.ok(hub.socket.isClosed);
  assert.equal(hub.request.url.search, "?transport=sse&after=e-1");
});

test("the heartbeat interval of the server also applies after a notification", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  await settle();
  hub.socket.say(ping("e-1", 4_000));
  hub.socket.say(told(2));
  await pass(8_000);
  assert.ok(hub.socket.isClosed);
});

test("silence after a long time counts as a cut, and the same transport is tried again", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  await settle();
  for (let second = 0; second <= 12; second += 4) {
    hub.socket.say(ping("e-1", 4_000));
    await pass(4_000);
  }
  await pass(4_000);
  assert.ok(hub.socket.isClosed);
  await backoff();
  assert.equal(hub.sockets.length, 2);
  assert.equal(hub.requests.length, 0);
});

test("the heartbeat interval of an event stream is that of its opening comment", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = hub.feed(t, { transports: ["sse"] });
  await settle();
  const body = stream();
  hub.request.answer(body.response);
  body.say(":ping 40000\nid: e-1\n\n");
  await pass(61_999);
  assert.equal(feed.state.name, "open");
  await pass(1);
  assert.notEqual(feed.state.name, "open");
});

test("a better transport replaces an open one, and nothing is emitted twice", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.upgrades = false;
  const { feed, told: heard } = hub.feed(t, { betterAfter: 30_000 });
  await settle();
  const body = stream();
  hub.request.answer(body.response);
  body.say("id: e-1\n\nid: e-2\ndata: x\n\n");
  await settle();
  assert.equal(feed.state.transport, "sse");

  await pass(29_999);
  assert.equal(hub.sockets.length, 1);
  await pass(1);
  assert.equal(hub.sockets.length, 2, "the better transport is tried and fails");
  assert.equal(feed.state.transport, "sse");
  hub.upgrades = true;
  await pass(30_000);
  assert.equal(hub.sockets.length, 2, "the next wait is twice as long");
  body.say("id: e-3\ndata: x\n\n");
  await pass(30_000);
  assert.equal(hub.sockets.length, 3);
  body.say("id: e-4\ndata: x\n\n");
  await settle();
  hub.socket.say(ping("e-3"));
  hub.socket.say(told(4));
  hub.socket.say(told(5));
  await settle();
  assert.deepEqual(heard.notifications, ["e-2", "e-3", "e-4", "e-5"]);
  assert.equal(feed.state.transport, "websocket");
  assert.ok(hub.request.init.signal.aborted, "the other connection is closed");
});

test("the feed waits for the retry: of an event stream", async (t) => {
  ownTime(t, 0);
  const hub = new Hub();
  hub.feed(t, { transports: ["sse"] });
  await settle();
  const body = stream();
  hub.request.answer(body.response);
  body.say("retry: 2500\nid: e-1\n\n");
  await settle();
  body.end();
  await pass(2_999);
  assert.equal(hub.requests.length, 1);
  await pass(1);
  assert.equal(hub.requests.length, 2);
});

test("the feed waits for the Retry-After of a full server and tries no other transport", async (t) => {
  ownTime(t, 0);
  const hub = new Hub();
  hub.feed(t, { transports: ["sse", "long-polling"] });
  await settle();
  hub.request.answer(rejection(503, "full", { "retry-after": "5" }));
  await settle();
  await pass(5_499);
  assert.equal(hub.requests.length, 1);
  await pass(1);
  assert.equal(hub.request.url.searchParams.get("transport"), "sse");
  hub.request.answer(rejection(503, "full", { "retry-after": new Date(Date.now() + 9_000).toUTCString() }));
  await pass(8_000);
  assert.equal(hub.requests.length, 2);
  await pass(2_000);
  assert.equal(hub.requests.length, 3);
  hub.request.answer(rejection(503, "full", { "retry-after": "86400" }));
  await pass(3_610_000);
  assert.equal(hub.requests.length, 4, "the longest wait is an hour");
});

test("a final rejection closes the feed with the server's message", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = hub.feed(t, { transports: ["sse", "long-polling"] });
  await settle();
  hub.request.answer(rejection(400, "bad_topic"));
  await settle();
  assert.equal(feed.state.name, "closed");
  assert.equal(feed.state.error.code, "bad_topic");
  assert.equal(feed.state.error.message, "it is bad_topic");
  assert.equal(hub.requests.length, 1);
});

test("a rejection by a proxy only excludes its transport", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t, { transports: ["sse", "long-polling"] });
  await settle();
  hub.request.answer(json("blocked", 403));
  await settle();
  assert.equal(hub.request.url.searchParams.get("transport"), "long-polling");
});

test("after a rejected token, a fresh one is requested once", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const asked = [];
  const token = (rejected) => asked.push(rejected) && (rejected ? "fresh" : "stale");
  const { feed } = hub.feed(t, { token });
  hub.upgrades = false;
  await settle();
  assert.equal(hub.socket.url.searchParams.get("access_token"), "stale");
  assert.equal(hub.request.init.headers.authorization, "Bearer stale");
  hub.request.answer(rejection(401, "expired"));
  await settle();
  assert.deepEqual(asked, [false, false, true, true], "both transports again");
  assert.equal(hub.request.init.headers.authorization, "Bearer fresh");
  hub.request.answer(rejection(401, "expired"));
  await settle();
  assert.equal(feed.state.error.status, 401);
});

const notAllowed = { goodbye: { reason: "not_allowed", message: "the session has expired" } };
const expiries = {
  websocket(hub) {
    hub.socket.say({ ping: 25_000, id: "e-1" });
    hub.socket.end(1008);
  },
  sse(hub) {
    const body = stream();
    hub.request.answer(body.response);
    body.say(`:ping 25000\nretry: 900\nid: e-1\n\nevent: goodbye\ndata: ${JSON.stringify(notAllowed)}\n\n`);
    body.end();
  },
  "long-polling": (hub) => hub.request.answer(json({ cursor: "e-1", notifications: [], ...notAllowed })),
};

for (const [transport, expire] of Object.entries(expiries)) {
  test(`after the session of a token has expired by ${transport}, the feed connects with a fresh one`, async (t) => {
    ownTime(t);
    const hub = new Hub();
    const asked = [];
    const token = (rejected) => asked.push(rejected) && (rejected ? "fresh" : "stale");
    const { feed } = hub.feed(t, { token, transports: [transport] });
    await settle();
    expire(hub);
    await settle();
    assert.equal(feed.state.name, "waiting", "many sessions may end at the same time");
    await pass(2_500);
    assert.deepEqual(asked, [false, true]);
    expire(hub);
    await pass(10_000);
    assert.deepEqual(asked, [false, true, true], "the fresh one was accepted, and has expired as well");
    assert.notEqual(feed.state.name, "closed");
  });
}

test("if held polls are cut repeatedly, the hold becomes shorter", async (t) => {
  ownTime(t, 0);
  const hub = new Hub();
  hub.feed(t, { transports: ["long-polling"] });
  const wait = () => hub.request.url.searchParams.get("wait");
  const answered = async () => {
    hub.request.answer(json({ cursor: "e-1", notifications: [] }));
    await settle();
  };
  const cut = async (after) => {
    await pass(after);
    hub.request.fail();
    await pass(15_000);
    assert.equal(wait(), "0");
    await answered();
  };
  await settle();
  await answered();
  await cut(0);
  assert.equal(wait(), "25", "one cut does not change the hold");
  await answered();
  await cut(8_000);
  assert.equal(wait(), "25", "two cuts with an answer between them do not change the hold");
  await cut(8_000);
  assert.equal(wait(), "4");
});

test("after its page was suspended, a feed waits for a moment before it assumes silence", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  await settle();
  hub.socket.say(ping("e-1", 4_000));
  await pass(600_000);
  assert.ok(!hub.socket.isClosed);
  hub.socket.say(ping("e-1", 4_000));
  await pass(1_000);
  assert.ok(!hub.socket.isClosed, "it spoke");
  await pass(7_000);
  assert.ok(hub.socket.isClosed);
});

test("when a page is online again, its wait ends, and connections are replaced", async (t) => {
  ownTime(t);
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  const hub = new Hub();
  // A hidden page receives the event as well.
  globalThis.document = { hidden: false };
  t.after(() => delete globalThis.document);
  const { feed } = hub.feed(t);
  await settle();
  hub.socket.say(ping("e-1"));
  await settle();
  hub.socket.end(1006);
  await settle();
  assert.equal(feed.state.name, "waiting");
  page.dispatchEvent(new Event("visibilitychange"));
  await settle();
  assert.equal(hub.sockets.length, 2);

  const [, before] = hub.sockets;
  before.say(ping("e-1"));
  await settle();
  document.hidden = true;
  page.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(hub.sockets.length, 3);
  assert.ok(!before.isClosed, "the old connection is kept until the new one is open");
  hub.socket.say(ping("e-1"));
  await settle();
  assert.ok(before.isClosed);
});

test("feeds of an origin with the same transports begin for ten minutes with the one that worked", async (t) => {
  ownTime(t);
  const kept = new Map();
  const localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  globalThis.window = { localStorage };
  t.after(() => delete globalThis.window);
  const hub = new Hub();
  hub.upgrades = false;
  hub.feed(t);
  await settle();
  const body = stream();
  hub.request.answer(body.response);
  body.say(":ping 25000\nid: e-1\n\n");
  await settle();
  assert.equal(hub.sockets.length, 1);

  hub.feed(t);
  await settle();
  assert.equal(hub.requests.length, 2);
  assert.equal(hub.sockets.length, 1, "the feed begins with SSE");
  await pass(600_000);
  const tried = hub.sockets.length;
  hub.feed(t);
  await settle();
  assert.equal(hub.sockets.length, tried + 1, "the feed begins with the best again");
});

test("a feed that is closed while better transports are tried opens no other one", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.upgrades = false;
  const { feed } = hub.feed(t, { betterAfter: 30_000 });
  await settle();
  hub.request.fail();
  await settle();
  hub.request.answer(json({ cursor: "e-1", notifications: [] }));
  await settle();
  hub.upgrades = true;
  await pass(30_000);
  assert.equal(hub.sockets.length, 2, "the best transport is being opened");
  const asked = hub.requests.length;
  feed.close();
  await settle();
  assert.equal(hub.requests.length, asked);
  assert.equal(feed.state.name, "closed");
});

for (const state of ["connecting", "waiting", "paused"]) {
  test(`a listener of the state ${state} can close the feed at once`, async (t) => {
    ownTime(t);
    const hub = new Hub();
    const feed = tidings("http://hub/topics/a", { WebSocket: hub.WebSocket, transports: ["websocket"], buffer: 1 });
    t.after(() => feed.close());
    feed.on("state", ({ name }) => name === state && feed.close());
    await settle();
    if (state === "paused") for (let seq = 1; seq <= 3; seq++) hub.socket.say(told(seq));
    if (state === "waiting") {
      hub.socket.say(ping("e-0"));
      hub.socket.end(1006);
    }
    await settle();
    assert.equal(feed.state.name, "closed");
    assert.equal(hub.sockets.length, state === "connecting" ? 0 : 1);
  });
}

test("a clock that is set back does not prolong a wait", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t, { transports: ["websocket"] });
  await settle();
  hub.socket.say(ping("e-1"));
  await settle();
  hub.socket.end(1006);
  await settle();
  const { now } = Date;
  t.mock.method(Date, "now", () => now() - 3_600_000);
  await backoff();
  assert.equal(hub.sockets.length, 2);
});

test("a gap to an earlier position and the notifications after it are emitted", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed, told: heard } = hub.feed(t, { after: "e-99" });
  await settle();
  hub.socket.say(ping("e-99"));
  hub.socket.say({ gap: { after: "e-99", resume: "e-10", missed: null, reason: "epoch" } });
  hub.socket.say(told(11));
  await settle();
  assert.equal(heard.gaps.length, 1);
  assert.deepEqual(heard.notifications, ["e-11"]);
  assert.equal(feed.position, "e-11");
});

test("a response that is not a valid event stream is closed", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t, { transports: ["sse"] });
  await settle();
  const [page, broken] = [stream("text/html"), stream()];
  hub.request.answer(page.response);
  await settle();
  assert.ok(hub.request.init.signal.aborted);
  await backoff();
  hub.request.answer(broken.response);
  broken.say("event: gap\ndata: what?\n\n");
  await settle();
  assert.ok(hub.request.init.signal.aborted);
});

test("silence is also found in a hidden page, whose timers are late", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t);
  await settle();
  hub.socket.say(ping("e-1", 4_000));
  for (let minute = 1; minute <= 2; minute++) {
    assert.ok(!hub.socket.isClosed);
    await pass(60_000);
  }
  assert.ok(hub.socket.isClosed);
});

test("a better transport that opens and becomes silent is tried again after twice the time", async (t) => {
  ownTime(t);
  const hub = new Hub();
  const { feed } = hub.feed(t, { transports: ["websocket", "sse"], betterAfter: 30_000 });
  await settle();
  hub.socket.say(ping("e-1", 4_000));
  await pass(8_000);
  const body = stream();
  hub.request.answer(body.response);
  body.say(":ping 1000000\nid: e-1\n\n");
  await pass(59_999);
  assert.equal(feed.state.transport, "sse");
  assert.equal(hub.sockets.length, 1);
  await pass(1);
  assert.equal(hub.sockets.length, 2);
});

test("an error in the server's form with a number as its code is not an error of the server", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.feed(t, { transports: ["sse", "long-polling"] });
  await settle();
  hub.request.answer(rejection(403, 403));
  await settle();
  assert.equal(hub.request.url.searchParams.get("transport"), "long-polling");
});
