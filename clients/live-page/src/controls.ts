// The controls for all streams: publish, flood, go offline. The HTML disables them until the page is ready.

import { find, quoted } from "./dom.js";
import { count, duration } from "./format.js";
import { request } from "./server.js";
import type { Shared, Stream } from "./stream.js";

/** How many publishes of a flood are in flight at the same time. The streams need connections as well. */
const AT_ONCE = 3;

export class Controls {
  #isOffline = false;
  /** Stops the flood that is running. */
  #flood: AbortController | undefined;

  constructor(
    readonly shared: Shared,
    readonly streams: readonly Stream[],
  ) {
    const form = find(document, "form");
    const text = find<HTMLInputElement>(form, "#text");
    const many = find<HTMLSelectElement>(form, "#many");
    const flood = find(form, "[data-action=flood]");
    const offline = find(form, "[data-action=offline]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#publish(text.value);
    });
    flood.addEventListener("click", () => {
      if (this.#flood) this.#flood.abort();
      else void this.#runFlood(Number(many.value), flood);
    });
    offline.addEventListener("click", () => this.#toggleOffline(offline));
    find<HTMLFieldSetElement>(form, "fieldset").disabled = false;
  }

  #toggleOffline(button: HTMLElement): void {
    this.#isOffline = !this.#isOffline;
    for (const { probe } of this.streams) {
      if (this.#isOffline) probe.unplug("the page is offline");
      else probe.plug();
    }
    button.textContent = this.#isOffline ? "Go online" : "Go offline";
    this.shared.log.add(this.#isOffline ? "The page is offline" : "The page is online again");
    // A browser sends this event when its network is back. Feeds that wait try again at once.
    if (!this.#isOffline) dispatchEvent(new Event("online"));
  }

  async #publish(text: string): Promise<void> {
    const { log } = this.shared;
    try {
      await this.#send(text);
      log.add("Published “", quoted(text), "”");
    } catch (error) {
      log.add("Not published, “", quoted(text), `”: ${(error as Error).message}`);
    }
  }

  async #runFlood(total: number, button: HTMLElement): Promise<void> {
    const { log } = this.shared;
    const flood = (this.#flood = new AbortController());
    button.textContent = "Stop";
    const began = performance.now();
    let [next, done] = [0, 0];
    const publisher = async () => {
      while (next < total && !flood.signal.aborted) {
        next += 1;
        await this.#send(`flood ${count(next)}`);
        done += 1;
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, publisher));
      log.add(`Flood: ${count(done)} of ${count(total)} published in ${duration(performance.now() - began)}`);
    } catch (error) {
      flood.abort();
      log.add(`Flood: stopped after ${count(done)}: ${(error as Error).message}`);
    }
    button.textContent = "Flood";
    this.#flood = undefined;
  }

  async #send(text: string): Promise<void> {
    const { url, clock, check } = this.shared;
    if (this.#isOffline) throw new Error("the page is offline");
    const { id } = await request(url, { method: "POST", body: JSON.stringify({ text, sent: clock.now() }) });
    check.stored(id);
  }
}
