// What happened, in a few lines; the newest first.

const KEPT = 40;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export type Log = (line: string) => void;

export function logTo(list: HTMLElement): Log {
  return (line) => {
    const entry = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = clock.format(new Date());
    entry.append(time, " ", line);
    list.prepend(entry);
    while (list.childElementCount > KEPT) list.lastElementChild?.remove();
  };
}
