// The latencies of the last minute in a fixed amount of memory, however many there are.

const SECONDS = 60;
const SLOTS_A_SECOND = 4;
/** Of the plot: quarters of a second, the newest last. */
export const SLOTS = SECONDS * SLOTS_A_SECOND;

// A histogram with bins of 2.3 % from 10 microseconds to 100 seconds.
const LEAST = 0.01;
const BINS_A_DECADE = 100;
const BINS = 7 * BINS_A_DECADE;

const bin = (ms: number) =>
  Math.min(BINS - 1, Math.max(0, Math.floor(Math.log10(Math.max(ms, LEAST) / LEAST) * BINS_A_DECADE)));
const middle = (bin: number) => LEAST * 10 ** ((bin + 0.5) / BINS_A_DECADE);

export class Minute {
  readonly #histograms = new Uint32Array(SECONDS * BINS);
  readonly #slowest = new Float64Array(SLOTS);
  /** The slot since the page began that was written last; what is before `SLOTS` of it is forgotten. */
  #newest = 0;

  add(latency: number): void {
    this.#forget();
    const slot = this.#newest % SLOTS;
    const second = Math.floor(slot / SLOTS_A_SECOND);
    this.#histograms[second * BINS + bin(latency)]! += 1;
    this.#slowest[slot] = Math.max(this.#slowest[slot]!, latency, LEAST);
  }

  median(): number | undefined {
    this.#forget();
    const sum = new Uint32Array(BINS);
    let count = 0;
    this.#histograms.forEach((n, at) => {
      sum[at % BINS]! += n;
      count += n;
    });
    if (count === 0) return undefined;
    let left = count / 2;
    return middle(sum.findIndex((n) => (left -= n) <= 0));
  }

  slowest(): number | undefined {
    this.#forget();
    return this.#slowest.reduce((a, b) => Math.max(a, b), 0) || undefined;
  }

  /** Writes the slowest of each slot to `line`, the oldest first. */
  plot(line: (number | null)[]): void {
    this.#forget();
    for (let at = 0; at < SLOTS; at += 1) {
      line[at] = this.#slowest[(this.#newest + 1 + at) % SLOTS] || null;
    }
  }

  /** Empties the slots that time has come to since the last call. */
  #forget(): void {
    const now = Math.floor((performance.now() / 1000) * SLOTS_A_SECOND);
    for (let slot = Math.max(this.#newest + 1, now - SLOTS + 1); slot <= now; slot += 1) {
      const at = slot % SLOTS;
      this.#slowest[at] = 0;
      if (at % SLOTS_A_SECOND === 0) {
        const second = at / SLOTS_A_SECOND;
        this.#histograms.fill(0, second * BINS, (second + 1) * BINS);
      }
    }
    this.#newest = now;
  }
}
