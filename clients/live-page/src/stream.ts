// One transport: its feed, a reader that can pause, and their counts.

import { tidings, type Feed, type State, type TransportName } from "tidings";
import { type SeparateTransport, webTransport } from "tidings/webtransport";

import { bytes, count, duration } from "./format.js";
import { LatencyWindow } from "./latency-window.js";
import type { Log } from "./log.js";
import { type LossCheck, StreamCheck } from "./loss-check.js";
import { Probe } from "./probe.js";
import type { About, Clock } from "./server.js";
import { kinds } from "./transports.js";

/** How many characters of a message a card shows. */
const SHOWN = 120;

/** The state that all streams of the page share. */
export interface Shared {
  readonly url: URL;
  readonly about: About;
  /** The position at which all streams begin. */
  readonly after: string;
  readonly clock: Clock;
  readonly check: LossCheck;
  readonly log: Log;
}

interface Message {
  readonly text: string;
  /** The time at which it was due to be sent, in milliseconds since 1970 by the server's clock, or `NaN` if unknown. */
  readonly sent: number;
}

/** The time since the connection was lost, and the reason why the last attempt failed. */
interface Outage {
  readonly since: number;
  readonly reason: string;
}

export class Stream {
  readonly kind;
  readonly probe = new Probe();
  readonly latencies = new LatencyWindow();
  readonly feed: Feed<Message>;
  readonly check: StreamCheck;
  /** The number of messages that the reader has read. */
  messages = 0;
  lastText = "none yet";
  reconnects = 0;
  gaps = 0;
  /** The number of notifications within gaps. `NaN` if the server could not count them for one of the gaps. */
  missed = 0;
  outage: Outage | undefined;

  /** The number of messages that have arrived, including those that the reader has not read yet. */
  #arrived = 0;
  /** The counts when the stream opened for the first time. */
  #opening = { requests: 0, bytes: 0, arrived: 0 };
  /** The time at which the stream opened or its reader resumed. Latency is measured for messages that were due later. */
  #measuredFrom = Infinity;
  #pause: Promise<void> | undefined;
  #resume = () => {};

  constructor(
    readonly name: TransportName,
    readonly shared: Shared,
  ) {
    const { url, about, after, check } = shared;
    const { probe } = this;
    this.kind = kinds[name];
    this.check = new StreamCheck(check);
    this.check.resume(after);
    const decode = (payload: string | Uint8Array) => {
      this.#arrived += 1;
      return read(payload);
    };
    const transport = name === "webtransport" ? separate(about, probe) : name;
    const { fetch, WebSocket } = probe;
    this.feed = tidings(url.href, { after, transports: [transport], decode, fetch, WebSocket });
    this.feed.on("state", (state) => this.#changed(state));
    this.feed.on("gap", ({ missed, reason, resume }) => {
      this.gaps += 1;
      this.missed += missed ?? NaN;
      this.check.resume(resume);
      this.#log(`a gap, ${missed === null ? "an unknown number" : count(missed)} missed (${reason})`);
    });
    // If the server rejects the stream, its state reports that.
    this.#read().catch(() => {});
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  /** Requests and bytes per message, without those of the opening. Not finite numbers until a message has arrived. */
  get perMessage(): { readonly requests: number; readonly bytes: number } {
    const { requests, bytes, arrived } = this.#opening;
    const messages = this.#arrived - arrived;
    return { requests: (this.probe.requests - requests) / messages, bytes: (this.probe.bytes - bytes) / messages };
  }

  /** Breaks the connection, as a faulty network does. */
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
      this.lastText = data.text;
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
    this.outage = { since: this.outage?.since ?? performance.now(), reason };
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
    if (outage) this.#log(`back after ${duration(performance.now() - outage.since)}`);
  }

  #log(text: string): void {
    this.shared.log.add(`${this.kind.title}: ${text}`);
  }
}

/** Returns the transport of a session, whose certificate is accepted by its hash if there is one. */
function separate({ webtransport }: About, { WebTransport }: Probe): SeparateTransport {
  const { port, hashes } = webtransport!;
  const serverCertificateHashes = hashes.map((hash) => ({ algorithm: "sha-256", value: bytes(hash) }));
  return webTransport({ port, serverCertificateHashes, WebTransport });
}

/** Parses payloads of this page and of the demo. Any other payload is shown unchanged. */
function read(payload: string | Uint8Array): Message {
  let text = typeof payload === "string" ? payload : `${payload.byteLength} bytes`;
  let sent = NaN;
  try {
    const members = JSON.parse(text);
    if (typeof members.sent === "number") sent = members.sent;
    if (typeof members.tick === "number") text = `tick ${members.tick}`;
    if (typeof members.text === "string") text = members.text;
  } catch {
    // It is not JSON.
  }
  return { text: text.slice(0, SHOWN), sent };
}
