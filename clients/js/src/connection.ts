import { now } from "./clock.js";
import type { Fault } from "./rejection.js";
import type { Frame, Opening, Transport } from "./transport.js";
import type { TransportName } from "./types.js";

/** A heartbeat, in milliseconds, where the hub has not told its own. */
const PING = 25_000;
/** A connection that lasts for less, in milliseconds, ended early. */
const EARLY = 10_000;
/** A timer that is later than this, in milliseconds, was asleep with its page: that says nothing of the hub. */
const LATE = 1_000;

/** How a connection ended. */
export interface Ending {
  /**
   * `failed`: it never opened; `early`: it was cut soon after it opened; `silent`: it fell silent soon; `cut`: either
   * of them, later; `closed`: we did.
   */
  readonly how: "failed" | "early" | "silent" | "cut" | "closed";
  readonly error: Fault;
}

/** One connection, from its opening to its end; silence ends it. */
export class Connection {
  /** Whether it came to be open. */
  readonly opened: Promise<boolean>;
  readonly ended: Promise<Ending>;
  #abort = new AbortController();
  #openedAt: number | undefined;
  #heardAt = now();
  #ping = PING;
  #patience: number;
  /** Why it was given up. */
  #cause: "silent" | "closed" | undefined;
  /** It was listened to for a moment more, and nothing has come since. */
  #isSpared = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settle!: (isOpen: boolean) => void;

  constructor(
    readonly name: TransportName,
    transport: Transport,
    opening: Omit<Opening, "signal">,
    openTimeout: number,
  ) {
    this.#patience = openTimeout;
    this.opened = new Promise((resolve) => (this.#settle = resolve));
    const { signal } = this.#abort;
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    const hear = (frame: Frame) => {
      if (signal.aborted) return;
      this.#alive(frame.ping);
      opening.hear(frame);
    };
    // What waits for its reader has come: that is no silence.
    const room = () => opening.room()?.then(() => this.#alive());
    const carried = transport({ ...opening, signal, hear, room });
    this.ended = Promise.race([carried, aborted]).catch((error) => this.#end(error)) as Promise<Ending>;
    this.#watch();
  }

  close(): void {
    this.#giveUp("closed");
  }

  /** Ends it where it has been silent for too long. */
  check(): void {
    const late = now() - this.#heardAt - this.#patience;
    if (late > LATE && !this.#isSpared) {
      // What came while the page slept is read in the next moments, if anything came.
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
    this.#timer = setTimeout(() => this.check(), this.#heardAt + this.#patience - now());
  }

  #alive(ping = this.#ping): void {
    this.#ping = ping;
    this.#heardAt = now();
    this.#patience = 1.5 * ping + 2_000;
    this.#isSpared = false;
    if (this.#openedAt !== undefined) return;
    this.#openedAt = this.#heardAt;
    this.#watch();
    this.#settle(true);
  }

  #end(error: Error): Ending {
    clearTimeout(this.#timer);
    this.#settle(false);
    // Whatever is still open of it.
    this.#abort.abort();
    if (this.#cause === "closed") return { how: "closed", error };
    if (this.#openedAt === undefined) return { how: "failed", error };
    const until = this.#cause ? this.#heardAt : now();
    return { how: until - this.#openedAt >= EARLY ? "cut" : (this.#cause ?? "early"), error };
  }
}
