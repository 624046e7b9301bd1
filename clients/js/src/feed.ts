import { Address } from "./address.js";
import { Line } from "./line.js";
import { Pause } from "./pause.js";
import { publish } from "./publish.js";
import type { Events, Feed, Gap, Notification, Options, State } from "./types.js";

/** How long a full buffer waits for its reader, in milliseconds. */
const TURN = 1_000;

/** What waits for the reader, and the position behind it. */
interface Waiting {
  readonly notification?: Notification;
  readonly gap?: Gap;
  position: string;
}

/** The reader's side of a feed: a bounded buffer between the line and whoever listens or iterates. */
export class TidingsFeed implements Feed {
  state: State;
  position: string | undefined;
  readonly #address: Address;
  readonly #options: Options;
  readonly #line: Line;
  readonly #buffer: Waiting[] = [];
  readonly #limit: number;
  readonly #listeners: { [K in keyof Events]: Set<(it: Events[K]) => void> } = {
    notification: new Set(),
    gap: new Set(),
    state: new Set(),
  };
  /** Whoever iterates waits here. */
  readonly #arrival = new Pause();
  /** Whoever waits for room waits here. */
  readonly #relief = new Pause();
  #isIterated = false;
  /** What the reader has been given and may still be at work on. */
  #inHand: Waiting | undefined;

  constructor(url: string | URL, options: Options) {
    this.#address = new Address(url);
    this.#options = options;
    this.#limit = options.buffer ?? 1024;
    if (!(this.#limit >= 1)) throw new TypeError("options.buffer is below 1");
    this.position = options.after;
    this.#line = new Line(this.#address, options, {
      notification: (notification) => this.#take({ notification, position: notification.id }),
      room: () => this.#room(),
      gap: (gap) => this.#take({ gap, position: gap.resume }),
      position: (id) => this.#pass(id),
      state: (state) => {
        this.state = state;
        this.#tell("state", state, state.name === "closed" && state.error && !this.#isIterated);
        this.#arrival.wake();
      },
    });
    this.state = { name: "connecting", transport: options.transports?.[0] ?? "websocket" };
    // After the code that made the feed: its listeners are to hear everything.
    queueMicrotask(() => void this.#line.run());
  }

  on<K extends keyof Events>(event: K, listener: (it: Events[K]) => void): () => void {
    const listeners = this.#listeners[event];
    listeners.add(listener);
    this.#drain();
    return () => void listeners.delete(listener);
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Notification> {
    if (this.#isIterated) throw new Error("it is iterated already");
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
          await this.#arrival.wait();
        }
      }
    } finally {
      this.#isIterated = false;
      this.#drain();
    }
  }

  publish(data: string | Uint8Array, topic?: string): Promise<string> {
    return publish(this.#address, this.#options, data, topic);
  }

  close(): void {
    this.#buffer.length = 0;
    this.#line.close();
  }

  #take(waiting: Waiting): void {
    this.#buffer.push(waiting);
    this.#arrival.wake();
    this.#drain();
    if (this.#buffer.length > this.#limit) this.#line.hold();
  }

  /** Where the buffer is full: until the reader has made room, or its turn is over and the connection is given up. */
  #room(): Promise<void> | undefined {
    if (this.#buffer.length < this.#limit) return undefined;
    return this.#relief.wait(TURN).then(() => {
      if (this.#buffer.length >= this.#limit) this.#line.hold();
    });
  }

  /** Nothing to tell but a position. */
  #pass(id: string): void {
    const last = this.#buffer.at(-1) ?? this.#inHand;
    if (last) last.position = id;
    else this.position = id;
  }

  /** To the listeners, where nobody iterates: who iterates sets the pace. */
  #drain(): void {
    while (!this.#isIterated && this.#listeners.notification.size > 0) {
      const waiting = this.#next();
      if (!waiting) return;
      this.#done(waiting);
    }
  }

  #done({ position }: Waiting): void {
    this.position = position;
    this.#inHand = undefined;
  }

  /** Takes the next out of the buffer and tells the listeners of it. */
  #next(): Waiting | undefined {
    const waiting = (this.#inHand = this.#buffer.shift());
    if (this.#buffer.length <= this.#limit / 2) {
      this.#line.release();
      this.#relief.wake();
    }
    if (waiting?.notification) this.#tell("notification", waiting.notification);
    if (waiting?.gap) this.#tell("gap", waiting.gap, true);
    return waiting;
  }

  /** What is lost must be heard of, by the console where nobody else listens. */
  #tell<K extends keyof Events>(event: K, it: Events[K], isLoss?: unknown): void {
    if (isLoss && this.#listeners[event].size === 0) console.error("tidings:", event, it);
    for (const listener of this.#listeners[event]) {
      try {
        listener(it);
      } catch (error) {
        // Its author's to see; the others still hear.
        void Promise.reject(error);
      }
    }
  }
}
