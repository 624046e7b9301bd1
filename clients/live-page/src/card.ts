// The card of one transport: shows the counts of its stream, and passes its buttons on.

import { copyOf, find, write } from "./dom.js";
import { count, duration, rate, time } from "./format.js";
import { Plot } from "./plot.js";
import type { Stream } from "./stream.js";

/** A stream that is away for less, in milliseconds, shows no reason. */
const BRIEF = 1000;

export class Card {
  readonly element = copyOf("card");
  readonly #overview = copyOf("overview-row");
  readonly #plot: Plot;

  constructor(
    readonly stream: Stream,
    at: number,
  ) {
    const { element } = this;
    const { name, kind, shared } = stream;
    element.dataset["transport"] = name;
    element.style.setProperty("--series", `var(--s${at % 6})`);
    const title = find(element, "h2");
    title.id = `title-${name}`;
    title.textContent = kind.title;
    element.setAttribute("aria-labelledby", title.id);
    find(element, ".how").textContent = kind.how;
    this.#button("cut", () => stream.cut());
    this.#button("pause", () => (stream.isPaused ? stream.resume() : stream.pause()));
    this.#button("copy", async () => {
      const did = (await copied(this.#value("command"))) ? "copied" : "selected";
      shared.log.add(`${kind.title}: ${did} its command`);
    });
    find(document, ".cards").append(element);
    find(document, ".overview tbody").append(this.#overview);
    find(this.#overview, "th").textContent = kind.title;
    this.#plot = new Plot(find(element, ".plot"), `--s${at % 6}`);
  }

  draw(): void {
    const { stream } = this;
    const { kind, latencies, perMessage, last, check, probe } = stream;
    this.#drawState();
    const { median, slowest, slots } = latencies.read();
    this.#plot.draw(slots);
    this.#write("median", median === undefined ? "–" : duration(median), median);
    this.#write("slowest", slowest === undefined ? "–" : duration(slowest), slowest);
    this.#write("requests-each", perMessage ? rate(perMessage.requests) : "–", perMessage?.requests);
    this.#write("bytes-each", perMessage ? count(Math.round(perMessage.bytes)) : "–", perMessage?.bytes);
    for (const [at, name] of ["median", "requests-each", "bytes-each"].entries()) {
      write(this.#overview.children[at + 1]!, this.#value(name).textContent!);
    }
    this.#write("last", last?.text ?? "none yet");
    this.#write("last-at", last ? time(last.at) : "");
    const { messages, reconnects, gaps, missed } = stream;
    const { lost, doubled } = check;
    const { requests, bytes } = probe;
    const counts = { messages, reconnects, gaps, lost, doubled, requests, bytes };
    for (const [name, n] of Object.entries(counts)) this.#write(name, count(n), n);
    this.#write("missed", `${count(missed)}${stream.isMissedUnknown ? " or more" : ""}`, missed);
    find(this.element, ".check").classList.toggle("broken", lost + doubled > 0);

    const command = this.#value("command");
    // The command stays as it is while the user selects a part of it.
    if (command.contains(getSelection()?.anchorNode ?? null)) return;
    write(command, kind.command(stream.shared.url.href, stream.feed.position!));
  }

  #drawState(): void {
    const { isPaused, outage, probe, feed: { state } } = this.stream;
    const name = probe.isPlugged || state.name === "closed" ? state.name : "offline";
    let text: string = name;
    if (state.name === name && state.name === "waiting") {
      text = `waiting ${duration(Math.max(100, state.until - Date.now()))}`;
    } else if (state.name === "closed" && state.error) {
      text = `closed: ${state.error.message}`;
    } else if (isPaused && name !== "paused") {
      text = `${name}, reader paused`;
    }
    this.element.dataset["state"] = name;
    this.#write("state", text);
    write(find(this.element, "[data-action=pause]"), isPaused ? "Resume reader" : "Pause reader");
    const reason = find(this.element, "[data-note=away]");
    reason.hidden = !outage || !probe.isPlugged || performance.now() - outage.since < BRIEF;
    write(reason, reason.hidden ? "" : `Away: ${outage!.reason}`);
  }

  #value(name: string): HTMLElement {
    return find(this.element, `[data-value="${name}"]`);
  }

  #write(name: string, text: string, value?: number): void {
    write(this.#value(name), text, value);
  }

  #button(action: string, press: () => unknown): void {
    const button = find(this.element, `[data-action="${action}"]`);
    button.setAttribute("aria-describedby", `title-${this.stream.name}`);
    button.addEventListener("click", press);
  }
}

/** Copies the text. Selects it if the page may not use the clipboard, which needs a secure context. */
async function copied(shown: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(shown.textContent!);
    return true;
  } catch {
    getSelection()?.selectAllChildren(shown);
    return false;
  }
}
