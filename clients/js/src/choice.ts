import { now } from "./clock.js";
import type { TransportName } from "./types.js";

/** So many early ends in a row, and a transport is taken for one that does not last here. */
const STRIKES = 3;
/** For so long, in milliseconds, the next feed of this origin begins with what worked. */
const REMEMBERED = 600_000;
const MOST_PATIENCE = 3_600_000;

/** Which transport is next: the best that works, by what was seen. */
export class Choice {
  #at: number;
  #strikes = 0;
  #patience: number;
  #betterAt: number;

  /** @param place where to remember what worked; @param usual milliseconds until a better one is tried. */
  constructor(
    readonly names: readonly TransportName[],
    private readonly place: string,
    private readonly usual: number,
  ) {
    const [name, until] = stored(place) as [TransportName, number];
    this.#at = until > Date.now() ? Math.max(0, names.indexOf(name)) : 0;
    this.#patience = usual;
    this.#betterAt = now() + usual;
  }

  get current(): TransportName {
    return this.names[this.#at]!;
  }

  /** It could not be opened, or fell silent. Whether there is another one to try before waiting. */
  failed(): boolean {
    this.#strikes = 0;
    this.#move((this.#at + 1) % this.names.length);
    return this.#at > 0;
  }

  /** It was opened. */
  opened(name: TransportName): void {
    const at = this.names.indexOf(name);
    if (at < this.#at) this.#move(at);
    stored(this.place, [name, Date.now() + REMEMBERED]);
  }

  /** It ended, too early or after a while. Early ends again and again count as one that cannot be opened. */
  ended(isEarly: boolean): void {
    if (!isEarly) {
      this.#strikes = 0;
      if (this.#at === 0) this.#patience = this.usual;
    } else if (++this.#strikes === STRIKES) {
      this.#strikes = 0;
      if (this.#at + 1 < this.names.length) this.#at++;
      this.stay();
    }
  }

  /** The transports that are better than the present one. */
  get better(): readonly TransportName[] {
    return this.names.slice(0, this.#at);
  }

  /** In how many milliseconds to try them; `undefined` where there are none. */
  get betterIn(): number | undefined {
    return this.#at > 0 ? this.#betterAt - now() : undefined;
  }

  /** The present one is to do for longer: no better one could be opened, or none lasted. */
  stay(): void {
    this.#patience = Math.min(MOST_PATIENCE, 2 * this.#patience);
    this.#move(this.#at);
  }

  /** From the best again. */
  restart(): void {
    this.#move(0);
  }

  #move(to: number): void {
    this.#at = to;
    this.#betterAt = now() + this.#patience;
  }
}

/** Returns what worked last, and until when that counts; nothing if there is no window, or no storage that may be used. */
function stored(key: string, value?: [TransportName, number]): [TransportName, number] | [] {
  try {
    const storage = window.localStorage;
    if (value) storage.setItem(key, JSON.stringify(value));
    return JSON.parse(storage.getItem(key)!) ?? [];
  } catch {
    return [];
  }
}
