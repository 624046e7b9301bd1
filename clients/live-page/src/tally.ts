// How many messages have come, read off the wire: a reader that pauses leaves them where this page cannot count them.

export class Tally {
  messages = 0;
  readonly #message: RegExp;

  /** @param message how the transport writes one, with the flag `g`. */
  constructor(message: RegExp) {
    this.#message = message;
  }

  /** Counts those in text that none of them crosses the end of. */
  add(text: string): void {
    this.messages += text.match(this.#message)?.length ?? 0;
  }

  /** Reads one answer in its pieces: events end with a blank line, which JSON has none of. */
  answer(): { piece(bytes: Uint8Array): void; end(): void } {
    const decoder = new TextDecoder();
    let rest = "";
    return {
      piece: (bytes) => {
        const text = rest + decoder.decode(bytes, { stream: true });
        const whole = text.lastIndexOf("\n\n") + 1;
        this.add(text.slice(0, whole));
        rest = text.slice(whole);
      },
      end: () => this.add(rest),
    };
  }
}
