// One transport at work: its feed, a reader that can pause, and their counts.

import { tidings, type Feed, type State, type TransportName } from "tidings";

import { count, duration } from "./format.js";
import { LatencyWindow } from "./latency-window.js";
import type { Log } from "./log.js";
import { type LossCheck, StreamCheck } from "./loss-check.js";
import { Probe } from "./probe.js";
import type { Clock } from "./server.js";
import { kinds } from "./transports.js";

/** Milliseconds from a reconnect to the report of its outcome. What was missed arrives in this time. */
const SETTLED = 1500;
/** The longest text of a message that is shown, in characters. */
const LONGEST = 120;

/** What all streams of the page share. */
export interface Shared {
  readonly url: URL;
  /** The position at which all streams begin. */
  readonly after: string;
  readonly clock: Clock;
  readonly check: LossCheck;
  readonly log: Log;
}

interface Message {
  readonly text: string;
  /** When it was due to be sent, in milliseconds since 1970 by the server's clock, or `NaN`. */
  readonly sent: number;
}

/** The time without a connection, with the counts at its beginning and the reason of the last failure. */
interface Outage {
  readonly since: number;
  readonly gaps: number;
  readonly lost: number;
  readonly reason: string;
}

export class Stream {
  readonly kind;
  readonly probe = new Probe();
  readonly latencies = new LatencyWindow();
  readonly feed: Feed<Message>;
  readonly check: StreamCheck;
  /** Messages that the reader has taken. */
  messages = 0;
  last: { readonly text: string; readonly at: Date } | undefined;
  reconnects = 0;
  gaps = 0;
  missed = 0;
  /** The server could not count what was missed in some gap. */
  isMissedUnknown = false;
  outage: Outage | undefined;

  /** Messages that have arrived, whether the reader has taken them or not. */
  #arrived = 0;
  /** The counts when the stream was open for the first time. */
  #opening = { requests: 0, bytes: 0, arrived: 0 };
  /** Latency is measured for messages that were due after this time, when the stream opened or its reader resumed. */
  #measuredFrom = Infinity;
  #pause: Promise<void> | undefined;
  #resume = () => {};

  constructor(
    readonly name: TransportName,
    readonly shared: Shared,
  ) {
    const { url, after, check } = shared;
    const { fetch, WebSocket } = this.probe;
    this.kind = kinds[name];
    this.check = new StreamCheck(check);
    this.check.resume(after);
    const decode = (payload: string | Uint8Array) => {
      this.#arrived += 1;
      return read(payload);
    };
    this.feed = tidings(url.href, { after, transports: [name], decode, fetch, WebSocket });
    this.feed.on("state", (state) => this.#changed(state));
    this.feed.on("gap", ({ missed, reason, resume }) => {
      this.gaps += 1;
      this.missed += missed ?? 0;
      this.isMissedUnknown ||= missed === null;
      this.check.resume(resume);
      this.#log(`a gap, ${missed === null ? "an unknown number" : count(missed)} missed (${reason})`);
    });
    // If the server rejects the stream, its state reports that.
    this.#read().catch(() => {});
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  /** What each message took on the network, without the opening. `undefined` until a message has arrived. */
  get perMessage(): { readonly requests: number; readonly bytes: number } | undefined {
    const arrived = this.#arrived - this.#opening.arrived;
    if (this.#measuredFrom === Infinity || arrived === 0) return undefined;
    const { requests, bytes } = this.probe;
    return { requests: (requests - this.#opening.requests) / arrived, bytes: (bytes - this.#opening.bytes) / arrived };
  }

  /** Breaks the connection, as a network does. */
  cut(): void {
    if (!this.probe.isPlugged) return;
    this.probe.unplug("the connection was cut");
    this.probe.plug();
  }

  pause(): void {
    this.#pause = new Promise((resolve) => (this.#resume = resolve));
    this.#log("the reader pauses");
  }

  resume(): void {
    this.#resume();
    this.#pause = undefined;
    if (this.#measuredFrom < Infinity) this.#measuredFrom = this.shared.clock.now();
    this.#log("the reader continues");
  }

  async #read(): Promise<void> {
    for await (const { id, data } of this.feed) {
      this.check.received(id);
      this.messages += 1;
      this.last = { text: data.text, at: new Date() };
      if (data.sent >= this.#measuredFrom) this.latencies.add(this.shared.clock.now() - data.sent);
      await this.#pause;
    }
  }

  #changed(state: State): void {
    if (state.name === "open") this.#opened();
    if (state.name === "waiting") this.#failed(state.reason);
    if (state.name === "paused") this.#log("the buffer is full, disconnected until the reader continues");
    if (state.name === "closed") this.#log(`closed${state.error ? `: ${state.error.message}` : ""}`);
  }

  #failed(reason: string): void {
    if (!this.outage && this.probe.isPlugged) this.#log(`${reason}, trying again`);
    this.outage = { since: performance.now(), gaps: this.gaps, lost: this.check.lost, ...this.outage, reason };
  }

  #opened(): void {
    const { outage } = this;
    this.outage = undefined;
    if (this.#measuredFrom === Infinity) {
      const { requests, bytes } = this.probe;
      this.#opening = { requests, bytes, arrived: this.#arrived };
      this.#measuredFrom = this.shared.clock.now();
      return;
    }
    this.reconnects += 1;
    if (!outage) return;
    const after = duration(performance.now() - outage.since);
    setTimeout(() => {
      const lost = this.check.lost - outage.lost;
      const outcome = lost > 0 ? `${count(lost)} lost` : this.gaps > outage.gaps ? "with a gap" : "nothing lost";
      this.#log(`back after ${after}, ${outcome}`);
    }, SETTLED);
  }

  #log(text: string): void {
    this.shared.log.add(`${this.kind.title}: ${text}`);
  }
}

/** Reads what this page and the demo publish, and shows any other payload as it is. */
function read(payload: string | Uint8Array): Message {
  if (typeof payload !== "string") return { text: `${payload.byteLength} bytes`, sent: NaN };
  let members: { text?: unknown; tick?: unknown; sent?: unknown } = {};
  try {
    if (payload.startsWith("{")) members = JSON.parse(payload);
  } catch {
    // It is text that happens to begin like JSON.
  }
  const { sent, tick } = members;
  const text = typeof members.text === "string" ? members.text : typeof tick === "number" ? `tick ${tick}` : payload;
  return {
    text: text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text,
    sent: typeof sent === "number" ? sent : NaN,
  };
}
