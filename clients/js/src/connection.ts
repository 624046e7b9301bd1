import { now } from "./clock.js";
import type { Fault } from "./rejection.js";
import type { Frame, Opening } from "./transport.js";
import type { TransportName } from "./types.js";

/** The heartbeat interval in milliseconds, if the server has not sent its own. */
const PING = 25_000;
/** A connection that lasts less than this, in milliseconds, ended early. */
const EARLY = 10_000;
/** If a timer is later than this, in milliseconds, its page was suspended, and the server not necessarily silent. */
const LATE = 1_000;

/** How a connection ended. */
export interface Ending {
  /**
   * - `failed`: it was never open
   * - `early`: it ended soon after it was opened
   * - `silent`: it became silent soon after it was opened
   * - `cut`: it ended or became silent later
   * - `closed`: this client closed it
   */
  readonly how: "failed" | "early" | "silent" | "cut" | "closed";
  readonly error: Fault;
}

/** One connection, from its opening to its end. It is closed if it is silent for too long. */
export class Connection {
  /** Resolves to `true` once it is open, or to `false` if it ends before. */
  readonly opened: Promise<boolean>;
  readonly ended: Promise<Ending>;
  #abort = new AbortController();
  #openedAt: number | undefined;
  #aliveAt = now();
  #ping = PING;
  #patience: number;
  /** The reason why this client closed it. */
  #cause: "silent" | "closed" | undefined;
  /** `true` if its time was extended after its page was suspended, and nothing has arrived since. */
  #isSpared = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settle!: (isOpen: boolean) => void;

  constructor(
    readonly name: TransportName,
    transport: (opening: Omit<Opening, "token">) => Promise<void>,
    opening: Omit<Opening, "signal" | "token">,
    openTimeout: number,
  ) {
    this.#patience = openTimeout;
    this.opened = new Promise((resolve) => (this.#settle = resolve));
    const { signal } = this.#abort;
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    const receive = (frame: Frame) => {
      if (signal.aborted) return;
      this.#alive(frame.ping);
      opening.receive(frame);
    };
    // The time in which notifications wait for the reader does not count as silence.
    const room = () => opening.room()?.then(() => this.#alive());
    const carried = transport({ ...opening, signal, receive, room });
    this.ended = Promise.race([carried, aborted]).catch((error) => this.#end(error)) as Promise<Ending>;
    this.#watch();
  }

  close(): void {
    this.#giveUp("closed");
  }

  /** Closes it if it has been silent for too long. */
  check(): void {
    const late = now() - this.#aliveAt - this.#patience;
    if (late > LATE && !this.#isSpared) {
      // Anything that arrived while the page was suspended is read in the next moments.
      this.#isSpared = true;
      this.#patience += late + LATE;
    } else if (late >= 0) {
      this.#giveUp("silent");
      return;
    }
    this.#watch();
  }

  #giveUp(cause: "silent" | "closed"): void {
    this.#cause ??= cause;
    this.#abort.abort(new Error(cause));
  }

  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.check(), this.#aliveAt + this.#patience - now());
  }

  #alive(ping = this.#ping): void {
    this.#ping = ping;
    this.#aliveAt = now();
    this.#patience = 1.5 * ping + 2_000;
    this.#isSpared = false;
    if (this.#openedAt !== undefined) return;
    this.#openedAt = this.#aliveAt;
    this.#watch();
    this.#settle(true);
  }

  #end(error: Error): Ending {
    clearTimeout(this.#timer);
    this.#settle(false);
    // Closes everything that is still open.
    this.#abort.abort();
    if (this.#cause === "closed") return { how: "closed", error };
    if (this.#openedAt === undefined) return { how: "failed", error };
    const until = this.#cause ? this.#aliveAt : now();
    return { how: until - this.#openedAt >= EARLY ? "cut" : (this.#cause ?? "early"), error };
  }
}
