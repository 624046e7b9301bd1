// The latencies of the last minute, in a fixed amount of memory.

/** The number of latencies that are kept, more than in the largest flood of this page. If there are more in a minute, the
 * oldest ones are left out. */
const KEPT = 1 << 14;
/** The least latency in milliseconds. Two clocks cannot be compared more precisely. */
export const LEAST = 0.1;
/** The length of one slot of the plot in milliseconds. */
const SLOT = 250;
/** The number of slots in a minute. */
export const SLOTS = 60_000 / SLOT;

const slotAt = (time: number) => Math.floor(time / SLOT);

export class LatencyWindow {
  readonly #times = new Float64Array(KEPT).fill(-Infinity);
  readonly #latencies = new Float64Array(KEPT);
  #next = 0;

  add(latency: number): void {
    this.#times[this.#next] = performance.now();
    this.#latencies[this.#next] = Math.max(LEAST, latency);
    this.#next = (this.#next + 1) % KEPT;
  }

  /**
   * Returns the median and the slowest latency, which are `NaN` if there are none. `slots` has the slowest latency of
   * each slot, the oldest slot first.
   */
  read(): { median: number; slowest: number; slots: (number | null)[] } {
    const oldest = slotAt(performance.now()) - SLOTS + 1;
    const slots = new Array<number | null>(SLOTS).fill(null);
    const recent = this.#latencies.filter((latency, at) => {
      const slot = slotAt(this.#times[at]!) - oldest;
      if (slot < 0) return false;
      slots[slot] = Math.max(slots[slot]!, latency);
      return true;
    });
    recent.sort();
    return { median: recent[recent.length >> 1] ?? NaN, slowest: recent.at(-1) ?? NaN, slots };
  }
}
