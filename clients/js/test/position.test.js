import assert from "node:assert/strict";
import { test } from "node:test";
import { internal } from "./internal.js";

const { isAhead } = await internal("position");

test("ahead is a higher number of the same history, or another history", () => {
  assert.ok(isAhead("e-10", "e-9"));
  assert.ok(!isAhead("e-9", "e-10"));
  assert.ok(!isAhead("e-9", "e-9"));
  assert.ok(isAhead("f-1", "e-9"));
  assert.ok(isAhead("e-0", undefined));
  assert.ok(isAhead("e-0", "earliest"));
});
