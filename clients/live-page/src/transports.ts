// The list of transports that this page can show. The server's list decides which of them it shows, and in which order.

import type { TransportName } from "tidings";

import { fingerprint } from "./format.js";
import type { About } from "./server.js";

export interface Kind {
  readonly title: string;
  /** What it is for and how it works, in a few sentences. */
  readonly how: string;
  /** Returns a command that shows the same stream in a terminal. A poll begins at `position`. */
  command(url: string, position: string, about: About): string;
}

/** Returns the start of a command. A certificate that browsers accept by its hash is not checked by curl. */
const curl = ({ webtransport }: About) => (webtransport?.hashes.length ? "curl -k" : "curl");

export const kinds: Readonly<Record<TransportName, Kind>> = {
  websocket: {
    title: "WebSocket",
    how:
      "For pages that also send, and for many streams in one page. " +
      "One connection, upgraded once, with a small frame per message. Proxies must let the upgrade pass.",
    // curl is everywhere, but many of its builds have no WebSocket. So it sends the handshake, and prints bare frames.
    command: (url, _, about) =>
      `${curl(about)} -No - --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' ` +
      `-H 'Sec-WebSocket-Key: dGlkaW5nc2xpdmVwYWdlIQ==' '${url}'`,
  },
  sse: {
    title: "SSE",
    how:
      "For pages that only listen. Server-sent events: one response that does not end, with a few lines of text per " +
      "message. Over HTTP/1.1 it holds one of the browser’s six connections.",
    command: (url, _, about) => `${curl(about)} -N -H 'Accept: text/event-stream' '${url}'`,
  },
  "long-polling": {
    title: "Long-polling",
    how:
      "For networks that break streams. The browser sends a request, the server answers when there is a message, and the " +
      "browser sends the next request.",
    command: (url, position, about) => `${curl(about)} '${url}?after=${position}'`,
  },
  webtransport: {
    title: "WebTransport",
    how:
      "Experimental. For pages that also send, over HTTP/3 and UDP instead of TCP. One session, opened in fewer round " +
      "trips, with a line per message. Networks must let UDP pass.",
    // curl has no WebTransport.
    command: (url, _, { webtransport }) => {
      const [hash] = webtransport!.hashes;
      const trust = hash ? `--tls-fingerprint ${fingerprint(hash)} ` : "";
      return `tidings subscribe --transport webtransport ${trust}'${url}'`;
    },
  },
};

/** Returns the transports of the server that this page and this browser have. */
export function usable({ transports, webtransport }: About): TransportName[] {
  // The policy of the page only allows its own host and port.
  const isReachable = location.protocol === "https:" && webtransport?.port === Number(location.port || 443);
  const isUsable = (name: string): name is TransportName =>
    name === "webtransport" ? isReachable && "WebTransport" in globalThis : Object.hasOwn(kinds, name);
  return transports.filter(isUsable);
}
