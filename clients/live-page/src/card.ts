// The card of one transport. It shows the counts of its stream and has buttons for it.

import { copyOf, find, write } from "./dom.js";
import { count, duration, rate } from "./format.js";
import { Plot } from "./plot.js";
import type { Stream } from "./stream.js";

/** How long an outage must last, in milliseconds, until the card shows its reason. */
const BRIEF = 1000;

export class Card {
  readonly #element = copyOf("card");
  readonly #overview = copyOf("overview-row");
  readonly #plot: Plot;

  /** Adds the card to the page. The first one has the first colour. */
  constructor(
    readonly stream: Stream,
    at: number,
  ) {
    const { name, kind } = stream;
    const element = this.#element;
    element.dataset["transport"] = name;
    element.style.setProperty("--series", `var(--s${at})`);
    element.ariaLabel = kind.title;
    find(element, "h2").textContent = kind.title;
    find(element, ".how").textContent = kind.how;
    find(this.#overview, "th").textContent = kind.title;
    this.#button("cut", () => stream.cut());
    this.#button("pause", () => (stream.isPaused ? stream.resume() : stream.pause()));
    find(document, ".cards").append(element);
    find(document, ".overview tbody").append(this.#overview);
    this.#plot = new Plot(find(element, ".plot"));
  }

  draw(): void {
    const { messages, reconnects, gaps, missed, lastText, latencies, perMessage, check, probe } = this.stream;
    const { median, slowest, slots } = latencies.read();
    this.#drawState();
    this.#drawCommand();
    this.#plot.draw(slots);
    this.#write("median", median, duration);
    this.#write("slowest", slowest, duration);
    this.#write("requests-each", perMessage.requests, rate);
    this.#write("bytes-each", perMessage.bytes);
    for (const [at, name] of ["median", "requests-each", "bytes-each"].entries()) {
      write(this.#overview.children[at + 1]!, this.#value(name).textContent!);
    }
    write(this.#value("last"), lastText);
    const { lost, duplicated } = check;
    const { requests, bytes } = probe;
    const counts = { messages, reconnects, gaps, missed, lost, duplicated, requests, bytes };
    for (const [name, n] of Object.entries(counts)) this.#write(name, n);
    find(this.#element, ".check").classList.toggle("broken", lost + duplicated > 0);
  }

  #drawState(): void {
    const { isPaused, outage, probe, feed } = this.stream;
    const { state } = feed;
    const name = probe.isPlugged ? state.name : "offline";
    const isWaiting = probe.isPlugged && state.name === "waiting";
    this.#element.dataset["state"] = name;
    write(this.#value("state"), isWaiting ? `waiting ${duration(Math.max(100, state.until - Date.now()))}` : name);
    write(find(this.#element, "[data-action=pause]"), isPaused ? "Resume reader" : "Pause reader");
    const note = find(this.#element, "[data-note=away]");
    const isAway = outage !== undefined && probe.isPlugged && performance.now() - outage.since >= BRIEF;
    note.hidden = !isAway;
    write(note, isAway ? `Away: ${outage.reason}` : "");
  }

  /** Updates the command, except while the user selects it. */
  #drawCommand(): void {
    const { kind, shared, feed } = this.stream;
    const command = this.#value("command");
    if (getSelection()?.containsNode(command, true)) return;
    write(command, kind.command(shared.url.href, feed.position!, shared.about));
  }

  #value(name: string): HTMLElement {
    return find(this.#element, `[data-value="${name}"]`);
  }

  /** Writes a number, which is unknown unless it is finite. */
  #write(name: string, value: number, format = count): void {
    const element = this.#value(name) as HTMLDataElement;
    const isKnown = Number.isFinite(value);
    write(element, isKnown ? format(value) : "–");
    element.value = isKnown ? String(value) : "";
  }

  #button(action: string, press: () => void): void {
    const button = find(this.#element, `[data-action="${action}"]`);
    button.ariaDescription = this.stream.kind.title;
    button.addEventListener("click", press);
  }
}
