import { goodbye } from "./ending.js";
import { type Block, EventStream } from "./event-stream.js";
import { request } from "./request.js";
import type { Opening } from "./transport.js";

/**
 * Reads server-sent events with fetch. `EventSource` is not used, because it hides rejections, heartbeats and comments,
 * sends no token, and does not exist in Node.
 */
export async function sse(opening: Opening): Promise<void> {
  const { url, signal, receive, room } = opening;
  const response = await request(opening, url(), { accept: "text/event-stream" });
  const type = response.headers.get("content-type");
  if (!type?.startsWith("text/event-stream")) throw new Error(`not an event stream: ${type}`);

  const stream = new EventStream();
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the stream ended");
    for (const block of stream.blocks(value)) {
      await room();
      if (signal.aborted) return;
      const frame = read(opening.topic, block);
      // May be the first event. An `EventSource` never reconnects after a 503, so a server sends a goodbye instead.
      if (frame.goodbye) throw goodbye(frame.goodbye, stream.retry);
      if (block.id) receive({ ping: stream.ping, ...frame });
    }
    // After the events, so that the connection is not open if the first event is a goodbye. A part of a long event is
    // also a sign of life.
    receive({ ping: stream.ping, retry: stream.retry });
  }
}

/** Returns the block as a frame. A type other than those of tidings is the event name of a notification. */
function read(ofFeed: string | undefined, { event, id, topic = ofFeed, data, event_name, ...headers }: Block): any {
  if (data === undefined) return { id };
  if (event === "gap" || event === "goodbye") return JSON.parse(data);
  if (event === "binary") {
    return { id, topic, headers: event_name ? { event: event_name, ...headers } : headers, data_base64: data };
  }
  return { id, topic, headers: event ? { event, ...headers } : headers, data };
}
