// What happened, in a few lines; the newest first.

import { time } from "./words.js";

const KEPT = 40;

export type Words = readonly (string | Node)[];

export class Log {
  readonly #lines: HTMLElement;

  constructor(lines: HTMLElement) {
    this.#lines = lines;
  }

  say(...words: Words): void {
    this.#add(line(new Date(), words));
  }

  /** A line that is written anew as more is known. A screen reader is to hear of it once, when it is whole. */
  grow(): (words: Words, whole: boolean) => void {
    const began = new Date();
    let shown: HTMLElement | undefined;
    return (words, whole) => {
      const next = line(began, words);
      if (!whole) next.ariaHidden = "true";
      if (shown) shown.replaceWith(next);
      else this.#add(next);
      shown = next;
    };
  }

  #add(line: HTMLElement): void {
    this.#lines.prepend(line);
    while (this.#lines.childElementCount > KEPT) this.#lines.lastElementChild?.remove();
  }
}

function line(at: Date, words: Words): HTMLElement {
  const line = document.createElement("p");
  const when = document.createElement("time");
  when.textContent = time(at);
  line.append(when, " ", ...words);
  return line;
}

/** Words of a user, which may run the other way. */
export function quoted(text: string): HTMLElement {
  const words = document.createElement("bdi");
  words.textContent = text;
  return words;
}
