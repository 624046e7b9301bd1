/** The longest wait of a timer: a longer one is over at once. */
const MOST = 2 ** 31 - 1;

/** A wait that can be cut short. */
export class Pause {
  #wake: (() => void) | undefined;

  /** Until `wake()`, or so many milliseconds. */
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
