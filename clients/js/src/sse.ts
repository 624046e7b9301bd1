import { EventStream, type StreamEvent } from "./event-stream.js";
import { refusal } from "./refusal.js";
import { authorization, bytes, type Ear, type Opening } from "./transport.js";

/**
 * By server-sent events, read with fetch and not with `EventSource`, which hides refusals, heartbeats and
 * comments, sends no token, and which Node has not.
 */
export async function sse({ url, token, topic, signal, fetch }: Opening, ear: Ear): Promise<void> {
  const response = await fetch(url(), {
    headers: { ...authorization(token), accept: "text/event-stream" },
    cache: "no-store",
    signal,
  });
  if (response.status !== 200) throw await refusal(response);
  const type = response.headers.get("content-type");
  if (!type?.startsWith("text/event-stream")) throw new Error(`not an event stream, but ${type}`);

  const stream = new EventStream();
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the stream ended");
    for (const event of stream.read(value)) {
      await ear.room();
      if (signal.aborted) return;
      if (event.type === "goodbye") return;
      hear(event, topic, ear);
    }
    // After the events: their position is known before anyone learns that the connection is open.
    ear.alive(stream.ping);
  }
}

function hear(event: StreamEvent, topic: string | undefined, ear: Ear): void {
  const { id, data } = event;
  if (event.retry !== undefined) ear.retry(event.retry);
  if (data === undefined) {
    if (id !== undefined) ear.position(id);
  } else if (event.type === "gap") {
    ear.gap(JSON.parse(data).gap);
  } else if (id !== undefined && (event.type === "message" || event.type === "binary")) {
    const isBinary = event.type === "binary";
    ear.notification({ id, topic: event.topic ?? topic ?? "", data: isBinary ? bytes(data) : data });
  }
}
