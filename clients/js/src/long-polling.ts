import { now } from "./clock.js";
import { goodbye } from "./rejection.js";
import { request } from "./request.js";
import type { Opening } from "./transport.js";

/** By one request after the other, each held until there is news. */
export async function longPolling(opening: Opening): Promise<void> {
  const { url, polls, signal, hear, room } = opening;
  // The first is not held: its answer shows that this way is open.
  for (let hold = 0; ; hold = polls.hold) {
    const since = now();
    let answer;
    try {
      answer = await (await request(opening, url({ wait: String(hold) }))).json();
    } catch (error) {
      // Once may have been the network or the hub.
      if (hold > 0 && !signal.aborted && polls.cuts++) {
        polls.hold = shorter(Math.min(hold * 1000, now() - since));
      }
      throw error;
    }
    if (hold > 0) polls.cuts = 0;
    if (answer.gap) hear(answer);
    for (const frame of answer.notifications) {
      await room();
      // The listener may have closed the feed: then this one and the cursor are for later.
      if (signal.aborted) return;
      hear(frame);
    }
    hear({ id: answer.cursor, ping: polls.hold * 1000 });
    if (answer.goodbye) throw goodbye(answer.goodbye);
  }
}

/**
 * A proxy may cut what is held for longer than it likes: half of that is asked for next. It can look longer than it
 * was, and even than it should have been: browsers repeat a request once by themselves where an idle connection broke.
 */
function shorter(held: number): number {
  return Math.max(1, Math.floor(held / 2000));
}
