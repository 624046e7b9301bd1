import { refusal } from "./refusal.js";
import { authorization, notification, type Ear, type Opening } from "./transport.js";

/** By one request after the other, each held until there is news. */
export async function longPolling(opening: Opening, ear: Ear): Promise<void> {
  const { url, token, polls, signal, fetch } = opening;
  // The first is not held: its answer shows that this way is open.
  for (let hold = 0; ; hold = polls.hold) {
    const since = Date.now();
    const answer = await poll(url({ wait: String(hold) })).catch((error) => {
      // Once may have been the network or the hub.
      if (hold > 0 && !signal.aborted && polls.cuts++) {
        polls.hold = shorter(Math.min(hold * 1000, Date.now() - since));
      }
      throw error;
    });
    if (hold > 0) polls.cuts = 0;
    if (answer.gap) ear.gap(answer.gap);
    for (const told of answer.notifications) {
      await ear.room();
      // Whoever hears may have had enough: then this one and the cursor are for later.
      if (signal.aborted) return;
      ear.notification(notification(told));
    }
    if (signal.aborted) return;
    ear.position(answer.cursor);
    ear.alive(polls.hold * 1000);
    if (answer.goodbye) return;
  }

  async function poll(address: URL): Promise<any> {
    const response = await fetch(address, { headers: authorization(token), cache: "no-store", signal });
    if (response.status !== 200) throw await refusal(response);
    return response.json();
  }
}

/**
 * A proxy may cut what is held for longer than it likes: half of that is asked for next. It can look longer than it
 * was, and even than it should have been: browsers repeat a request once by themselves where an idle connection broke.
 */
function shorter(held: number): number {
  return Math.max(1, Math.floor(held / 2000));
}
