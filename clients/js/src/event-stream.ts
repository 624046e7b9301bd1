/** One block of an event stream, up to its blank line. */
export interface Block {
  event?: string;
  /** `undefined` if no line of data came: then it is not an event, and may still move the position. */
  data?: string;
  id?: string;
  /** A field of tidings' own, which other readers pass over. */
  topic?: string;
  /** The event name of a binary notification: its type is `binary`. */
  event_name?: string;
  /** The other headers of the notification, by their names in JSON. */
  [header: string]: string | number | undefined;
}

/** Reads an event stream in any cuts (HTML standard, section 9.2.6). */
export class EventStream {
  /** The heartbeat that the opening comment tells, in milliseconds. */
  ping: number | undefined;
  /** The last reconnection time, in milliseconds. */
  retry: number | undefined;
  #decoder = new TextDecoder();
  /** The line that is not yet whole. */
  #rest = "";
  #block: Block = {};

  *blocks(chunk: Uint8Array): Generator<Block> {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        yield this.#block;
        this.#block = {};
      } else {
        this.#field(line);
      }
    }
  }

  #field(line: string): void {
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!;
    const block = this.#block;
    if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
    // What is not a number is passed over.
    else if (name === "retry") this.retry = Number(value) || this.retry;
    else if (!name) this.ping = Number(/^ping (\d+)$/.exec(value)?.[1]) || this.ping;
    else block[name.replace("-", "_")] = name === "time" ? Number(value) : value;
  }
}
