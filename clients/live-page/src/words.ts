// Numbers as people read them.

const whole = new Intl.NumberFormat("en");
const places = [0, 1, 2].map(
  (digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);

export const count = (n: number) => whole.format(n);

/** Three digits that count. */
function digits(n: number): string {
  return places[n < 10 ? 2 : n < 100 ? 1 : 0]!.format(n);
}

/** A number and its unit stay on one line. */
export function duration(ms: number): string {
  if (ms < 0.1) return "<\u00a00.1\u00a0ms";
  if (ms < 10) return `${places[1]!.format(ms)}\u00a0ms`;
  if (ms < 1000) return `${places[0]!.format(ms)}\u00a0ms`;
  return `${places[1]!.format(ms / 1000)}\u00a0s`;
}

export function bytes(n: number): string {
  if (n < 1000) return `${whole.format(Math.round(n))} B`;
  if (n < 1e6) return `${digits(n / 1e3)} kB`;
  return `${digits(n / 1e6)} MB`;
}

const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const time = (at: Date) => hours.format(at);

const names = new Intl.ListFormat("en-GB");

export const list = (words: readonly string[]) => names.format(words);

/** How many of something come with each of something else. */
export function rate(n: number): string {
  if (n === 0) return "0";
  return n < 0.005 ? "< 0.01" : places[2]!.format(n);
}

export const plural = (n: number, one: string) => `${count(n)} ${n === 1 ? one : `${one}s`}`;
