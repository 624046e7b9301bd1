// What this page and the demo put into a notification, and how it reads.

export interface Payload {
  /** When it was due to be sent, in milliseconds since 1970 by the hub's clock. */
  readonly sent?: number;
  /** The number of a tick of the demo. */
  readonly tick?: number;
  readonly text: string;
}

const LONGEST = 120;

export function read(data: string | Uint8Array): Payload {
  if (typeof data !== "string") return { text: `${data.byteLength} bytes` };
  const members = data.startsWith("{") ? parse(data) : undefined;
  if (!members) return { text: shorten(data) };
  const { sent, tick, text } = members;
  return {
    ...(typeof sent === "number" && { sent }),
    ...(typeof tick === "number" && { tick }),
    text: shorten(typeof text === "string" ? text : typeof tick === "number" ? `tick ${tick}` : data),
  };
}

function parse(data: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(data) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const shorten = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
