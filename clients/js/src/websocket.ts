import { Refusal } from "./refusal.js";
import { notification, type Ear, type Opening } from "./transport.js";

const PROTOCOL = "tidings.v1";
const GOING_AWAY = 1001;
const NOT_ALLOWED = 1008;

/** By WebSocket, with the subprotocol that shows positions, gaps and heartbeats to page script. */
export function webSocket({ url, token, signal, WebSocket }: Opening, ear: Ear): Promise<void> {
  return new Promise((resolve, reject) => {
    // Page script cannot set a header here: RFC 6750, section 2.3.
    const address = url({ access_token: token });
    address.protocol = address.protocol.replace("http", "ws");
    // The line passes this transport over where there is none.
    const socket = new WebSocket!(address, PROTOCOL);
    socket.onopen = () => {
      if (socket.protocol !== PROTOCOL) reject(new Error("this is no tidings hub"));
    };
    socket.onmessage = ({ data }) => {
      if (signal.aborted) return;
      try {
        hear(JSON.parse(data), ear);
      } catch (error) {
        reject(error);
      }
    };
    // The end tells all there is to know, but from `ws` an error that nobody hears ends the program.
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }) => {
      if (code === GOING_AWAY) resolve();
      else if (code === NOT_ALLOWED) reject(new Refusal(403, "not_allowed", reason));
      else reject(new Error(`closed with ${code} ${reason}`));
    };
    signal.addEventListener("abort", () => socket.close());
  });
}

function hear(frame: any, ear: Ear): void {
  ear.alive(frame.ping);
  if (frame.gap) ear.gap(frame.gap);
  else if (frame.ping !== undefined) ear.position(frame.id);
  else if (frame.topic) ear.notification(notification(frame));
}
