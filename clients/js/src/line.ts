import type { Address } from "./address.js";
import { Backoff } from "./backoff.js";
import { Choice } from "./choice.js";
import { now } from "./clock.js";
import { Connection, type Ending } from "./connection.js";
import { isBusy, isFinal } from "./ending.js";
import { longPolling } from "./long-polling.js";
import { Pause } from "./pause.js";
import { isAhead } from "./position.js";
import { sse } from "./sse.js";
import { type Frame, OPEN_TIMEOUT, type Opening, type Transport } from "./transport.js";
import type { Options, SeparateTransport, State, TransportName } from "./types.js";
import { webSocket } from "./websocket.js";

/** How long a poll is held, in seconds. */
const HOLD = 25;

/** Receives everything from a line, once and in order, across connections and transports. */
export interface Listener {
  /** Everything up to `position` has arrived. `frame` is the last of it. */
  take(position: string, frame: Frame): void;
  room(): Promise<void> | undefined;
  changed(state: State): void;
}

/** Keeps a feed connected. It chooses the transport, keeps the position, and waits between attempts. */
export class Line {
  readonly #transports: Record<string, Transport | null>;
  readonly #choice: Choice;
  readonly #backoff = new Backoff();
  readonly #pause = new Pause();
  readonly #connections = new Set<Connection>();
  readonly #polls = { hold: HOLD, cuts: 0 };
  /** The position up to which everything has arrived. */
  #position: string | undefined;
  #wasRejected = false;
  #wasOpen = false;
  /** `true` if a transport that was tried since the last wait may open later. */
  #mayPass = false;
  #isHeld = false;
  #isClosed = false;
  /** `true` if the network has changed, so that a connection may be dead without an error. */
  #hasMoved = false;

  /** @throws TypeError if an unknown transport is named, or if none can be used. */
  constructor(
    private readonly address: Address,
    private readonly options: Options<any>,
    private readonly listener: Listener,
  ) {
    // `null` if it cannot be used here.
    this.#transports = {
      websocket: (options.WebSocket ?? globalThis.WebSocket) ? webSocket : null,
      sse,
      "long-polling": longPolling,
    };
    const usable: TransportName[] = [];
    for (const given of options.transports ?? Object.keys(this.#transports)) {
      // A name has neither of these members.
      const { name = given as TransportName, open = this.#transports[name] } = given as Partial<SeparateTransport>;
      if (open === undefined) throw new TypeError(`no transport "${name}"`);
      if (open) usable.push(name);
      this.#transports[name] = open;
    }
    if (!usable.length) throw new TypeError("no transport");
    this.#choice = new Choice(usable, `tidings ${address.url.origin} ${usable}`, options.betterAfter ?? 60_000);
    this.#position = options.after;
    listener.changed({ name: "connecting", transport: this.#choice.current });
  }

  /** Connects again after each end, until it is closed or the server rejects it finally. */
  async run(): Promise<void> {
    const ended = new AbortController();
    for (const event of ["online", "visibilitychange"]) globalThis.addEventListener?.(event, this.#onPage, ended);
    let error;
    try {
      while (!this.#isClosed) await (this.#isHeld ? this.#rest({ name: "paused" }) : this.#carry());
    } catch (rejected) {
      error = rejected as Error;
    }
    ended.abort();
    this.listener.changed({ name: "closed", error });
  }

  close(): void {
    this.#isClosed = true;
    this.#hangUp();
  }

  /** Closes the connection until `release()`, for example because the buffer of the reader is full. */
  hold(): void {
    this.#isHeld = true;
    this.#hangUp();
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#pause.wake();
  }

  #hangUp(): void {
    for (const connection of this.#connections) connection.close();
    this.#pause.wake();
  }

  /** Reports the state and rests. The listener may end the rest at once, because it begins first. */
  #rest(state: State, milliseconds?: number): Promise<void> {
    const rest = this.#pause.sleep(milliseconds);
    this.listener.changed(state);
    return rest;
  }

  /** Connects, and replaces the connection by better ones, until one ends without a replacement. */
  async #carry(): Promise<void> {
    this.#hasMoved = false;
    this.listener.changed({ name: "connecting", transport: this.#choice.current });
    let connection = this.#open(this.#choice.current);
    if (await connection.opened) this.#opens(connection);
    for (;;) {
      const ending = await Promise.race([connection.ended, this.#pause.sleep(this.#choice.betterIn)]);
      if (ending) {
        this.#pause.wake();
        return this.#after(ending);
      }
      const isDue = this.#choice.betterIn! <= 0;
      const names = this.#hasMoved ? [connection.name] : isDue ? this.#choice.better : [];
      this.#hasMoved = false;
      const next = await this.#firstOpen(names);
      if (next) {
        connection.close();
        connection = next;
        this.#opens(connection);
      } else if (isDue) {
        this.#choice.stay();
      }
    }
  }

  async #firstOpen(names: readonly TransportName[]): Promise<Connection | undefined> {
    for (const name of names) {
      const connection = this.#open(name);
      if (await connection.opened) return connection;
    }
    return undefined;
  }

  #open(name: TransportName): Connection {
    const transport = async (opening: Omit<Opening, "token">) => {
      const token = await this.options.token?.(this.#wasRejected);
      if (!opening.signal.aborted) await this.#transports[name]!({ ...opening, token });
    };
    const opening: Omit<Opening, "signal" | "token"> = {
      url: (query) => this.address.subscription({ transport: name, after: this.#position, ...query }),
      topic: this.address.topic,
      polls: this.#polls,
      options: this.options,
      receive: (frame) => this.#receive(frame),
      room: () => this.listener.room(),
    };
    const timeout = this.options.openTimeout ?? OPEN_TIMEOUT;
    const connection = new Connection(name, transport, opening, timeout);
    // A listener of the state may have closed or held the feed, or that happened between two better transports.
    if (this.#isClosed || this.#isHeld) connection.close();
    this.#connections.add(connection);
    void connection.ended.then(() => this.#connections.delete(connection));
    return connection;
  }

  /** Passes on everything that is new. While one connection replaces another, both may receive the same. */
  #receive(frame: Frame): void {
    const { gap, retry } = frame;
    if (frame.topic) this.#backoff.reset();
    if (retry) this.#backoff.retry = retry;
    const to = gap ? gap.resume : frame.id;
    // A gap may lead to an earlier position, because a server can lose the end of its history.
    if (to && (isAhead(to, this.#position) || gap?.after === this.#position)) {
      this.#position = to;
      this.listener.take(to, frame);
    }
  }

  #opens({ name }: Connection): void {
    this.#wasRejected = false;
    this.#wasOpen = true;
    this.#choice.opened(name);
    this.listener.changed({ name: "open", transport: name });
  }

  /** Chooses the transport of the next attempt after an ending, and waits for its time. */
  async #after({ how, error }: Ending): Promise<void> {
    if (how === "closed") return;
    const { status, code, retryAfter, message } = error;
    if (status === 401 && this.options.token && !this.#wasRejected) {
      this.#wasRejected = true;
      // Many sessions may end at the same time.
      return how === "failed" ? this.#choice.restart() : this.#wait(retryAfter, message);
    }
    // A load balancer may respond with 404 while its only server restarts.
    const isEnd = isFinal(status) && !(this.#wasOpen && status === 404 && !code);
    if (isEnd && code && code !== "bad_transport") throw error;
    if (!isBusy(error)) {
      // The reason why a WebSocket or WebTransport fails is unknown.
      if (how !== "failed" || !(isEnd || this.#choice.current.startsWith("web"))) this.#mayPass = true;
      if (how === "silent") this.#choice.stay();
      if (isEnd || how === "failed" || how === "silent") {
        if (this.#choice.failed()) return;
        if (isEnd && !this.#mayPass) throw error;
      } else {
        this.#choice.ended(how === "early");
      }
    }
    this.#mayPass = false;
    if (how === "cut") this.#backoff.reset();
    await this.#wait(retryAfter, message);
  }

  async #wait(atLeast: number | undefined, reason: string): Promise<void> {
    const since = now();
    const wait = this.#backoff.delay(atLeast);
    const until = Date.now() + wait;
    // Events of the page may end the wait, but not before the time that the server has sent.
    do await this.#rest({ name: "waiting", until, reason }, since + wait - now());
    while (now() - since < atLeast! && !this.#isClosed && !this.#isHeld);
  }

  readonly #onPage = ({ type }: Event): void => {
    if (type === "online") {
      this.#hasMoved = true;
      this.#polls.hold = HOLD;
    } else if (globalThis.document?.hidden) {
      return;
    }
    for (const connection of this.#connections) connection.check();
    this.#pause.wake();
  };
}
