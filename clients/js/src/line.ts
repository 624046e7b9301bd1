import type { Address } from "./address.js";
import { Backoff } from "./backoff.js";
import { Choice } from "./choice.js";
import { now } from "./clock.js";
import { Connection, type Ending } from "./connection.js";
import { longPolling } from "./long-polling.js";
import { Pause } from "./pause.js";
import { isAhead } from "./position.js";
import { isBusy, isFinal } from "./rejection.js";
import { sse } from "./sse.js";
import { type Frame, OPEN_TIMEOUT, type Opening, type Transport } from "./transport.js";
import type { Options, State, TransportName } from "./types.js";
import { webSocket } from "./websocket.js";

const TRANSPORTS: Record<TransportName, Transport> = {
  websocket: webSocket,
  sse,
  "long-polling": longPolling,
};
/** How long a poll is held, in seconds. */
const HOLD = 25;

/** Takes what a line brings: each thing once and in order, whatever happens below. */
export interface Listener {
  /** Everything up to `position` has come, with what it ended with. */
  take(position: string, frame: Frame): void;
  room(): Promise<void> | undefined;
  state(state: State): void;
}

/** Keeps a feed connected: by which transport, from which position, and when again. */
export class Line {
  readonly #choice: Choice;
  readonly #backoff = new Backoff();
  readonly #pause = new Pause();
  readonly #connections = new Set<Connection>();
  readonly #polls = { hold: HOLD, cuts: 0 };
  /** Everything up to here has come. */
  #position: string | undefined;
  #wasRefused = false;
  #wasOpen = false;
  /** Some transport that was tried since the last wait may open at another time. */
  #mayPass = false;
  #isHeld = false;
  #isClosed = false;
  /** The network has changed: what is connected may be dead and not know it. */
  #hasMoved = false;

  /** @throws TypeError where no transport is left. */
  constructor(
    private readonly address: Address,
    private readonly options: Options<any>,
    private readonly listener: Listener,
  ) {
    const names = options.transports ?? (Object.keys(TRANSPORTS) as TransportName[]);
    const usable = names.filter((name) => {
      if (!TRANSPORTS[name]) throw new TypeError(`"${name}" is no transport of tidings`);
      return name !== "websocket" || (options.WebSocket ?? globalThis.WebSocket);
    });
    if (!usable[0]) throw new TypeError("no transport is left");
    this.#choice = new Choice(usable, `tidings ${address.url.origin} ${usable}`, options.betterAfter ?? 60_000);
    this.#position = options.after;
  }

  /** Connects, again and again, until it is closed or the hub refuses for good. */
  async run(): Promise<void> {
    const ended = new AbortController();
    for (const event of ["online", "visibilitychange"]) globalThis.addEventListener?.(event, this.#onPage, ended);
    let error;
    try {
      while (!this.#isClosed) await (this.#isHeld ? this.#rest({ name: "paused" }) : this.#carry());
    } catch (refused) {
      error = refused as Error;
    }
    ended.abort();
    this.listener.state({ name: "closed", error });
  }

  close(): void {
    this.#isClosed = true;
    this.#hangUp();
  }

  /** Gives the connection up until `release()`: the reader can take no more. */
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

  /** Whoever is told may end the rest at once. */
  #rest(state: State, milliseconds?: number): Promise<void> {
    const rest = this.#pause.sleep(milliseconds);
    this.listener.state(state);
    return rest;
  }

  /** One connection after the other takes over, until one ends and none has taken its place. */
  async #carry(): Promise<void> {
    this.#hasMoved = false;
    this.listener.state({ name: "connecting", transport: this.#choice.current });
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
    const transport: Transport = async (opening) => {
      const token = await this.options.token?.(this.#wasRefused);
      if (!opening.signal.aborted) await TRANSPORTS[name]({ ...opening, token });
    };
    const opening: Omit<Opening, "signal"> = {
      url: (query) => this.address.subscription({ transport: name, after: this.#position, ...query }),
      token: undefined,
      topic: this.address.topic,
      polls: this.#polls,
      options: this.options,
      hear: (frame) => this.#hear(frame),
      room: () => this.listener.room(),
    };
    const timeout = this.options.openTimeout ?? OPEN_TIMEOUT;
    const connection = new Connection(name, transport, opening, timeout);
    // Closed by whoever heard that it connects, or between two transports that are better.
    if (this.#isClosed || this.#isHeld) connection.close();
    this.#connections.add(connection);
    void connection.ended.then(() => this.#connections.delete(connection));
    return connection;
  }

  /** Two connections may speak at once while one takes over: what one of them has told already is passed over. */
  #hear(frame: Frame): void {
    const { gap, retry } = frame;
    if (frame.topic) this.#backoff.reset();
    if (retry) this.#backoff.retry = retry;
    const to = gap ? gap.resume : frame.id;
    // A gap may lead back: a hub can lose the end of its history.
    if (to && (isAhead(to, this.#position) || gap?.after === this.#position)) {
      this.#position = to;
      this.listener.take(to, frame);
    }
  }

  #opens({ name }: Connection): void {
    this.#wasRefused = false;
    this.#wasOpen = true;
    this.#choice.opened(name);
    this.listener.state({ name: "open", transport: name });
  }

  /** What an ending means for the next attempt, and the wait for it. */
  async #after({ how, error }: Ending): Promise<void> {
    if (how === "closed") return;
    const { status, code, retryAfter, message } = error;
    if (status === 401 && this.options.token && !this.#wasRefused) {
      this.#wasRefused = true;
      return this.#choice.restart();
    }
    // A load balancer answers 404 of itself while its only server restarts.
    const isEnd = isFinal(status) && !(this.#wasOpen && status === 404 && !code);
    if (isEnd && code && code !== "bad_transport") throw error;
    if (!isBusy(error)) {
      // A WebSocket that fails does not say why.
      if (how !== "failed" || !(isEnd || this.#choice.current === "websocket")) this.#mayPass = true;
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
    // The page may wake it, but not before the hub wants it back.
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
