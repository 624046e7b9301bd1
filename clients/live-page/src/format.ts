// Numbers as text.

const upTo = (digits: number) => new Intl.NumberFormat("en", { maximumFractionDigits: digits });
const [whole, hundredths] = [upTo(0), upTo(2)];
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = (n: number) => whole.format(n);

/** Formats a ratio, such as requests per message. */
export const rate = (n: number) => hundredths.format(n);

/** Returns a duration with its unit. A no-break space keeps both on one line. */
export function duration(ms: number): string {
  if (ms < 10) return `${tenths.format(ms)}\u00a0ms`;
  return ms < 1000 ? `${whole.format(ms)}\u00a0ms` : `${tenths.format(ms / 1000)}\u00a0s`;
}
