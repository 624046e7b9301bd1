import { now } from "./clock.js";
import type { TransportName } from "./types.js";

/** After this many early ends in a row, the next transport is used. */
const STRIKES = 3;
/** How long, in milliseconds, further feeds of this origin begin with the transport that has worked. */
const REMEMBERED = 600_000;
const MOST_PATIENCE = 3_600_000;

/** Chooses the next transport: the best one that works, by the outcome of earlier attempts. */
export class Choice {
  #at!: number;
  #strikes = 0;
  #patience: number;
  #betterAt!: number;

  /**
   * @param place the key in the storage for the transport that has worked
   * @param usual milliseconds until a better transport is tried
   */
  constructor(
    readonly names: readonly TransportName[],
    private readonly place: string,
    private readonly usual: number,
  ) {
    const [name, until] = stored(place) as [TransportName, number];
    this.#patience = usual;
    this.#move(until > Date.now() ? Math.max(0, names.indexOf(name)) : 0);
  }

  get current(): TransportName {
    return this.names[this.#at]!;
  }

  /** Reports that the current transport could not be opened, or was silent. Returns `true` if another one should be
   * tried before the next wait. */
  failed(): boolean {
    this.#strikes = 0;
    this.#move((this.#at + 1) % this.names.length);
    return this.#at > 0;
  }

  /** Reports that a transport was opened. */
  opened(name: TransportName): void {
    const at = this.names.indexOf(name);
    if (at < this.#at) this.#move(at);
    stored(this.place, [name, Date.now() + REMEMBERED]);
  }

  /** Reports that a connection ended. After several early ends in a row, the next transport is used. */
  ended(isEarly: boolean): void {
    if (!isEarly) {
      this.#strikes = 0;
      if (!this.#at) this.#patience = this.usual;
    } else if (++this.#strikes === STRIKES) {
      this.#strikes = 0;
      if (this.#at + 1 < this.names.length) this.#at++;
      this.stay();
    }
  }

  /** The transports that are better than the current one. */
  get better(): readonly TransportName[] {
    return this.names.slice(0, this.#at);
  }

  /** Milliseconds until they are tried. `undefined` if there are none. */
  get betterIn(): number | undefined {
    return this.#at ? this.#betterAt - now() : undefined;
  }

  /** Keeps the current transport for longer, because no better one could be opened or none of them lasted. */
  stay(): void {
    this.#patience = Math.min(MOST_PATIENCE, 2 * this.#patience);
    this.#move(this.#at);
  }

  /** Begins with the best transport again. */
  restart(): void {
    this.#move(0);
  }

  #move(to: number): void {
    this.#at = to;
    this.#betterAt = now() + this.#patience;
  }
}

/** Stores `value` if it is given. Returns the transport that has worked last and the time until which that counts, or
 * nothing if there is no window or its storage may not be used. */
function stored(key: string, value?: [TransportName, number]): [TransportName, number] | [] {
  try {
    const storage = window.localStorage;
    if (value) storage.setItem(key, JSON.stringify(value));
    return JSON.parse(storage.getItem(key)!) ?? [];
  } catch {
    return [];
  }
}
