// The list of transports that this page can show. The server's list decides which of them it shows, and in which order.

import type { TransportName } from "tidings";

export interface Kind {
  readonly title: string;
  /** What it is for and how it works, in a few sentences. */
  readonly how: string;
  /** Returns a command that shows the same stream in a terminal. A poll begins at `position`. */
  command(url: string, position: string): string;
}

export const kinds: Readonly<Record<TransportName, Kind>> = {
  websocket: {
    title: "WebSocket",
    how:
      "For pages that also send, and for many streams in one page. " +
      "One connection, upgraded once, with a small frame per message. Proxies must let the upgrade pass.",
    // curl is everywhere, but many of its builds have no WebSocket. So it sends the handshake, and prints bare frames.
    command: (url) =>
      "curl -No - --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' " +
      `-H 'Sec-WebSocket-Key: dGlkaW5nc2xpdmVwYWdlIQ==' '${url}'`,
  },
  sse: {
    title: "SSE",
    how:
      "For pages that only listen. Server-sent events: one response that does not end, with a few lines of text per " +
      "message. It holds one of the browser’s six connections.",
    command: (url) => `curl -N -H 'Accept: text/event-stream' '${url}'`,
  },
  "long-polling": {
    title: "Long-polling",
    how:
      "For networks that break streams. The browser sends a request, the server answers when there is a message, and the " +
      "browser sends the next request.",
    command: (url, position) => `curl '${url}?after=${position}'`,
  },
};

export function isKnown(name: string): name is TransportName {
  return Object.hasOwn(kinds, name);
}
