// The network of one stream: counts what comes in, can be cut as a cable is, and knows when it waits for an answer.

import type { Turn } from "./connections.js";
import { Tally } from "./tally.js";

/** What the Performance API reckons for the head of each answer. Ours adds the same, so that both can be compared. */
const HEAD = 300;

/** The switch of the whole page. */
export class Gate extends EventTarget {
  #offline = false;

  get offline(): boolean {
    return this.#offline;
  }

  set offline(offline: boolean) {
    this.#offline = offline;
    this.dispatchEvent(new Event(offline ? "offline" : "online"));
  }
}

/** An attempt that has had no answer yet. */
export interface Pending {
  readonly since: number;
  /** A poll may be held until there is news: that no answer comes means nothing by itself. */
  readonly held: boolean;
  /** None of the shared connections was free. */
  readonly queued: boolean;
}

export class Probe {
  /** Those that were sent, and those that were granted. */
  requests = 0;
  granted = 0;
  bytes = 0;
  pending: Pending | undefined;
  /** When the hub answered last. */
  answered = -Infinity;

  readonly #gate: Gate;
  readonly #turn: Turn;
  readonly #tally: Tally;
  readonly #cuts = new Set<() => void>();

  /** @param message how a message looks on this network. */
  constructor(gate: Gate, turn: Turn, message: RegExp) {
    this.#gate = gate;
    this.#turn = turn;
    this.#tally = new Tally(message);
    gate.addEventListener("offline", () => this.cut());
  }

  get messages(): number {
    return this.#tally.messages;
  }

  /** What is open ends at once and without a goodbye. Tells whether there was anything. */
  cut(): boolean {
    const cuts = [...this.#cuts];
    for (const cut of cuts) cut();
    return cuts.length > 0;
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    if (this.#gate.offline) throw new TypeError("the page is offline");
    const url = new URL(input instanceof Request ? input.url : input, document.baseURI);
    const cutting = new AbortController();
    const cut = () => cutting.abort();
    const signals = init?.signal ? [init.signal, cutting.signal] : [cutting.signal];
    const signal = AbortSignal.any(signals);
    this.#cuts.add(cut);
    let release = () => {};
    const end = () => {
      signal.removeEventListener("abort", end);
      this.#cuts.delete(cut);
      release();
    };
    signal.addEventListener("abort", end);
    try {
      const held = Number(url.searchParams.get("wait")) > 0;
      const waits = (queued: boolean) => {
        this.pending = { since: this.pending?.since ?? performance.now(), held, queued };
      };
      waits(false);
      release = await this.#turn.take(signal, () => waits(true));
      waits(false);
      this.requests += 1;
      const response = await fetch(input, { ...init, signal });
      this.#hasAnswered(response.ok);
      return this.#counted(response, cutting.signal, end);
    } catch (error) {
      end();
      // One that its client gave up, to try again, has waited on; all other ends are answers of a kind.
      if (!init?.signal?.aborted) this.pending = undefined;
      throw asNetworkError(error, cutting.signal);
    }
  };

  #hasAnswered(granted: boolean): void {
    if (granted) this.granted += 1;
    this.pending = undefined;
    this.answered = performance.now();
    this.bytes += HEAD;
  }

  #counted(response: Response, cut: AbortSignal, end: () => void): Response {
    const reader = response.body?.getReader();
    if (!reader) {
      end();
      return response;
    }
    const answer = this.#tally.answer();
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) {
            end();
            answer.end();
            controller.close();
          } else {
            this.bytes += value.byteLength;
            this.answered = performance.now();
            answer.piece(value);
            controller.enqueue(value);
          }
        } catch (error) {
          end();
          controller.error(asNetworkError(error, cut));
        }
      },
      cancel: async (reason) => {
        end();
        await reader.cancel(reason);
      },
    });
    const { status, statusText, headers } = response;
    return new Response(body, { status, statusText, headers });
  }

  /** `WebSocket`, seen by this probe. */
  get WebSocket(): typeof globalThis.WebSocket {
    return new Proxy(WebSocket, {
      construct: (_, [url, protocols]: [string | URL, string | string[] | undefined]) =>
        this.#gate.offline ? new Unreachable() : new Counted(this, this.#cuts, url, protocols),
    });
  }

  /** For {@link Counted}. */
  opens(): void {
    this.requests += 1;
    this.pending ??= { since: performance.now(), held: false, queued: false };
  }

  opened(): void {
    this.#hasAnswered(true);
  }

  received(data: string | ArrayBuffer): void {
    const payload = typeof data === "string" ? utf8.encode(data).byteLength : data.byteLength;
    this.answered = performance.now();
    this.bytes += payload + frameHead(payload);
    if (typeof data === "string") this.#tally.add(data);
  }
}

/** Who gave it up decides what the client is told: its own abort is one, a cut is a broken network. */
function asNetworkError(error: unknown, cut: AbortSignal): unknown {
  return cut.aborted ? new TypeError("the connection was cut") : error;
}

const utf8 = new TextEncoder();

/** Of a frame from a server: RFC 6455, section 5.2. */
const frameHead = (payload: number) => (payload < 126 ? 2 : payload < 65_536 ? 4 : 10);

class Counted extends WebSocket {
  constructor(probe: Probe, cuts: Set<() => void>, url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    probe.opens();
    let dead = false;
    let passing: Event | undefined;
    const cut = () => {
      cuts.delete(cut);
      dead = true;
      probe.pending = undefined;
      this.close();
      const event = new CloseEvent("close", { code: 1006, wasClean: false });
      passing = event;
      this.dispatchEvent(event);
    };
    cuts.add(cut);
    // Registered before anybody else's: what comes after a cut comes from a network that is not there any more.
    for (const type of ["open", "message", "error", "close"]) {
      this.addEventListener(type, (event) => {
        if (dead && event !== passing) event.stopImmediatePropagation();
      });
    }
    this.addEventListener("open", () => probe.opened());
    this.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => probe.received(data));
    this.addEventListener("close", () => cuts.delete(cut));
  }
}

/** The WebSocket of a page that is offline: it fails as soon as somebody could listen. */
class Unreachable extends EventTarget {
  readonly readyState = WebSocket.CLOSED;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;

  constructor() {
    super();
    setTimeout(() => {
      const [error, close] = [new Event("error"), new CloseEvent("close", { code: 1006, wasClean: false })];
      this.dispatchEvent(error);
      this.onerror?.(error);
      this.dispatchEvent(close);
      this.onclose?.(close);
    });
  }

  close(): void {}
  send(): void {}
}
