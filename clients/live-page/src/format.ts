// Numbers and bytes as text.

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

/** Returns the bytes of a text in base64. */
export const bytes = (base64: string) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

/** Returns a hash in base64 as a fingerprint in hexadecimal. */
export const fingerprint = (base64: string) =>
  Array.from(bytes(base64), (byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
