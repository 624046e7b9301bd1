// What acts on all streams: publish, flood, go offline. The HTML disables all of it until the page is ready.

import { find, quoted, write } from "./dom.js";
import { count, duration } from "./format.js";
import type { Shared, Stream } from "./stream.js";

/** How many publishes of a flood are under way at the same time. The streams need connections as well. */
const AT_ONCE = 3;

export interface Page extends Shared {
  readonly topic: string;
  readonly streams: readonly Stream[];
}

export class Controls {
  readonly #page: Page;
  #isOffline = false;
  /** Stops the flood that is running. */
  #flood: AbortController | undefined;

  constructor(page: Page) {
    this.#page = page;
    const offline = find<HTMLButtonElement>(document, "[data-action=offline]");
    offline.disabled = false;
    offline.addEventListener("click", () => this.#toggleOffline(offline));

    const form = find<HTMLFormElement>(document, "[data-form=publish]");
    const text = find<HTMLInputElement>(form, "input");
    const flood = find<HTMLButtonElement>(document, "[data-action=flood]");
    const many = find<HTMLSelectElement>(document, "#many");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#publish(text.value);
    });
    flood.addEventListener("click", () => {
      if (this.#flood) this.#flood.abort();
      else void this.#runFlood(Number(many.value), flood);
    });
    const isFilter = /[*>,]/.test(page.topic);
    for (const control of [text, find<HTMLButtonElement>(form, "button"), flood, many]) control.disabled = isFilter;
    if (isFilter) find(form, "label").textContent = "This page shows a filter. To publish, open it with one topic.";
  }

  #toggleOffline(button: HTMLElement): void {
    const { streams, log } = this.#page;
    this.#isOffline = !this.#isOffline;
    for (const { probe } of streams) {
      if (this.#isOffline) probe.unplug("the page is offline");
      else probe.plug();
    }
    button.textContent = this.#isOffline ? "Go online" : "Go offline";
    log.add(this.#isOffline ? "The page is offline" : "The page is online again");
    // A browser sends this event when its network is back. Feeds that wait try again at once.
    if (!this.#isOffline) dispatchEvent(new Event("online"));
  }

  async #publish(text: string): Promise<void> {
    const { log } = this.#page;
    try {
      await this.#send(text);
      log.add("Published “", quoted(text), "”");
    } catch (error) {
      log.add("Not published, “", quoted(text), `”: ${(error as Error).message}`);
    }
  }

  async #runFlood(total: number, button: HTMLElement): Promise<void> {
    const { log } = this.#page;
    const progress = find(document, "[data-value=flood]");
    const { signal } = (this.#flood = new AbortController());
    button.textContent = "Stop";
    const began = performance.now();
    let [next, done] = [0, 0];
    const show = setInterval(() => write(progress, `${count(done)} of ${count(total)}`), 100);
    const publisher = async () => {
      while (next < total && !signal.aborted) {
        next += 1;
        await this.#send(`flood ${count(next)}`);
        done += 1;
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, publisher));
      const all = `${count(done)} published in ${duration(performance.now() - began)}`;
      log.add(`Flood: ${done < total ? `stopped after ${count(done)} of ${count(total)}` : all}`);
    } catch (error) {
      this.#flood.abort();
      log.add(`Flood: ended after ${count(done)}: ${(error as Error).message}`);
    }
    clearInterval(show);
    write(progress, "");
    button.textContent = "Flood";
    this.#flood = undefined;
  }

  async #send(text: string): Promise<void> {
    const { url, clock, check } = this.#page;
    if (this.#isOffline) throw new Error("the page is offline");
    const body = JSON.stringify({ text, sent: clock.now() });
    const response = await fetch(url, { method: "POST", body }).catch(() => {
      throw new Error("the server does not answer");
    });
    // A proxy whose server is away may answer with something else than JSON.
    const answer = (await response.json().catch(() => ({}))) as { id: string; error?: { message: string } };
    if (!response.ok) throw new Error(answer.error?.message ?? `the server answered ${response.status}`);
    check.stored(answer.id);
  }
}
