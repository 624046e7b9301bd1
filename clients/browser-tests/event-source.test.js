// The assertions of the Web Platform Tests' folder `eventsource/` about servers, tested with the server's SSE and
// Chromium's EventSource. Each test name begins with the name of the corresponding file.
//
// These files do not apply to a server, or not to this one:
// - dedicated-worker/*, shared-worker/*, eventsource-constructor-*, -url, -prototype, -stringify, -onmessage*, -onopen,
//   -readyState, -close, -bfcache, -request-cancellation, interfaces: the reader's own interface and life
// - format-field-retry-bogus, -empty: the server sends only digits, see format-field-retry
// - format-field-id-null: see format-field-id, no id has a NUL or is empty
// - format-mime-bogus, -valid-bogus, -trailing-semicolon: see format-mime
// - request-redirect, request-post-to-connect: the server does not redirect
// - request-credentials: the server does not use cookies

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

  await t.test("format-field-event: a binary notification is an event of that name, and a text is not", async (t) => {
    const { topic, stream } = await bed.subscribe(t);
    const type = { "content-type": "application/octet-stream" };
    const binary = await hub.publish(topic, Uint8Array.of(0, 10, 13, 255), type);
    const text = await hub.publish(topic, "text");
    assert.deepEqual(await stream.events(2), [
      { type: "binary", data: "AAoN/w==", lastEventId: binary },
      { type: "message", data: "text", lastEventId: text },
    ]);
  });

  await t.test("format-field-event: a text with an event name is an event of that name, and a binary one is still `binary`", async (t) => {
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

  await t.test('format-field-id-3: every event has its own id, and a payload "id" does not reset it', async (t) => {
    const { topic, stream } = await bed.subscribe(t);
    const published = [];
    for (const payload of ["one", "id", "id:", "four"]) published.push(await hub.publish(topic, payload));
    const told = (await stream.events(4)).map(({ lastEventId }) => lastEventId);
    assert.deepEqual(told, published);
    assert.equal(new Set(told).size, 4);
  });

  await t.test("format-field-unknown: the line with the topic is ignored", async (t) => {
    const { topic, stream } = await bed.subscribe(t, "*");
    const one = topic.replace("*", "one");
    const lastEventId = await hub.publish(one, "x\ntopic: y");
    assert.deepEqual(await stream.events(1), [{ type: "message", data: "x\ntopic: y", lastEventId }]);
    const { text } = await rawStream(hub, topic, lastEventId);
    assert.match(text, new RegExp(`^topic: ${one}$`, "m"));
  });

  await t.test("user-agent-announce-connection: a stream opens before anything is published", async (t) => {
    const { stream } = await bed.subscribe(t);
    assert.deepEqual(await stream.events(0), []);
  });

  await t.test("request-accept: a request of EventSource is answered by SSE without a parameter in the URL", async (t) => {
    const { stream } = await bed.subscribe(t);
    const { headers, url } = bed.proxy.requests.at(-1);
    assert.equal(headers.accept, "text/event-stream");
    assert.equal(url.search, "");
  });

  await t.test("request-cache-control: a stream is not stored, and a second one is new", async (t) => {
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

test("the bytes follow the format", async (t) => {
  const hub = await startHub();
  t.after(() => hub.close());
  const id = await hub.publish("news", "…");
  const { type, cache, text } = await rawStream(hub, "news", id);

  await t.test("format-mime: the type is exactly text/event-stream", () => {
    assert.equal(type, "text/event-stream");
  });
  await t.test("request-cache-control: proxies may not store or change it", () => {
    assert.equal(cache, "no-store, no-transform");
  });
  await t.test("format-utf-8, format-bom: it is UTF-8 and begins with a comment, not with a byte order mark", () => {
    assert.match(text, /^:/);
    assert.match(text, /^data: …$/m);
  });
  await t.test("format-field-retry: one reconnection time of only digits, between one and three seconds", () => {
    const times = [...text.matchAll(/^retry(.*)$/gm)].map(([, rest]) => rest);
    assert.equal(times.length, 1);
    assert.match(times[0], /^: \d{4}$/);
    assert.ok(Number(times[0].slice(2)) >= 1000 && Number(times[0].slice(2)) <= 3000, times[0]);
  });
  await t.test("format-field-id: an id is letters, digits and a hyphen, and the first one has no event", () => {
    assert.match(text, /^id: [a-z0-9]+-0\n\nid: [a-z0-9]+-1\ndata: …\n\n$/m);
  });
  await t.test("format-field-event-empty: a text has no line for an event name", () => {
    assert.doesNotMatch(text, /^event/m);
  });
});

describe("a reader that reconnects has lost nothing", { concurrency: true }, () => {
  test("eventsource-reconnect, format-field-id-2: a cut stream resumes after the last event", async (t) => {
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
    assert.ok(back.at - cutAt >= 1000, "format-field-retry: the server's time is used");
    const told = (await stream.events(3)).map(({ lastEventId }) => lastEventId);
    assert.deepEqual(told, ids);
  });

  test("eventsource-reconnect: a stream that is cut before its first event resumes from its opening", async (t) => {
    const { hub, proxy, page } = await brittleBed(t);
    await hub.publish("news", "long ago");
    const stream = await openEventSource(page, "/topics/news");
    await stream.opened();
    proxy.cut();
    await stream.firstError();
    const lastEventId = await hub.publish("news", "meanwhile");
    assert.deepEqual(await stream.events(1), [{ type: "message", data: "meanwhile", lastEventId }]);
  });

  test("format-field-id-3: a heartbeat moves the last event id without an event", async (t) => {
    const { hub, proxy, page } = await brittleBed(t, "--heartbeat", "1");
    let elsewhere;
    // When the next heartbeat is sent, the reader has read the previous one.
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

  test("format-data-before-final-empty-line: an event that is cut in the middle arrives completely and once", async (t) => {
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

  test("eventsource-eventtarget: a gap is an event with the id to resume from", async (t) => {
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

  test("request-status-error: a server that ends sends a goodbye without an id and ends the body", async (t) => {
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

  test("request-status-error: an invalid filter (400) closes it finally", async (t) => {
    const { page } = await brittleBed(t);
    const stream = await openEventSource(page, "/topics/a..b");
    assert.equal(await stream.firstError(), "closed");
  });

  test("request-status-error: a full server sends a goodbye, and the browser reconnects", async (t) => {
    const { page } = await brittleBed(t, "--clients", "1");
    const first = await openEventSource(page, "/topics/news");
    await first.opened();
    const second = await openEventSource(page, "/topics/news");
    assert.equal(await second.firstError(), "connecting");
    const [goodbye] = await second.events(1);
    assert.equal(goodbye.type, "goodbye");
    assert.equal(JSON.parse(goodbye.data).goodbye.reason, "full");
  });

  test("eventsource-cross-origin: a page of a listed origin can read", async (t) => {
    const { proxy, page } = await brittleBed(t);
    const hub = await startHub("--allow-origin", proxy.url);
    t.after(() => hub.close());
    const stream = await openEventSource(page, `${hub.url}/topics/news`);
    await stream.opened();
    const lastEventId = await hub.publish("news", "x");
    assert.deepEqual(await stream.events(1), [{ type: "message", data: "x", lastEventId }]);
    await stream.close();
  });

  test("eventsource-cross-origin, -preflight: a page of an unlisted origin cannot read", async (t) => {
    const { hub, page } = await brittleBed(t);
    const stream = await openEventSource(page, `${hub.url}/topics/news`);
    assert.equal(await stream.firstError(), "closed");
  });
});

/** Returns a testbed whose `subscribe` opens an EventSource of a separate topic, which is closed after the (sub)test. */
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

/** Returns a testbed in which connections break. */
function brittleBed(t, ...options) {
  return testbed(t, browser, { options, expected: [NETWORK] });
}

/** Returns the head of a stream from the earliest notification, and its text up to the event with this id. */
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
