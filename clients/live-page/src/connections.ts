// Browsers open at most six connections to one host over HTTP/1.1, and all tabs share them. A stream by SSE or
// long-polling takes one in every tab; WebSockets are not counted. So the tabs of this page agree, by locks of the
// origin, to hold five at most: the sixth is for whoever wants to load anything else from the hub.

const SHARED = 5;

/** Leave to use one connection. */
export interface Turn {
  /** Resolves with what gives it back; `queued` is called where there is none at once. */
  take(signal: AbortSignal, queued: () => void): Promise<() => void>;
}

/** The turns of one stream. */
export class Turns implements Turn {
  #insists = false;
  #insist: (() => void) | undefined;

  /** Goes to the network without leave from now on, and may keep others from it. */
  insist(): void {
    this.#insists = true;
    this.#insist?.();
  }

  async take(signal: AbortSignal, queued: () => void): Promise<() => void> {
    // Over HTTP/2 there is no such limit, and outside of a secure context there are no locks.
    if (this.#insists || !navigator.locks || !limited()) return () => {};
    for (let at = 1; at <= SHARED; at += 1) {
      const release = await lock(at, { ifAvailable: true });
      if (release) return release;
    }
    queued();
    return await this.#wait(signal);
  }

  /** In the queues of all five at once: the first that comes up is it. */
  #wait(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const enough = new AbortController();
      const settle = (release: () => void) => {
        enough.abort();
        this.#insist = undefined;
        resolve(release);
      };
      const giveUp = () => {
        enough.abort();
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { signal: enough.signal });
      this.#insist = () => settle(() => {});
      for (let at = 1; at <= SHARED; at += 1) {
        lock(at, { signal: enough.signal }).then(
          (release) => (enough.signal.aborted ? release?.() : settle(release!)),
          () => {},
        );
      }
    });
  }
}

/** For what takes none of the six. */
export const free: Turn = { take: async () => () => {} };

function lock(at: number, options: LockOptions): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(`tidings-connection-${at}`, options, (granted) => {
        if (!granted) return resolve(undefined);
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}

/** Whether the page itself came over a protocol of one exchange a connection. */
function limited(): boolean {
  const [page] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return !page || page.nextHopProtocol === "" || page.nextHopProtocol.startsWith("http/1");
}

/** How long the other tabs may take to answer, in milliseconds; a hidden one takes its time. */
const ROLL_CALL = 2000;

/** Counts the tabs that show this page. */
export class Tabs {
  #others = new Set<string>();
  /** Who has answered the present roll call. */
  #here = new Set<string>();
  readonly #me = Math.random().toString(36).slice(2);
  readonly #channel = new BroadcastChannel("tidings-tabs");

  constructor() {
    this.#channel.addEventListener("message", ({ data }: MessageEvent<{ tab: string; says: string }>) => {
      for (const tabs of [this.#others, this.#here]) {
        if (data.says === "bye") tabs.delete(data.tab);
        else tabs.add(data.tab);
      }
      if (data.says === "who") this.#say("here");
    });
    addEventListener("pagehide", () => this.#say("bye"));
    this.ask();
  }

  get open(): number {
    return this.#others.size + 1;
  }

  /** Counts anew: a tab that crashed has said no goodbye. */
  ask(): void {
    this.#here = new Set();
    this.#say("who");
    setTimeout(() => (this.#others = this.#here), ROLL_CALL);
  }

  #say(says: string): void {
    this.#channel.postMessage({ tab: this.#me, says });
  }
}
