// The transports that this page can show: THE list of the page. The hub's list says which are shown, and in which order.

import type { TransportName } from "tidings";

export interface Known {
  readonly title: string;
  /** The same within a sentence. */
  readonly word: string;
  /** How it works, in one sentence. */
  readonly how: string;
  /** What is good about it, and what is not. */
  readonly trade: string;
  /** What the browser's Performance API makes of it. */
  readonly counted: string;
  /** Whether the browser has entries for it at all. */
  readonly visible: boolean;
  /** Whether it takes one of the browser's connections to the host. */
  readonly shares: boolean;
  /** What keeps it from ever being open while another transport is. */
  readonly barrier?: string;
  /** How it writes a message. Text of users cannot look like this: JSON escapes quotes, and each line of an event begins
   * with its field's name. */
  readonly message: RegExp;
  /** The same stream in a terminal, from `position` on where it is one answer at a time. */
  command(url: string, position: string | undefined): string;
}

export const known: Readonly<Record<TransportName, Known>> = {
  websocket: {
    title: "WebSocket",
    word: "WebSocket",
    how: "One connection, upgraded once; each message is a small frame on it.",
    trade: "The page can speak on it as well. Proxies have to let the upgrade pass.",
    counted: "The browser does not count WebSockets.",
    visible: false,
    shares: false,
    barrier:
      "Another stream opens and this one does not: something between page and hub does not let the upgrade pass, or the " +
      "hub refuses the page’s origin.",
    message: /^\{"id":"/g,
    command: (url) => `cargo run --release -- subscribe --transport websocket '${url}'`,
  },
  sse: {
    title: "SSE",
    word: "SSE",
    how: "Server-sent events: one answer that never ends; each message is a few lines of its text.",
    trade: "Plain HTTP, and as lean as WebSocket. It takes one of the six connections that a browser has for a host.",
    counted: "The browser counts a stream when it has ended, and of one that is cut only the head.",
    visible: true,
    shares: true,
    message: /(^|\n)id: [^\n]*\n(topic: [^\n]*\n)?(event: binary\n)?data:/g,
    command: (url) => `curl -N -H 'Accept: text/event-stream' '${url}'`,
  },
  "long-polling": {
    title: "Long-polling",
    word: "long-polling",
    how: "The browser asks, the hub answers when there is news, and the browser asks again.",
    trade: "Works wherever HTTP does. A message costs a request, unless several come at once.",
    counted: "The browser counts each answer as it ends.",
    visible: true,
    shares: true,
    message: /\{"id":"/g,
    command: (url, position) => `curl '${url}${position ? `?after=${position}` : ""}'`,
  },
};

export function isKnown(name: string): name is TransportName {
  return Object.hasOwn(known, name);
}
