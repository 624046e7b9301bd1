import { Address } from "./address.js";
import { Line, type Listener } from "./line.js";
import { Pause } from "./pause.js";
import type { Frame } from "./transport.js";
import { publish } from "./publish.js";
import type { Events, Feed, Gap, Notification, Options, PublishOptions, State } from "./types.js";

/** How long a full buffer waits for its reader, in milliseconds. */
const TURN = 1_000;

/** A notification or a gap that waits for the reader, and the position after it. */
interface Waiting<T> {
  readonly notification: Notification<T> | undefined;
  readonly gap: Gap | undefined;
  position: string;
}

/** The reader's side of a feed: a bounded buffer between the line and the listeners or the iteration. */
export class TidingsFeed<T> implements Feed<T>, Listener {
  state!: State;
  position: string | undefined;
  readonly #address: Address;
  readonly #options: Options<T>;
  readonly #line: Line;
  readonly #buffer: Waiting<T>[] = [];
  readonly #limit: number;
  readonly #listeners: { [K in keyof Events<T>]: Set<(it: Events<T>[K]) => void> } = {
    notification: new Set(),
    gap: new Set(),
    state: new Set(),
  };
  /** An iteration waits here for the next notification. */
  readonly #arrival = new Pause();
  /** A transport waits here for space in the buffer. */
  readonly #relief = new Pause();
  #isIterated = false;
  /** What the reader has received and may not have processed yet. */
  #inHand: Waiting<T> | undefined;

  constructor(url: string | URL, options: Options<T>) {
    this.#address = new Address(url);
    this.#options = options;
    this.#limit = options.buffer ?? 1024;
    if (!(this.#limit >= 1)) throw new TypeError("buffer < 1");
    this.position = options.after;
    this.#line = new Line(this.#address, options, this);
    // Connects after the calling code has run, so that its listeners receive everything.
    queueMicrotask(() => void this.#line.run());
    const close = () => this.close();
    options.signal?.addEventListener("abort", close);
    if (options.signal?.aborted) close();
  }

  on<K extends keyof Events<T>>(event: K, listener: (it: Events<T>[K]) => void): () => void {
    this.#listeners[event].add(listener);
    this.#drain();
    return () => this.off(event, listener);
  }

  off<K extends keyof Events<T>>(event: K, listener: (it: Events<T>[K]) => void): void {
    this.#listeners[event].delete(listener);
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Notification<T>> {
    if (this.#isIterated) throw new Error("iterated already");
    this.#isIterated = true;
    try {
      for (;;) {
        const waiting = this.#next();
        if (waiting?.notification) yield waiting.notification;
        if (waiting) {
          this.#done(waiting);
        } else if (this.state.name === "closed") {
          if (this.state.error) throw this.state.error;
          return;
        } else {
          await this.#arrival.sleep();
        }
      }
    } finally {
      this.#isIterated = false;
      this.#drain();
    }
  }

  async publish(data: string | Uint8Array, options?: string | PublishOptions): Promise<string> {
    const lend = () => {
      const { transport } = this.state as { transport?: string };
      if (globalThis.location && transport && !transport.startsWith("web")) this.#line.hold();
    };
    try {
      return await publish(this.#address, this.#options, lend, data, options);
    } finally {
      this.#line.release();
    }
  }

  close(): void {
    this.#buffer.length = 0;
    this.#line.close();
  }

  changed(state: State): void {
    this.state = state;
    this.#emit("state", state, state.name === "closed" && state.error && !this.#isIterated);
    this.#arrival.wake();
  }

  take(position: string, { gap, topic, headers = {}, data, data_base64 }: Frame): void {
    const { decode } = this.#options;
    let notification;
    if (topic) {
      const payload = data ?? bytes(data_base64!);
      try {
        notification = { id: position, topic, headers, data: decode ? decode(payload, topic, headers) : (payload as T) };
      } catch (error) {
        console.error("tidings:", "decode", position, error);
      }
    }
    const last = this.#buffer.at(-1) ?? this.#inHand;
    if (gap || notification) {
      this.#buffer.push({ gap, notification, position });
      this.#arrival.wake();
      this.#drain();
      if (this.#buffer.length > this.#limit) this.#line.hold();
    } else if (last) last.position = position;
    else this.position = position;
  }

  /** If the buffer is full, waits until the reader has made space. Gives up the connection if that takes too long. */
  room(): Promise<void> | undefined {
    if (this.#buffer.length < this.#limit) return undefined;
    return this.#relief.sleep(TURN).then(() => {
      if (this.#buffer.length >= this.#limit) this.#line.hold();
    });
  }

  /** Passes the buffer to the listeners, unless an iteration sets the pace. */
  #drain(): void {
    while (!this.#isIterated && this.#listeners.notification.size) {
      const waiting = this.#next();
      if (!waiting) return;
      this.#done(waiting);
    }
  }

  #done({ position }: Waiting<T>): void {
    this.position = position;
    this.#inHand = undefined;
  }

  /** Takes the next item from the buffer and emits it. */
  #next(): Waiting<T> | undefined {
    const waiting = (this.#inHand = this.#buffer.shift());
    if (this.#buffer.length <= this.#limit / 2) {
      this.#line.release();
      this.#relief.wake();
    }
    if (waiting?.notification) this.#emit("notification", waiting.notification);
    if (waiting?.gap) this.#emit("gap", waiting.gap, true);
    return waiting;
  }

  /** Calls the listeners. A loss is written to the console if there are none. */
  #emit<K extends keyof Events<T>>(event: K, it: Events<T>[K], isLoss?: unknown): void {
    if (isLoss && !this.#listeners[event].size) console.error("tidings:", event, it);
    for (const listener of this.#listeners[event]) {
      try {
        listener(it);
      } catch (error) {
        // Reported as an unhandled rejection, so that the other listeners are still called.
        void Promise.reject(error);
      }
    }
  }
}

function bytes(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
