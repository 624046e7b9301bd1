import { testbed } from "./bed.js";
import { until } from "./patience.js";

export const TRANSPORTS = ["websocket", "sse", "long-polling"];

/** The live page of a hub of its own, behind a proxy that can cut it; `topic` where it is not the demo's. */
export async function livePage(t, browser, { topic, ...options } = {}) {
  const path = topic === undefined ? "/" : `/?topic=${topic}`;
  const bed = await testbed(t, browser, { pages: {}, path, ...options });
  const cards = Object.fromEntries(TRANSPORTS.map((transport) => [transport, new Card(bed.page, transport)]));
  return { ...bed, cards, each: (act) => Promise.all(Object.values(cards).map(act)) };
}

/** One transport's card, by the marks that the page's README promises. */
export class Card {
  #page;
  #selector;

  constructor(page, transport) {
    this.transport = transport;
    this.#page = page;
    this.#selector = `section[data-transport="${transport}"]`;
  }

  press(action) {
    return this.#page.click(`${this.#selector} [data-action="${action}"]`);
  }

  async text(name) {
    return (await this.#page.textContent(this.#value(name))).trim();
  }

  async number(name) {
    return Number(await this.#page.getAttribute(this.#value(name), "value"));
  }

  /** Until its state is this one. */
  state(name) {
    return this.#page.waitForSelector(`${this.#selector}[data-state="${name}"]`);
  }

  /** Until this figure is so much, or more. */
  async reaches(name, least) {
    await until(
      this.#page,
      ([selector, least]) => Number(document.querySelector(selector)?.value || NaN) >= least,
      [this.#value(name), least],
    );
  }

  /** Until this text is there. */
  async says(name, text) {
    await until(
      this.#page,
      ([selector, text]) => document.querySelector(selector)?.textContent.includes(text),
      [this.#value(name), text],
    );
  }

  /** What it tells of losses: all zero where all is well. */
  async losses() {
    const [gaps, missed, lost, doubled] = await Promise.all(
      ["gaps", "missed", "lost", "doubled"].map((name) => this.number(name)),
    );
    return { gaps, missed, lost, doubled };
  }

  /** The note with the reason why its stream is away. */
  get away() {
    return this.#page.locator(`${this.#selector} [data-note="away"]`);
  }

  #value(name) {
    return `${this.#selector} [data-value="${name}"]`;
  }
}

export const NO_LOSSES = { gaps: 0, missed: 0, lost: 0, doubled: 0 };
