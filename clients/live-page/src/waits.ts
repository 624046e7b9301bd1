// Finds out which streams wait for one of the browser's connections, and says so in words.

import type { Stream } from "./stream.js";
import { list } from "./words.js";

/** How long an attempt may go without an answer, in milliseconds. */
export const PATIENCE = 3000;

export interface Wait {
  readonly words: string;
  /** It waits for the other tabs of this page, and could go ahead of them. */
  readonly queued: boolean;
}

export class Waits {
  /** Since when a held poll could have been answered: something came to another stream. */
  readonly #due = new Map<Stream, number>();

  constructor(readonly streams: readonly Stream[]) {}

  of(stream: Stream, tabs: number): Wait | undefined {
    if (!stream.kind.shares || !this.#waits(stream)) return undefined;
    const queued = stream.parts.probe.pending?.queued ?? false;
    const why = queued ? "Together they hold five, and leave the last one for other requests." : "All tabs share them.";
    return { words: `It waits for one of the browser’s six connections to this host. ${opened(tabs)} ${why}`, queued };
  }

  #waits(stream: Stream): boolean {
    const { pending } = stream.parts.probe;
    if (!pending || stream.state.name === "paused" || stream.state.name === "closed") {
      this.#due.delete(stream);
      return false;
    }
    const others = this.streams.filter((other) => other !== stream);
    const now = performance.now();
    if (pending.held && !pending.queued) {
      // Nothing may have been published: then it is not late.
      if (!others.some((other) => other.heard > pending.since)) return false;
      if (!this.#due.has(stream)) this.#due.set(stream, now);
    }
    const since = Math.max(pending.since, this.#due.get(stream) ?? 0);
    const alive = others.some(
      ({ state, parts: { probe } }) => probe.answered > pending.since || (state.name === "open" && !probe.pending),
    );
    return now - since > PATIENCE && (alive || pending.queued);
  }
}

const opened = (tabs: number) => (tabs === 1 ? "No other tab of this page is open." : `${tabs} tabs of this page are open.`);

/** For the top of the page: who waits, or without streams the page itself. */
export function summary(waiting: readonly Stream[], tabs: number): string {
  const names = list(waiting.map(({ kind }) => kind.word)) || "this page";
  return (
    `Waiting for a connection: ${names}. Over HTTP/1.1 a browser opens six to one host, and all tabs share them. ` +
    `${opened(tabs)} WebSockets are not counted. Close a tab or two, or put the hub behind HTTP/2.`
  );
}
