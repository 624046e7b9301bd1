import { Rejection } from "./rejection.js";
import type { Opening } from "./transport.js";
import type { WebSocketLike } from "./types.js";

const PROTOCOL = "tidings.v1";
/** The close codes after which a client should not come back, and those of a hub that wants it back. */
const ENDS = /^100[023789]$/;
const LATER = /^10(01|1[13])$/;

/** By WebSocket, with the subprotocol that shows positions, gaps and heartbeats to page script. */
export function webSocket({ url, token, signal, options, hear }: Opening): Promise<unknown> {
  return new Promise((_, reject) => {
    // Page script cannot set a header here: RFC 6750, section 2.3.
    const address = url({ access_token: token });
    address.protocol = address.protocol.replace("http", "ws");
    // The line passes this transport over where there is none.
    const socket: WebSocketLike = new (options.WebSocket ?? WebSocket)(address, PROTOCOL);
    socket.onopen = () => {
      if (socket.protocol !== PROTOCOL) reject(new Error("not a tidings hub"));
    };
    socket.onmessage = ({ data }) => {
      try {
        hear(JSON.parse(data));
      } catch (error) {
        reject(error);
      }
    };
    // The end tells all there is to know, but from `ws` an error that nobody hears ends the program.
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }) => {
      const status = ENDS.test(code) ? 403 : LATER.test(code) ? 503 : 0;
      reject(new Rejection(status, String(code), reason || `closed with ${code}`));
    };
    signal.addEventListener("abort", () => socket.close());
  });
}
