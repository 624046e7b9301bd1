// When each stream had what this page has published, told in the line of the log that says so.

import { type Log, quoted } from "./log.js";
import type { Stream } from "./stream.js";
import { duration } from "./words.js";

/** How long the line waits for the last of them, in milliseconds. */
const PATIENCE = 10_000;

export class Arrivals {
  readonly #streams: readonly Stream[];
  readonly #latencies = new Map<Stream, number>();
  readonly #ends: (() => void)[];
  /** Nothing to tell before the hub has said that it is stored: a stream may be faster. */
  #tell = () => {};

  /** @param sent the instant by which the notification is known again. */
  constructor(streams: readonly Stream[], sent: number) {
    this.#streams = streams;
    this.#ends = streams.map((stream) =>
      stream.onTook((its, latency) => {
        if (its !== sent) return;
        this.#latencies.set(stream, latency);
        this.#tell();
      }),
    );
  }

  tell(log: Log, text: string): void {
    const write = log.grow();
    let late = false;
    this.#tell = () => {
      const whole = late || this.#latencies.size === this.#streams.length;
      const each = this.#streams.flatMap((stream) => this.#words(stream, late));
      write(["Published “", quoted(text), each.length > 0 ? "”: " : "”", each.join(", ")], whole);
      if (!whole) return;
      clearTimeout(timer);
      this.end();
    };
    const timer = setTimeout(() => {
      late = true;
      this.#tell();
    }, PATIENCE);
    this.#tell();
  }

  end(): void {
    for (const end of this.#ends) end();
  }

  #words(stream: Stream, late: boolean): string[] {
    const latency = this.#latencies.get(stream);
    if (latency === undefined) return late ? [`${stream.kind.word} not yet`] : [];
    return [`${stream.kind.word} ${duration(latency)}`];
  }
}
