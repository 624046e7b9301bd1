// The client in Node with a server, without a browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { tidings } from "tidings";
import { WebSocket } from "undici";
import { startHub } from "./support/hub.js";
import { PATIENCE } from "./support/patience.js";

let hub;
before(async () => (hub = await startHub()));
after(() => hub.close());

for (const [name, options] of [
  ["websocket", { WebSocket }],
  ["sse", { transports: ["sse"] }],
  ["long-polling", { transports: ["long-polling"] }],
]) {
  test(`a feed receives its own text and binary publishes by ${name}, with topic and headers`, async (t) => {
    const topic = `node.${name}`;
    const feed = tidings(`${hub.url}/topics/node.*`, options);
    t.after(() => feed.close());
    const opened = new Promise((resolve) => feed.on("state", ({ name }) => name === "open" && resolve()));
    await opened;
    assert.equal(feed.state.transport, name);
    const headers = { event: "order.created", content_type: "image/png", time: Date.now() };
    const ids = [
      await feed.publish("café\nfig", topic),
      await feed.publish(Uint8Array.of(0, 255), { topic, ...headers }),
      await feed.publish("text", { topic, event: "order.created" }),
    ];
    const read = [];
    for await (const notification of feed) {
      if (notification.topic === topic) read.push(notification);
      if (read.length === 3) break;
    }
    assert.deepEqual(read, [
      { id: ids[0], topic, headers: {}, data: "café\nfig" },
      { id: ids[1], topic, headers, data: Uint8Array.of(0, 255) },
      { id: ids[2], topic, headers: { event: "order.created" }, data: "text" },
    ]);
  });
}

test("a program can end after it has closed its feed", async () => {
  const program = `
    import { tidings } from "tidings";
    const feed = tidings("${hub.url}/topics/short", { after: "earliest" });
    await feed.publish("x");
    for await (const { data } of feed) { console.log(data); break; }
    feed.close();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: PATIENCE,
  });
  let output = "";
  child.stdout.on("data", (data) => (output += data));
  const [code] = await once(child, "exit");
  assert.deepEqual([code, output], [0, "x\n"]);
});
