// The assertions of the Web Platform Tests' folder `eventsource/` that ask something of a server, held against the
// hub's SSE by Chromium's own EventSource. Each test begins with the name of the file there that it stands for.
//
// What asks nothing of a server, or not of this one:
// - dedicated-worker/*, shared-worker/*, eventsource-constructor-*, -url, -prototype, -stringify, -onmessage*, -onopen,
//   -readyState, -close, -bfcache, -request-cancellation, interfaces: the reader's own interface and life
// - format-field-retry-bogus, -empty: the hub sends digits only, see format-field-retry
// - format-field-id-null: see format-field-id, no id has a NUL or is empty
// - format-mime-bogus, -valid-bogus, -trailing-semicolon: see format-mime
// - request-redirect, request-post-to-connect: the hub redirects nowhere
// - request-credentials: the hub knows no cookies

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { testbed } from "./support/bed.js";
import { NETWORK, launchBrowser } from "./support/browser.js";
import { openEventSource } from "./support/event-source.js";
import { startHub } from "./support/hub.js";
import { PAYLOADS } from "./support/payloads.js";
import { dropsMidFrame } from "./support/ways.js";

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

test("each payload of text arrives as it was published", async (t) => {
  const bed = await payloadBed(t);
  for (const [file, sentence, payload, data = payload] of PAYLOADS) {
    await t.test(`${file}: ${sentence}`, async (t) => {
      const { topic, stream } = await bed.subscribe(t);
      const lastEventId = await bed.hub.publish(topic, payload);
      assert.deepEqual(await stream.events(1), [{ type: "message", data, lastEventId }]);
    });
  }
});

test("each event has its name, and each id is a position", async (t) => {
  const bed = await payloadBed(t);
  const { hub } = bed;

  await t.test("format-field-event: a binary notification is an event of that name, a text is none", async (t) => {
    const { topic, stream } = await bed.subscribe(t);
    const type = { "content-type": "application/octet-stream" };
    const binary = await hub.publish(topic, Uint8Array.of(0, 10, 13, 255), type);
    const text = await hub.publish(topic, "text");
    assert.deepEqual(await stream.events(2), [
      { type: "binary", data: "AAoN/w==", lastEventId: binary },
      { type: "message", data: "text", lastEventId: text },
    ]);
  });

  await t.test("format-field-event: a text with an event name is an event of that name, a binary stays one of its kind", async (t) => {
    const { topic, stream } = await bed.subscribe(t);
    const headers = { "tidings-event": "order.created", "tidings-time": "7", "content-type": "application/json" };
    const text = await hub.publish(topic, "{}", headers);
    const binary = await hub.publish(topic, "{}", { ...headers, "tidings-kind": "binary" });
    const plain = await hub.publish(topic, "plain");
    assert.deepEqual(await stream.events(3), [
      { type: "order.created", data: "{}", lastEventId: text },
      { type: "binary", data: "e30=", lastEventId: binary },
      { type: "message", data: "plain", lastEventId: plain },
    ]);
  });

  await t.test('format-field-id-3: every event has an id of its own, and a payload "id" does not reset it', async (t) => {
    const { topic, stream } = await bed.subscribe(t);
    const published = [];
    for (const payload of ["one", "id", "id:", "four"]) published.push(await hub.publish(topic, payload));
    const told = (await stream.events(4)).map(({ lastEventId }) => lastEventId);
    assert.deepEqual(told, published);
    assert.equal(new Set(told).size, 4);
  });

  await t.test("format-field-unknown: the topic's line of a stream of several topics is passed over", async (t) => {
    const { topic, stream } = await bed.subscribe(t, "*");
    const one = topic.replace("*", "one");
    const lastEventId = await hub.publish(one, "x\ntopic: y");
    assert.deepEqual(await stream.events(1), [{ type: "message", data: "x\ntopic: y", lastEventId }]);
    const { text } = await rawStream(hub, topic, lastEventId);
    assert.match(text, new RegExp(`^topic: ${one}$`, "m"));
  });

  await t.test("user-agent-announce-connection: a stream opens before anything was published", async (t) => {
    const { stream } = await bed.subscribe(t);
    assert.deepEqual(await stream.events(0), []);
  });

  await t.test("request-accept: what EventSource asks for is answered by SSE, with no parameter of the URL", async (t) => {
    const { stream } = await bed.subscribe(t);
    const { headers, url } = bed.proxy.requests.at(-1);
    assert.equal(headers.accept, "text/event-stream");
    assert.equal(url.search, "");
  });

  await t.test("request-cache-control: nothing of a stream is stored, and a second one is new", async (t) => {
    const { topic, stream } = await bed.subscribe(t);
    await hub.publish(topic, "first");
    await stream.events(1);
    await stream.close();
    const again = await openEventSource(bed.page, `/topics/${topic}`);
    await again.opened();
    const second = await hub.publish(topic, "second");
    assert.deepEqual(await again.events(1), [{ type: "message", data: "second", lastEventId: second }]);
    await again.close();
  });
});

test("the bytes are those that the format asks for", async (t) => {
  const hub = await startHub();
  t.after(() => hub.close());
  const id = await hub.publish("news", "…");
  const { type, cache, text } = await rawStream(hub, "news", id);

  await t.test("format-mime: the type is text/event-stream and nothing else", () => {
    assert.equal(type, "text/event-stream");
  });
  await t.test("request-cache-control: nothing on the way may store or change it", () => {
    assert.equal(cache, "no-store, no-transform");
  });
  await t.test("format-utf-8, format-bom: it is UTF-8 and begins with a comment, not with a byte order mark", () => {
    assert.match(text, /^:/);
    assert.match(text, /^data: …$/m);
  });
  await t.test("format-field-retry: one reconnection time, digits only, between one and three seconds", () => {
    const times = [...text.matchAll(/^retry(.*)$/gm)].map(([, rest]) => rest);
    assert.equal(times.length, 1);
    assert.match(times[0], /^: \d{4}$/);
    assert.ok(Number(times[0].slice(2)) >= 1000 && Number(times[0].slice(2)) <= 3000, times[0]);
  });
  await t.test("format-field-id: an id is letters, digits and a hyphen, the first of them without an event", () => {
    assert.match(text, /^id: [a-z0-9]+-0\n\nid: [a-z0-9]+-1\ndata: …\n\n$/m);
  });
  await t.test("format-field-event-empty: a text has no line of an event's name at all", () => {
    assert.doesNotMatch(text, /^event/m);
  });
});

describe("a reader that comes back has lost nothing", { concurrency: true }, () => {
  test("eventsource-reconnect, format-field-id-2: a stream that is cut goes on behind the last event", async (t) => {
    const { hub, proxy, page } = await brittleBed(t);
    const stream = await openEventSource(page, "/topics/news");
    await stream.opened();
    const ids = [await hub.publish("news", "1")];
    await stream.events(1);
    const cutAt = performance.now();
    proxy.cut();
    assert.equal(await stream.firstError(), "connecting");
    ids.push(await hub.publish("news", "2"), await hub.publish("news", "3"));

    const back = await proxy.requested(({ headers }) => headers["last-event-id"]);
    assert.equal(back.headers["last-event-id"], ids[0]);
    assert.ok(back.at - cutAt >= 1000, "format-field-retry: the hub's time is kept");
    const told = (await stream.events(3)).map(({ lastEventId }) => lastEventId);
    assert.deepEqual(told, ids);
  });

  test("eventsource-reconnect: a stream that is cut before its first event resumes where it was opened", async (t) => {
    const { hub, proxy, page } = await brittleBed(t);
    await hub.publish("news", "long ago");
    const stream = await openEventSource(page, "/topics/news");
    await stream.opened();
    proxy.cut();
    await stream.firstError();
    const lastEventId = await hub.publish("news", "meanwhile");
    assert.deepEqual(await stream.events(1), [{ type: "message", data: "meanwhile", lastEventId }]);
  });

  test("format-field-id-3: a heartbeat moves the last event id on and makes no event", async (t) => {
    const { hub, proxy, page } = await brittleBed(t, "--heartbeat", "1");
    let elsewhere;
    // By its next heartbeat the reader has surely read the one before.
    const cutsAtTheNextHeartbeat = {
      pass: (from, to) => {
        let heard = 0;
        from.on("data", (chunk) => {
          if (chunk.includes(`id: ${elsewhere}\n`) && ++heard === 2) to.destroy();
          else to.write(chunk);
        });
      },
    };
    proxy.misbehave(cutsAtTheNextHeartbeat, ["sse"], 1);
    const stream = await openEventSource(page, "/topics/quiet");
    await stream.opened();
    elsewhere = await hub.publish("elsewhere", "not for this reader");
    const back = await proxy.requested(({ headers }) => headers["last-event-id"]);
    assert.equal(back.headers["last-event-id"], elsewhere);
    assert.deepEqual(await stream.events(0), []);
  });

  test("format-data-before-final-empty-line: an event that is cut in its middle arrives whole, and once", async (t) => {
    const { hub, proxy, page } = await brittleBed(t);
    proxy.misbehave(dropsMidFrame, ["sse"], 1);
    const stream = await openEventSource(page, "/topics/news");
    await stream.opened();
    const first = await hub.publish("news", "x".repeat(1000));
    const second = await hub.publish("news", "y");
    assert.deepEqual(await stream.events(2), [
      { type: "message", data: "x".repeat(1000), lastEventId: first },
      { type: "message", data: "y", lastEventId: second },
    ]);
  });

  test("eventsource-eventtarget: a gap is an event of its own, with the id to go on from", async (t) => {
    const { hub, page } = await brittleBed(t, "--retain", "5");
    const first = await hub.publish("news", "0");
    let resume;
    for (let n = 1; n <= 10; n++) {
      const id = await hub.publish("news", String(n));
      if (n === 5) resume = id;
    }
    const stream = await openEventSource(page, `/topics/%3E?last_event_id=${first}`);
    const [gap, next] = await stream.events(6);
    assert.equal(gap.type, "gap");
    assert.equal(gap.lastEventId, resume);
    assert.deepEqual(JSON.parse(gap.data), { gap: { after: first, resume, missed: 5, reason: "evicted" } });
    assert.equal(next.data, "6");
  });

  test("request-status-error: a hub that goes says so, without an id, and ends the body", async (t) => {
    const { hub, page } = await brittleBed(t);
    const stream = await openEventSource(page, "/topics/news");
    await stream.opened();
    const id = await hub.publish("news", "x");
    await stream.events(1);
    await hub.close();
    assert.equal(await stream.firstError(), "connecting");
    const goodbye = (await stream.events(2))[1];
    assert.equal(goodbye.type, "goodbye");
    assert.equal(goodbye.lastEventId, id);
    assert.equal(JSON.parse(goodbye.data).goodbye.reason, "going_away");
  });

  test("request-status-error: a filter that cannot be read (400) ends it for good", async (t) => {
    const { page } = await brittleBed(t);
    const stream = await openEventSource(page, "/topics/a..b");
    assert.equal(await stream.firstError(), "closed");
  });

  test("request-status-error: a hub without a seat says so, and the browser tries again", async (t) => {
    const { page } = await brittleBed(t, "--clients", "1");
    const first = await openEventSource(page, "/topics/news");
    await first.opened();
    const second = await openEventSource(page, "/topics/news");
    assert.equal(await second.firstError(), "connecting");
    const [goodbye] = await second.events(1);
    assert.equal(goodbye.type, "goodbye");
    assert.equal(JSON.parse(goodbye.data).goodbye.reason, "full");
  });

  test("eventsource-cross-origin: a page of a listed origin reads as one of the hub's own", async (t) => {
    const { proxy, page } = await brittleBed(t);
    const hub = await startHub("--allow-origin", proxy.url);
    t.after(() => hub.close());
    const stream = await openEventSource(page, `${hub.url}/topics/news`);
    await stream.opened();
    const lastEventId = await hub.publish("news", "x");
    assert.deepEqual(await stream.events(1), [{ type: "message", data: "x", lastEventId }]);
    await stream.close();
  });

  test("eventsource-cross-origin, -preflight: a page of an origin that is not listed can read nothing", async (t) => {
    const { hub, page } = await brittleBed(t);
    const stream = await openEventSource(page, `${hub.url}/topics/news`);
    assert.equal(await stream.firstError(), "closed");
  });
});

/** A testbed whose `subscribe` opens an EventSource of a topic of its own, which is closed with the (sub)test. */
async function payloadBed(t) {
  const bed = await testbed(t, browser);
  let topics = 0;
  const subscribe = async (t, last = "x") => {
    const topic = `t${++topics}.${last}`;
    const stream = await openEventSource(bed.page, `/topics/${topic}`);
    t.after(() => stream.close());
    await stream.opened();
    return { topic, stream };
  };
  return { ...bed, subscribe };
}

/** A testbed in which connections break. */
function brittleBed(t, ...options) {
  return testbed(t, browser, { options, expected: [NETWORK] });
}

/** The head of a stream from the earliest on, and its text up to the event of this id. */
async function rawStream(hub, topic, id) {
  const headers = { accept: "text/event-stream" };
  const answer = await fetch(`${hub.url}/topics/${topic}?after=earliest`, { headers });
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for await (const chunk of answer.body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes(`id: ${id}\n`) && text.endsWith("\n\n")) break;
  }
  return { type: answer.headers.get("content-type"), cache: answer.headers.get("cache-control"), text };
}
