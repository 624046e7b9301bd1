/** One block of an event stream, up to its blank line. */
export interface StreamEvent {
  type: string;
  /** `undefined` where no line of data came: then it is no event, and may still move the position. */
  data?: string;
  id?: string;
  retry?: number;
  /** A field of tidings' own, which other readers pass over. */
  topic?: string;
}

/** Reads an event stream in any cuts (HTML standard, section 9.2.6). */
export class EventStream {
  /** The heartbeat that the opening comment tells, in milliseconds. */
  ping: number | undefined;
  #decoder = new TextDecoder();
  /** The line that is not yet whole. */
  #rest = "";
  #block: StreamEvent = { type: "message" };

  *read(chunk: Uint8Array): Generator<StreamEvent> {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        yield this.#block;
        this.#block = { type: "message" };
      } else {
        this.#field(line);
      }
    }
  }

  #field(line: string): void {
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!;
    const block = this.#block;
    if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
    else if (name === "id") block.id = value;
    else if (name === "event") block.type = value || "message";
    else if (name === "topic") block.topic = value;
    else if (name === "retry" && /^\d+$/.test(value)) block.retry = Number(value);
    else if (name === "" && /^ping \d+$/.test(value)) this.ping = Number(value.slice(5));
  }
}
