// The log: a few lines about events, the newest first.

const KEPT = 40;

export class Log {
  constructor(readonly lines: HTMLElement) {}

  add(...parts: readonly (string | Node)[]): void {
    const line = document.createElement("p");
    const at = document.createElement("time");
    at.textContent = new Date().toLocaleTimeString("en-GB");
    line.append(at, " ", ...parts);
    this.lines.prepend(line);
    while (this.lines.childElementCount > KEPT) this.lines.lastElementChild?.remove();
  }
}
