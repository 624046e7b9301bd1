import assert from "node:assert/strict";
import { test } from "node:test";
import { internal } from "./internal.js";

const { isAhead } = await internal("position");

test("a position is ahead if its number is higher or its epoch is different", () => {
  assert.ok(isAhead("e-10", "e-9"));
  assert.ok(!isAhead("e-9", "e-10"));
  assert.ok(!isAhead("e-9", "e-9"));
  assert.ok(isAhead("f-1", "e-9"));
  assert.ok(isAhead("e-0", undefined));
  assert.ok(isAhead("e-0", "earliest"));
  assert.ok(isAhead("e-4", "latest"));
});

test("a position within a snapshot is between its id and the next one", () => {
  assert.ok(isAhead("e-7.42", "e-7"));
  assert.ok(isAhead("e-8", "e-7.42"));
  assert.ok(isAhead("e-8.42", "e-7.42"));
  assert.ok(!isAhead("e-7", "e-7.42"));
  assert.ok(!isAhead("e-7.42", "e-8"));
  assert.ok(!isAhead("e-7.42", "e-7.42"));
});
