import assert from "node:assert/strict";
import { test } from "node:test";
import { internal } from "./internal.js";

const { EventStream } = await internal("event-stream");
const bytes = (text) => new TextEncoder().encode(text);

function read(text, size = text.length) {
  const stream = new EventStream();
  const all = bytes(text);
  const blocks = [];
  for (let at = 0; at < all.length; at += size) blocks.push(...stream.blocks(all.subarray(at, at + size)));
  return { blocks, ping: stream.ping, retry: stream.retry };
}

const TEXT =
  "\uFEFF:ping 3000\nretry: 900\nid: e-1\n\n" +
  "id: e-2\r\ndata: seven\r\ndata:\u00a0teapots \u{1FAD6}\r\n\r\n" +
  "topic: a.b\rid: e-3\revent: binary\rdata: AP8=\r\r" +
  "retry: soon\n:comment\n:17\n\ndata\n\ndata:  two spaces\n\n";

const BLOCKS = [
  { id: "e-1" },
  { id: "e-2", data: "seven\n\u00a0teapots \u{1FAD6}" },
  { event: "binary", topic: "a.b", id: "e-3", data: "AP8=" },
  {},
  { data: "" },
  { data: " two spaces" },
];

test("a stream has the same blocks wherever its bytes are split", () => {
  for (let size = 1; size <= 40; size++) {
    assert.deepEqual(read(TEXT, size), { blocks: BLOCKS, ping: 3000, retry: 900 }, `in pieces of ${size}`);
  }
});

test("a block without a blank line after it is not returned", () => {
  assert.deepEqual(read("data: half\n").blocks, []);
});
