// Why a stream is away, in words: in its card, and once for all that went together in the log.

import type { Log } from "./log.js";
import type { Stream } from "./stream.js";
import { list } from "./words.js";

/** What is back sooner, in milliseconds, needs no words. */
const CALM = 1000;
/** So many openings that failed, and none that did not, are no accident. */
const ENOUGH = 3;
/** Streams that go within so many milliseconds go for the same cause. */
const TOGETHER = 300;

/** What browsers say of a connection that broke or did not come about, each in words of its own. */
const BROKEN = /^closed with 1006|fetch|network|load failed|input stream|stream ended/i;

/** The reason that a feed gives, as a reader would put it. */
export function plain(reason: string, wasOpen: boolean): string {
  if (!BROKEN.test(reason)) return reason;
  return wasOpen ? "the connection broke" : "there is no connection to the hub";
}

/** For the card of a stream that is away, or does not come to be open. */
export function absence(stream: Stream, all: readonly Stream[]): string | undefined {
  const { away, failures, kind, state } = stream;
  if (!away?.reason || performance.now() - away.since < CALM) return undefined;
  if (state.name !== "waiting" && state.name !== "connecting") return undefined;
  const stands = all.some(({ state }) => state.name === "open");
  if (failures >= ENOUGH && stands && kind.barrier) return kind.barrier;
  return `It is away: ${away.reason}. It tries again by itself, and goes on where it was.`;
}

/** The log's line for all streams that have lost the hub. */
export class Losses {
  readonly #log: Log;
  readonly #streams: readonly Stream[];
  readonly #lost = new Map<Stream, string>();

  constructor(log: Log, streams: readonly Stream[]) {
    this.#log = log;
    this.#streams = streams;
  }

  add(stream: Stream, reason: string): void {
    if (this.#lost.size === 0) setTimeout(() => this.#tell(), TOGETHER);
    this.#lost.set(stream, reason);
  }

  #tell(): void {
    const lost = this.#streams.filter((stream) => this.#lost.has(stream));
    const names = list(lost.map(({ kind }, at) => (at === 0 ? kind.title : kind.word)));
    const reasons = list([...new Set(this.#lost.values())]);
    this.#log.say(`${names}: ${reasons}; trying again`);
    this.#lost.clear();
  }
}
