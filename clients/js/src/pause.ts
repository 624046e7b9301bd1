/** The longest time of a timer in milliseconds. A timer with a longer time fires at once. */
const MOST = 2 ** 31 - 1;

/** A wait that can be ended early. */
export class Pause {
  #wake: (() => void) | undefined;

  /** Resolves after `wake()`, or after this many milliseconds. */
  sleep(milliseconds?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(resolve, Math.min(MOST, milliseconds));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake(): void {
    this.#wake?.();
  }
}
