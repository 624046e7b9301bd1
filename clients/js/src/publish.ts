import type { Address } from "./address.js";
import { Backoff } from "./backoff.js";
import { Pause } from "./pause.js";
import { Refusal, refusal } from "./refusal.js";
import { authorization, OPEN_TIMEOUT } from "./transport.js";
import type { Options } from "./types.js";

const ATTEMPTS = 5;

/** Publishes once, however often it has to be tried: the hub knows the attempts by their key. */
export async function publish(
  address: Address,
  options: Options,
  data: string | Uint8Array,
  topic: string | undefined = address.topic,
): Promise<string> {
  if (topic === undefined) throw new TypeError("the feed is not of one topic: publish(data, topic)");
  const fetch = options.fetch ?? globalThis.fetch;
  const backoff = new Backoff();
  const key = unguessable();
  const isText = typeof data === "string";
  if (!isText && !ArrayBuffer.isView(data)) throw new TypeError("publish takes text or bytes");
  // Text is named as such by fetch.
  const type: Record<string, string> = isText ? {} : { "content-type": "application/octet-stream" };
  let wasRefused = false;
  for (let attempt = 1; ; attempt++) {
    try {
      const token = await options.token?.(wasRefused);
      const response = await fetch(address.publication(topic), {
        method: "POST",
        body: data as BodyInit,
        headers: { ...authorization(token), ...type, "idempotency-key": key },
        signal: AbortSignal.timeout(options.openTimeout ?? OPEN_TIMEOUT),
      });
      if (response.status !== 200) throw await refusal(response);
      return (await response.json()).id;
    } catch (error) {
      const refused = error instanceof Refusal ? error : undefined;
      const isUnknown = refused?.status === 401;
      if (refused?.isFinal || attempt === ATTEMPTS || (isUnknown && (wasRefused || !options.token))) throw error;
      wasRefused = isUnknown;
      if (!isUnknown) await new Pause().wait(backoff.next(refused?.retryAfter));
    }
  }
}

/** Not `randomUUID`, which a page has over HTTPS only. */
function unguessable(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
