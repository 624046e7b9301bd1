// THE list of transports that this page can show. The server's list decides which of them it shows, and in which order.

import type { TransportName } from "tidings";

export interface Kind {
  readonly title: string;
  /** How it works and what it costs, in a few sentences. */
  readonly how: string;
  /** Returns a command that shows the same stream in a terminal. `position` is where a single poll begins. */
  command(url: string, position: string): string;
}

export const kinds: Readonly<Record<TransportName, Kind>> = {
  websocket: {
    title: "WebSocket",
    how: "One connection, upgraded once. Each message is a small frame on it. Proxies must let the upgrade pass.",
    command: (url) => `cargo run --release -- subscribe --transport websocket '${url}'`,
  },
  sse: {
    title: "SSE",
    how:
      "Server-sent events: one response that does not end. Each message is a few lines of its text. " +
      "It holds one of the browser’s six connections.",
    command: (url) => `curl -N -H 'Accept: text/event-stream' '${url}'`,
  },
  "long-polling": {
    title: "Long-polling",
    how:
      "The browser sends a request, the server answers when there is a message, and the browser sends the next. " +
      "It works wherever HTTP does.",
    command: (url, position) => `curl '${url}?after=${position}'`,
  },
};

export function isKnown(name: string): name is TransportName {
  return Object.hasOwn(kinds, name);
}
