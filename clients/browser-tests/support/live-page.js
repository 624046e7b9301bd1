import { secureTestbed, testbed } from "./bed.js";
import { until } from "./patience.js";

export const TRANSPORTS = ["websocket", "sse", "long-polling"];
/** The transports of a server with TLS. */
export const ALL = [...TRANSPORTS, "webtransport"];

/** Opens the live page of a new server, through a proxy that can cut it. `topic` is set if it is not that of the demo. */
export async function livePage(t, browser, { topic, ...options } = {}) {
  const path = topic === undefined ? "/" : `/?topic=${topic}`;
  return withCards(await testbed(t, browser, { pages: {}, path, ...options }), TRANSPORTS);
}

/** Opens the live page of a new server over TLS, without a proxy. */
export async function secureLivePage(t, browser, { topic, ...options }) {
  return withCards(await secureTestbed(t, browser, { path: `/?topic=${topic}`, ...options }), ALL);
}

function withCards(bed, transports) {
  const cards = Object.fromEntries(transports.map((transport) => [transport, new Card(bed.page, transport)]));
  return { ...bed, cards, each: (act) => Promise.all(Object.values(cards).map(act)) };
}

/** The card of one transport. Its elements are found by the marks in the page's README. */
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

  /** Waits for this state. */
  state(name) {
    return this.#page.waitForSelector(`${this.#selector}[data-state="${name}"]`);
  }

  /** Waits until this figure is at least `least`. */
  async reaches(name, least) {
    await until(
      this.#page,
      ([selector, least]) => Number(document.querySelector(selector)?.value || NaN) >= least,
      [this.#value(name), least],
    );
  }

  /** Waits until this value contains the text. */
  async says(name, text) {
    await until(
      this.#page,
      ([selector, text]) => document.querySelector(selector)?.textContent.includes(text),
      [this.#value(name), text],
    );
  }

  /** Returns the gaps and the numbers of the loss check. */
  async losses() {
    const [gaps, missed, lost, duplicated] = await Promise.all(
      ["gaps", "missed", "lost", "duplicated"].map((name) => this.number(name)),
    );
    return { gaps, missed, lost, duplicated };
  }

  /** The note with the reason of an outage. */
  get away() {
    return this.#page.locator(`${this.#selector} [data-note="away"]`);
  }

  #value(name) {
    return `${this.#selector} [data-value="${name}"]`;
  }
}

export const NO_LOSSES = { gaps: 0, missed: 0, lost: 0, duplicated: 0 };
