import { closed } from "./ending.js";
import type { Opening } from "./transport.js";
import type { WebSocketLike } from "./types.js";

const PROTOCOL = "tidings.v1";

/** Reads a WebSocket, with the subprotocol that contains positions, gaps and heartbeats. */
export function webSocket({ url, token, signal, options, receive }: Opening): Promise<unknown> {
  return new Promise((_, reject) => {
    // A page cannot set a header here (RFC 6750, section 2.3).
    const address = url({ access_token: token });
    address.protocol = address.protocol.replace("http", "ws");
    // The line skips this transport if there is no WebSocket.
    const socket: WebSocketLike = new (options.WebSocket ?? WebSocket)(address, PROTOCOL);
    socket.onopen = () => {
      if (socket.protocol !== PROTOCOL) reject(new Error(`not ${PROTOCOL}`));
    };
    socket.onmessage = ({ data }) => {
      try {
        receive(JSON.parse(data));
      } catch (error) {
        reject(error);
      }
    };
    // The close event has the same information. But an error event without a listener ends a program that uses `ws`.
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }) => reject(closed(code, reason));
    signal.addEventListener("abort", () => socket.close());
  });
}
