/** One block of an event stream, up to its blank line. */
export interface Block {
  event?: string;
  /** `undefined` if the block has no line of data. It is not an event then, but it can still move the position. */
  data?: string;
  id?: string;
  /** A field that only tidings uses. Other readers ignore it. */
  topic?: string;
  /** The event name of a binary notification, whose type is `binary`. */
  event_name?: string;
  /** The other headers of the notification, by their names in JSON. */
  [header: string]: string | number | undefined;
}

/** Parses an event stream in pieces of any length (HTML standard, section 9.2.6). */
export class EventStream {
  /** The heartbeat interval from the opening comment, in milliseconds. */
  ping: number | undefined;
  /** The last reconnection time, in milliseconds. */
  retry: number | undefined;
  #decoder = new TextDecoder();
  /** The incomplete last line. */
  #rest = "";
  #block: Block = {};

  *blocks(chunk: Uint8Array): Generator<Block> {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A CR at the end may be the first half of a CRLF, so it is kept for the next piece.
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
    // Values that are not numbers are ignored.
    else if (name === "retry") this.retry = Number(value) || this.retry;
    else if (!name) this.ping = Number(/^ping (\d+)$/.exec(value)?.[1]) || this.ping;
    else block[name.replace("-", "_")] = name === "time" ? Number(value) : value;
  }
}
