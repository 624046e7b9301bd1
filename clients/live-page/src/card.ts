// One transport's card: draws what its stream has come to, and hands its buttons on.

import type { Counted } from "./browser-counts.js";
import { Plot } from "./plot.js";
import type { Stream } from "./stream.js";
import type { Wait } from "./waits.js";
import { bytes, count, duration, rate, time } from "./words.js";

/** A copy of the first element in the template. */
export function copyOf(template: string): HTMLElement {
  const { content } = document.getElementById(template) as HTMLTemplateElement;
  return content.firstElementChild!.cloneNode(true) as HTMLElement;
}

/** The parts of the page that it marks for code and tests. */
export function find<E extends Element = HTMLElement>(root: ParentNode, selector: string): E {
  const found = root.querySelector<E>(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

/** Writes where there is something new, so that nothing is laid out in vain. */
export function write(element: Element, text: string, value?: number): void {
  if (element.textContent !== text) element.textContent = text;
  if (element instanceof HTMLDataElement) element.value = value === undefined ? "" : String(value);
}

export class Card {
  readonly element = copyOf("card");
  readonly #glance = copyOf("glance-row");
  readonly #plot: Plot;
  #canHurry = false;

  constructor(
    readonly stream: Stream,
    readonly counted: Counted,
    at: number,
    places: { readonly cards: Element; readonly glance: Element },
  ) {
    const { element } = this;
    const { name, kind, parts } = stream;
    element.dataset["transport"] = name;
    element.style.setProperty("--series", `var(--s${at % 6})`);
    const title = find(element, "h2");
    title.id = `title-${name}`;
    title.textContent = kind.title;
    element.setAttribute("aria-labelledby", title.id);
    find(element, ".how").textContent = kind.how;
    find(element, ".trade").textContent = kind.trade;
    find(element, ".counted").textContent = kind.counted;
    this.#button("cut", () => (this.#canHurry ? stream.hurry() : stream.cut()));
    this.#button("pause", () => (stream.paused ? stream.resume() : stream.pause()));
    this.#button("insist", () => parts.turns.insist());
    const copy = this.#button("copy", async () => {
      copy.textContent = (await copied(this.#value("command"))) ? "Copied" : "Selected";
      parts.log.say(`${kind.title}: ${copy.textContent.toLowerCase()} its command`);
      setTimeout(() => (copy.textContent = "Copy"), 2000);
    });
    places.cards.append(element);
    places.glance.append(this.#glance);
    find(this.#glance, "th").textContent = kind.title;
    this.#plot = new Plot(stream.minute, find(element, ".plot"), `--s${at % 6}`);
  }

  /** @param away why it is not open, where that is worth a word. */
  draw(offline: boolean, wait: Wait | undefined, away: string | undefined): void {
    const { stream, counted } = this;
    const { kind, minute, messages, missed, parts } = stream;
    this.#drawState(offline);
    this.#drawNotes(wait, offline ? undefined : away);

    const median = minute.median();
    const slowest = minute.slowest();
    this.#write("median", median === undefined ? "–" : duration(median), median);
    this.#write("slowest", slowest === undefined ? "–" : duration(slowest), slowest);
    const { requests: asked, bytes: received } = parts.probe;
    const { each } = stream;
    this.#write("requests-each", each ? rate(each.requests) : "–", each?.requests);
    this.#write("bytes-each", each ? count(Math.round(each.bytes)) : "–", each?.bytes);
    this.#plot.draw();
    for (const [at, name] of ["median", "requests-each", "bytes-each"].entries()) {
      write(this.#glance.children[at + 1]!, this.#value(name).textContent!);
    }

    this.#write("messages", count(messages), messages);
    this.#write("last", stream.last?.text ?? "none yet");
    this.#write("last-at", stream.last ? time(stream.last.at) : "");
    this.#write("reconnects", count(stream.reconnects), stream.reconnects);
    this.#write("gaps", count(stream.gaps), stream.gaps);
    this.#write("missed", missing(stream), missed);
    this.#write("lost", count(parts.witness.lost), parts.witness.lost);
    this.#write("doubled", count(parts.witness.doubled), parts.witness.doubled);
    find(this.element, ".truth").classList.toggle("broken", parts.witness.lost + parts.witness.doubled > 0);
    if (kind.visible) {
      this.#write("requests", count(counted.requests), counted.requests);
      this.#write("bytes", bytes(counted.bytes), counted.bytes);
    } else {
      this.#write("requests", "not counted");
      this.#write("bytes", "not counted");
    }
    this.#drawCommand();
    this.#write("requests-seen", count(asked), asked);
    this.#write("bytes-seen", bytes(received), received);
  }

  #drawState(offline: boolean): void {
    const { state, paused } = this.stream;
    const name = offline && state.name !== "closed" ? "offline" : state.name;
    let text: string = name;
    if (name === "waiting" && state.name === "waiting") {
      text = `waiting ${duration(Math.max(100, state.until - Date.now()))}`;
    } else if (state.name === "closed" && state.error) {
      text = `closed: ${state.error.message}`;
    } else if (paused && name !== "paused") {
      text = `${name}, reader paused`;
    }
    this.element.dataset["state"] = name;
    find<SVGUseElement>(this.element, "use").setAttribute("href", `#state-${name}`);
    this.#write("state", text);
    this.#canHurry = name === "waiting";
    write(this.#action("cut"), this.#canHurry ? "Try now" : "Cut");
    write(this.#action("pause"), paused ? "Resume reader" : "Pause reader");
  }

  /** One at most: they lie over the plot, so that nothing jumps. */
  #drawNotes(wait: Wait | undefined, away: string | undefined): void {
    const absent = find(this.element, "[data-note=away]");
    absent.hidden = wait !== undefined || away === undefined;
    write(absent, away ?? "");
    const note = find(this.element, "[data-note=connections]");
    note.hidden = !wait;
    write(find(note, "p"), wait?.words ?? "");
    this.#action("insist").hidden = !wait?.queued;
  }

  #drawCommand(): void {
    const command = this.#value("command");
    // What a user is about to copy by hand stays as it is.
    if (command.contains(getSelection()?.anchorNode ?? null)) return;
    const { kind, parts, position } = this.stream;
    write(command, kind.command(parts.url.href, position));
  }

  #value(name: string): HTMLElement {
    return find(this.element, `[data-value="${name}"]`);
  }

  #action(name: string): HTMLElement {
    return find(this.element, `[data-action="${name}"]`);
  }

  #write(name: string, text: string, value?: number): void {
    write(this.#value(name), text, value);
  }

  #button(action: string, press: () => unknown): HTMLElement {
    const button = this.#action(action);
    button.setAttribute("aria-describedby", `title-${this.stream.name}`);
    button.addEventListener("click", press);
    return button;
  }
}

function missing({ missed, missedMore }: Stream): string {
  if (!missedMore) return `with ${count(missed)} missed`;
  return missed > 0 ? `with ${count(missed)} or more missed` : "number not known";
}

/** Copies, or selects for the user to copy where the page may not: the clipboard needs a secure context. */
async function copied(shown: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(shown.textContent!);
    return true;
  } catch {
    getSelection()?.selectAllChildren(shown);
    return false;
  }
}
