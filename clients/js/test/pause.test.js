import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { internal } from "./internal.js";

const { Pause } = await internal("pause");

test("a wait for longer than the maximum of a timer does not end at once", async () => {
  for (const milliseconds of [2 ** 31, Infinity]) {
    const pause = new Pause();
    const wait = pause.sleep(milliseconds).then(() => "over");
    assert.equal(await Promise.race([wait, setTimeout(20, "waits")]), "waits", String(milliseconds));
    pause.wake();
    assert.equal(await wait, "over");
  }
});
