// What happened, in a few lines; the newest first.

const KEPT = 40;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export type Log = (line: string) => void;

export function logTo(lines: HTMLElement): Log {
  return (line) => {
    const entry = document.createElement("p");
    const time = document.createElement("time");
    time.textContent = clock.format(new Date());
    entry.append(time, " ", line);
    lines.prepend(entry);
    while (lines.childElementCount > KEPT) lines.lastElementChild?.remove();
  };
}
