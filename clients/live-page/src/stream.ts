// One transport at work: its feed, the reader that can pause, and what both have come to.

import { tidings, type Feed, type Notification, type State, type TransportName } from "tidings";

import { type Losses, plain } from "./absences.js";
import type { Turns } from "./connections.js";
import type { Clock } from "./hub.js";
import type { Log } from "./log.js";
import { Minute } from "./minute.js";
import { read } from "./payload.js";
import type { Probe } from "./probe.js";
import { known, type Known } from "./transports.js";
import type { Witness } from "./truth.js";
import { count, duration } from "./words.js";

/** How long after an absence it is said what came of it. */
const SETTLED = 1500;
/** For an opening: one that waits for its turn among many tabs is no failure. */
const PATIENCE = 60_000;

export interface Parts {
  readonly url: URL;
  /** Where to begin. */
  readonly after: string | undefined;
  readonly clock: Clock;
  readonly probe: Probe;
  readonly turns: Turns;
  readonly witness: Witness;
  readonly log: Log;
  readonly losses: Losses;
}

/** An absence: what it began with, what stands in the way of its end, and what had come to be missing before. */
export interface Away {
  readonly since: number;
  readonly why: string;
  reason?: string;
  readonly gaps: number;
  readonly lost: number;
}

/** Hears of a notification that says when it was due to be sent. */
export type Took = (sent: number, latency: number) => void;

export class Stream {
  readonly kind: Known;
  readonly minute = new Minute();
  messages = 0;
  reconnects = 0;
  /** Openings that failed before the first that did not. */
  failures = 0;
  gaps = 0;
  /** Known to be missed; and whether some gap's number is unknown. */
  missed = 0;
  missedMore = false;
  last: { readonly text: string; readonly at: Date } | undefined;
  /** When something came last, for those who wonder why nothing comes here. */
  heard = -Infinity;

  readonly #feed: Feed;
  readonly #tookListeners = new Set<Took>();
  #resume: (() => void) | undefined;
  #reading = Promise.resolve();
  /** When it was open for the first time, by the hub's clock, or its reader last read again. What was due before is no
   * measure of a transport. */
  #begun: number | undefined;
  /** What the probe had counted when it was open for the first time. */
  #opening = { granted: 0, bytes: 0, messages: 0 };
  #away: Away | undefined;

  constructor(
    readonly name: TransportName,
    readonly parts: Parts,
  ) {
    this.kind = known[name];
    const { url, after, probe } = parts;
    const { fetch, WebSocket } = probe;
    const from = after === undefined ? {} : { after };
    this.#feed = tidings(url.href, { ...from, transports: [name], openTimeout: PATIENCE, fetch, WebSocket });
    this.#feed.on("state", (state) => this.#turned(state));
    this.#feed.on("gap", (gap) => {
      this.gaps += 1;
      this.missed += gap.missed ?? 0;
      this.missedMore ||= gap.missed === null;
      parts.witness.resume(gap.resume);
      const missed = gap.missed === null ? "an unknown number" : count(gap.missed);
      this.#say(`a gap, ${missed} missed (${gap.reason})`);
    });
    // Where the hub refuses it, the state has said so already.
    this.#read().catch(() => {});
  }

  get state(): State {
    return this.#feed.state;
  }

  /** Up to where its reader has read. */
  get position(): string | undefined {
    return this.#feed.position;
  }

  get paused(): boolean {
    return this.#resume !== undefined;
  }

  /** What each message took on the wire, without the opening: nothing until one has come. */
  get each(): { readonly requests: number; readonly bytes: number } | undefined {
    const { granted, bytes, messages } = this.parts.probe;
    const came = messages - this.#opening.messages;
    if (this.#begun === undefined || came === 0) return undefined;
    return { requests: (granted - this.#opening.granted) / came, bytes: (bytes - this.#opening.bytes) / came };
  }

  /** Calls `listener` for each that the reader takes; call what it returns to stop that. */
  onTook(listener: Took): () => void {
    this.#tookListeners.add(listener);
    return () => void this.#tookListeners.delete(listener);
  }

  /** The connection breaks, as when the network does. */
  cut(): void {
    if (this.parts.probe.cut()) this.#leaves("cut");
    else this.#say("nothing to cut, it is not connected");
  }

  pause(): void {
    this.#reading = new Promise((resolve) => (this.#resume = resolve));
    this.#say("the reader pauses");
  }

  resume(): void {
    this.#resume?.();
    this.#resume = undefined;
    if (this.#begun !== undefined) this.#begun = this.parts.clock.now();
    this.#say("the reader reads again");
  }

  /** While it is not open again, or not open yet. */
  get away(): Readonly<Away> | undefined {
    return this.#away;
  }

  /** Goes on at once where it waits to try again, and so do the others: as when the page is looked at again. */
  hurry(): void {
    dispatchEvent(new Event("visibilitychange"));
  }

  /** Says why what comes next will be an absence. */
  leaves(why: string): void {
    if (this.state.name === "open") this.#leaves(why);
  }

  #leaves(why: string): void {
    this.#away ??= { since: performance.now(), why, gaps: this.gaps, lost: this.parts.witness.lost };
  }

  async #read(): Promise<void> {
    for await (const notification of this.#feed) {
      this.#took(notification);
      await this.#reading;
    }
  }

  #took({ id, data }: Notification): void {
    const { sent, tick, text } = read(data);
    this.parts.witness.saw(id, tick);
    this.messages += 1;
    this.heard = performance.now();
    this.last = { text, at: new Date() };
    if (sent === undefined) return;
    const latency = this.parts.clock.now() - sent;
    if (this.#begun !== undefined && sent >= this.#begun) this.minute.add(latency);
    for (const listener of this.#tookListeners) listener(sent, latency);
  }

  #turned(state: State): void {
    if (state.name === "open") this.#opens();
    if (state.name === "waiting") this.#waits(state.reason);
    if (state.name === "paused" && this.paused) this.#say("its buffer is full, the connection is given up until the reader has caught up");
    if (state.name === "closed") this.#say(`closed${state.error ? `: ${state.error.message}` : ""}`);
  }

  #waits(reason: string): void {
    if (this.#begun === undefined) this.failures += 1;
    const broke = this.#begun !== undefined && this.#away?.reason === undefined;
    const why = plain(reason, broke);
    if (broke && !this.#away) this.parts.losses.add(this, why);
    this.#leaves(why);
    this.#away!.reason = why;
  }

  #opens(): void {
    const away = this.#away;
    this.#away = undefined;
    this.failures = 0;
    if (this.#begun !== undefined) {
      this.reconnects += 1;
      if (away) this.#settle(away);
      return;
    }
    if (this.#feed.position) this.parts.witness.resume(this.#feed.position);
    const { granted, bytes, messages } = this.parts.probe;
    this.#opening = { granted, bytes, messages };
    this.#begun = this.parts.clock.now();
  }

  #settle(away: Away): void {
    const after = duration(performance.now() - away.since);
    setTimeout(() => {
      const lost = this.parts.witness.lost - away.lost;
      const outcome = lost > 0 ? `${count(lost)} lost` : this.gaps > away.gaps ? "with a gap" : "nothing lost";
      this.#say(`${away.why}, back after ${after}, ${outcome}`);
    }, SETTLED);
  }

  #say(what: string): void {
    this.parts.log.say(`${this.kind.title}: ${what}`);
  }
}
