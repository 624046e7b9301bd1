// Which answers end a feed and which are retried, by the tables in docs/protocol.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { webTransport } from "../dist/webtransport.js";
import { Hub, ownTime, pass, rejection, settle, stream } from "./support.js";

const PAGE = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
const SECTION = PAGE.split("## What ends a client, and what it retries")[1];

/** Returns the rows of the table with this caption: the words of the first cell, and the unchanged other cells. */
function rows(caption) {
  const lines = SECTION.split(`**${caption}**`)[1].split("\n");
  const begin = lines.findIndex((line) => line.startsWith("|"));
  const table = lines.slice(begin, lines.indexOf("", begin)).slice(2);
  const cells = table.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  return cells.map(([first, ...others]) => [first.replaceAll("`", "").split(" "), ...others]);
}

/** Returns `ends` if this event ends a feed with an error, and `retries` if the feed waits for another attempt. */
async function ends(t, transport, act) {
  const hub = new Hub();
  const { WebTransport } = hub;
  const transports = [transport === "webtransport" ? webTransport({ WebTransport }) : transport];
  const { feed } = hub.feed(t, { transports });
  await settle();
  await act(hub);
  await settle();
  if (feed.state.name === "closed") assert.ok(feed.state.error);
  else assert.equal(feed.state.name, "waiting");
  return feed.state.name === "closed" ? "ends" : "retries";
}

test("a feed follows the table for answers of the server and of proxies", async (t) => {
  ownTime(t);
  const answers = rows("Responses");
  assert.ok(answers.length > 5);
  const row = (word) => answers.find(([words]) => words.includes(word));
  for (let status = 201; status < 600; status++) {
    const [, expected] = row(String(status)) ?? row(`${String(status)[0]}xx`);
    const body = [204, 205, 304].includes(status) ? null : "<p>";
    const answer = () => new Response(body, { status });
    for (const transport of ["sse", "long-polling"]) {
      const ended = await ends(t, transport, (hub) => hub.request.answer(answer()));
      assert.equal(ended, expected, `${status} by ${transport}`);
    }
    if (status < 400) continue;
    const ended = await ends(t, "webtransport", (hub) => hub.session.end(status, "some_code: a message"));
    assert.equal(ended, expected, `${status} by webtransport`);
  }
});

test("a publish follows the same table for answers of the server and of proxies", async (t) => {
  ownTime(t);
  for (const [words, expected] of rows("Responses")) {
    for (const status of words.map(Number).filter((status) => status > 0 && status !== 401)) {
      const hub = new Hub();
      const { feed } = hub.feed(t);
      const failed = feed.publish("x").catch((error) => error.status);
      await settle();
      hub.request.answer(new Response(null, { status }));
      if (expected === "ends") {
        assert.equal(await failed, status);
      } else {
        await pass(2_000);
        assert.equal(hub.requests.length, 2, `${status}`);
      }
    }
  }
  for (const status of [400, 405, 413, 415]) {
    const hub = new Hub();
    const failed = hub.feed(t).feed.publish("x");
    await settle();
    hub.request.answer(new Response("<h1>nginx</h1>", { status }));
    await assert.rejects(failed, { name: "Rejection", status, code: undefined });
    assert.equal(hub.requests.length, 1);
  }
});

test("a feed follows the table of goodbyes, on every transport", async (t) => {
  ownTime(t);
  const goodbyes = rows("Goodbyes");
  const [, , other] = goodbyes.pop();
  assert.ok(goodbyes.length > 5);
  const said = (reason) => ({ goodbye: { reason, message: `it is ${reason}` } });
  const bySse = (reason, opening) => (hub) => {
    const body = stream();
    hub.request.answer(body.response);
    body.say(`${opening}event: goodbye\ndata: ${JSON.stringify(said(reason))}\n\n`);
    body.end();
  };
  const byPoll = (reason) => (hub) =>
    hub.request.answer(Response.json({ cursor: "e-1", notifications: [], ...said(reason) }));
  const byWebSocket = (code) => (hub) => {
    hub.socket.say({ ping: 25_000, id: "e-1" });
    hub.socket.end(code);
  };
  const byCloseCode = (code) => (hub) => {
    hub.session.say({ ping: 25_000, id: "e-1" });
    hub.session.end(code);
  };
  const byLine = (reason, opening) => (hub) => hub.session.say(...opening, said(reason));
  const cases = goodbyes.flatMap(([reasons, code, expected]) => reasons.map((reason) => [reason, Number(code), expected]));
  for (const [reason, code, expected] of [...cases, ["unheard_of", 4000, other], ["unheard_of", 1006, other]]) {
    assert.equal(await ends(t, "websocket", byWebSocket(code)), expected, `${code}`);
    assert.equal(await ends(t, "webtransport", byCloseCode(code)), expected, `${code} of a session`);
    for (const opening of [[], [{ ping: 25_000, id: "e-1" }]]) {
      assert.equal(await ends(t, "webtransport", byLine(reason, opening)), expected, `${reason} of a session`);
    }
    assert.equal(await ends(t, "long-polling", byPoll(reason)), expected, `${reason} in a poll`);
    for (const opening of ["", "retry: 900\n", "retry: 900\n\n", ":ping 25000\nretry: 900\nid: e-1\n\n"]) {
      assert.equal(await ends(t, "sse", bySse(reason, opening)), expected, `${reason} after ${opening}`);
    }
  }
});

for (const reason of ["full", "going_away", "unavailable"]) {
  test(`an event stream that begins with the goodbye ${reason} counts as a 503`, async (t) => {
    ownTime(t, 0);
    const hub = new Hub();
    const { feed, told } = hub.feed(t, { transports: ["sse", "long-polling"] });
    for (let time = 1; time <= 4; time++) {
      await settle();
      assert.equal(hub.requests.length, time);
      assert.equal(hub.request.url.searchParams.get("transport"), "sse", "another transport would not help");
      const body = stream();
      hub.request.answer(body.response);
      const data = JSON.stringify({ goodbye: { reason, message: "come back" } });
      body.say(`:ping 25000\nretry: 5000\n\nevent: goodbye\ndata: ${data}\n\n`);
      body.end();
      await settle();
      assert.equal(feed.state.name, "waiting");
      assert.equal(feed.state.reason, "come back");
      globalThis.dispatchEvent?.(new Event("online"));
      await pass(4_999);
      assert.equal(hub.requests.length, time, "not before its retry:");
      await pass(500 * 2 ** (time - 1) + 1);
    }
    assert.ok(!told.states.some(({ name }) => name === "open"));
  });
}

test("after the feed was open, a 404 of a proxy is retried, and a 404 of the server ends the feed", async (t) => {
  ownTime(t);
  const notFound = () => new Response("no backend", { status: 404 });
  assert.equal(await ends(t, "sse", (hub) => hub.request.answer(notFound())), "ends");
  const reopened = (answer) => async (hub) => {
    const body = stream();
    hub.request.answer(body.response);
    body.say("id: e-1\n\n");
    await settle();
    body.cut();
    await pass(2_000);
    hub.request.answer(answer);
  };
  assert.equal(await ends(t, "sse", reopened(notFound())), "retries");
  assert.equal(await ends(t, "sse", reopened(rejection(404, "not_found"))), "ends");
});

test("an answer of a proxy ends only its transport, and the feed ends once all transports have ended", async (t) => {
  ownTime(t);
  const hub = new Hub();
  hub.upgrades = false;
  const { feed } = hub.feed(t);
  const blocked = () => hub.request.answer(new Response("blocked", { status: 403 }));
  const next = async (transport) => {
    await settle();
    assert.equal(hub.request.url.searchParams.get("transport"), transport);
  };
  await next("sse");
  blocked();
  await next("long-polling");
  hub.request.answer(new Response("later", { status: 502 }));
  await settle();
  assert.equal(feed.state.name, "waiting");
  await pass(2_000);
  await next("sse");
  blocked();
  await next("long-polling");
  blocked();
  await settle();
  assert.deepEqual([feed.state.name, feed.state.error?.status], ["closed", 403]);
});

test("the first wait is at least half a second", async (t) => {
  ownTime(t, 0);
  const hub = new Hub();
  hub.feed(t, { transports: ["sse"] });
  await settle();
  hub.request.fail();
  await pass(499);
  assert.equal(hub.requests.length, 1);
  await pass(1);
  assert.equal(hub.requests.length, 2);
});
