import { now } from "./clock.js";
import { goodbye } from "./ending.js";
import { request } from "./request.js";
import type { Opening } from "./transport.js";

/** Sends one request after another. The server holds each until there is a notification. */
export async function longPolling(opening: Opening): Promise<void> {
  const { url, polls, signal, receive, room } = opening;
  // The first request is not held. Its answer shows that the transport works.
  for (let hold = 0; ; hold = polls.hold) {
    const since = now();
    let answer;
    try {
      answer = await (await request(opening, url({ wait: String(hold) }))).json();
    } catch (error) {
      // Only after the second failure in a row, because the first may have another cause.
      if (hold > 0 && !signal.aborted && polls.cuts++) {
        polls.hold = shorter(Math.min(hold * 1000, now() - since));
      }
      throw error;
    }
    if (hold > 0) polls.cuts = 0;
    if (answer.gap) receive(answer);
    for (const frame of answer.notifications) {
      await room();
      // If the feed was closed or held meanwhile, this notification and the cursor are requested again later.
      if (signal.aborted) return;
      receive(frame);
    }
    receive({ id: answer.cursor, ping: polls.hold * 1000 });
    if (answer.goodbye) throw goodbye(answer.goodbye);
  }
}

/**
 * Returns half of the time after which a held request was cut, in seconds, because a proxy may have a time limit. The
 * measured time can be too long, even longer than the hold, because browsers repeat a request if an idle connection
 * broke.
 */
function shorter(held: number): number {
  return Math.max(1, Math.floor(held / 2000));
}
