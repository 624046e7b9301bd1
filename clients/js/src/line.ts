import type { Address } from "./address.js";
import { Backoff } from "./backoff.js";
import { Choice } from "./choice.js";
import { Connection, type Ending } from "./connection.js";
import { longPolling } from "./long-polling.js";
import { Pause } from "./pause.js";
import { isAhead } from "./position.js";
import { Refusal } from "./refusal.js";
import { sse } from "./sse.js";
import { type Ear, OPEN_TIMEOUT, type Opening, type Transport } from "./transport.js";
import type { Gap, Notification, Options, State, TransportName, WebSocketConstructor } from "./types.js";
import { webSocket } from "./websocket.js";

const TRANSPORTS: Record<TransportName, Transport> = {
  websocket: webSocket,
  sse,
  "long-polling": longPolling,
};
/** How long a poll is held, in seconds. */
const HOLD = 25;

/** Who is told what a line brings: each thing once and in order, whatever happens below. */
export interface Listener {
  notification(notification: Notification): void;
  gap(gap: Gap): void;
  room(): Promise<void> | undefined;
  /** Everything up to this id was told. */
  position(id: string): void;
  state(state: State): void;
}

/** Keeps a feed connected: by which transport, from which position, and when again. */
export class Line {
  readonly #choice: Choice;
  readonly #backoff = new Backoff();
  readonly #pause = new Pause();
  readonly #connections = new Set<Connection>();
  readonly #WebSocket: WebSocketConstructor | undefined;
  readonly #polls = { hold: HOLD, cuts: 0 };
  /** Everything up to here has come. */
  #position: string | undefined;
  #wasRefused = false;
  #isHeld = false;
  #isClosed = false;
  /** The network has changed: what is connected may be dead and not know it. */
  #hasMoved = false;

  /** @throws TypeError where no transport is left. */
  constructor(
    private readonly address: Address,
    private readonly options: Options,
    private readonly listener: Listener,
  ) {
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    const names = options.transports ?? (Object.keys(TRANSPORTS) as TransportName[]);
    const usable = names.filter((name) => {
      if (!TRANSPORTS[name]) throw new TypeError(`"${name}" is no transport of tidings`);
      return name !== "websocket" || this.#WebSocket;
    });
    if (!usable[0]) throw new TypeError("no transport is left");
    this.#choice = new Choice(usable, `tidings ${address.origin} ${usable}`, options.betterAfter ?? 60_000);
    this.#position = options.after;
  }

  /** Connects, again and again, until it is closed or the hub refuses for good. */
  async run(): Promise<void> {
    const events = ["online", "visibilitychange"];
    for (const event of events) globalThis.addEventListener?.(event, this.#onPage);
    let error;
    try {
      while (!this.#isClosed) await (this.#isHeld ? this.#rest({ name: "paused" }) : this.#carry());
    } catch (refused) {
      error = refused as Error;
    }
    for (const event of events) globalThis.removeEventListener?.(event, this.#onPage);
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
    const rest = this.#pause.wait(milliseconds);
    this.listener.state(state);
    return rest;
  }

  /** One connection after the other takes over, until one ends and none has taken its place. */
  async #carry(): Promise<void> {
    this.#hasMoved = false;
    this.listener.state({ name: "connecting", transport: this.#choice.now });
    let connection = this.#open(this.#choice.now);
    if (await connection.opened) this.#opens(connection);
    for (;;) {
      const ending = await Promise.race([connection.ended, this.#pause.wait(this.#choice.betterIn)]);
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
    const transport: Transport = async (opening, ear) => {
      const token = await this.options.token?.(this.#wasRefused);
      if (!opening.signal.aborted) await TRANSPORTS[name]({ ...opening, token }, ear);
    };
    const opening: Omit<Opening, "signal"> = {
      url: (query) => this.address.subscription({ transport: name, after: this.#position, ...query }),
      token: undefined,
      topic: this.address.topic,
      polls: this.#polls,
      fetch: this.options.fetch ?? globalThis.fetch,
      WebSocket: this.#WebSocket,
    };
    const timeout = this.options.openTimeout ?? OPEN_TIMEOUT;
    const connection = new Connection(name, transport, opening, this.#ear, timeout);
    // Closed by whoever heard that it connects, or between two transports that are better.
    if (this.#isClosed || this.#isHeld) connection.close();
    this.#connections.add(connection);
    void connection.ended.then(() => this.#connections.delete(connection));
    return connection;
  }

  /** Two connections may speak at once while one takes over: what one of them has told already is passed over. */
  readonly #ear: Omit<Ear, "alive"> = {
    notification: (notification) => {
      if (this.#advance(notification.id)) this.listener.notification(notification);
    },
    room: () => this.listener.room(),
    gap: (gap) => {
      // It may lead back: a hub can lose the end of its history.
      if (gap.after === this.#position) this.#position = undefined;
      if (this.#advance(gap.resume)) this.listener.gap(gap);
    },
    position: (id) => {
      if (this.#advance(id)) this.listener.position(id);
    },
    retry: (after) => {
      this.#backoff.retry = after;
    },
  };

  #advance(to: string): boolean {
    const isNew = isAhead(to, this.#position);
    if (isNew) this.#position = to;
    return isNew;
  }

  #opens({ name }: Connection): void {
    this.#wasRefused = false;
    this.#choice.opened(name);
    this.listener.state({ name: "open", transport: name });
  }

  /** What an ending means for the next attempt, and the wait for it. */
  async #after({ how, error }: Ending): Promise<void> {
    if (how === "closed") return;
    const refusal = error instanceof Refusal ? error : undefined;
    if (refusal?.status === 401 && this.options.token && !this.#wasRefused) {
      this.#wasRefused = true;
      return this.#choice.restart();
    }
    if (refusal?.status === 401 || refusal?.isFinal) throw refusal;
    if (!refusal?.isBusy) {
      if (how === "silent") this.#choice.stay();
      if ((how === "failed" || how === "silent") && this.#choice.failed()) return;
      if (how === "early" || how === "cut") this.#choice.ended(how === "early");
    }
    if (how === "cut" || how === "goodbye") this.#backoff.reset();
    await this.#wait(refusal?.retryAfter, error?.message ?? "the hub said goodbye");
  }

  async #wait(atLeast: number | undefined, reason: string): Promise<void> {
    const since = Date.now();
    const until = since + this.#backoff.next(atLeast);
    // The page may wake it, but not before the hub wants it back.
    do await this.#rest({ name: "waiting", until, reason }, until - Date.now());
    while (Date.now() - since < atLeast! && !this.#isClosed && !this.#isHeld);
  }

  readonly #onPage = ({ type }: Event): void => {
    if (type === "online") {
      this.#hasMoved = true;
      this.#polls.hold = HOLD;
    } else if (globalThis.document?.visibilityState === "hidden") {
      return;
    }
    for (const connection of this.#connections) connection.check();
    this.#pause.wake();
  };
}
