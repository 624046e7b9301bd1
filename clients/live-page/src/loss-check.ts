// The loss check. Each notification that one stream received, or that this page published, has to arrive on every
// stream once and in order, or be within a reported gap.

/** How many sequence numbers the table holds. */
const KEPT = 1 << 16;

function parse(id: string): [epoch: string, seq: number] {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash), Number(id.slice(dash + 1))];
}

/** The table: the last notifications of the current epoch that are known to be stored. */
export class LossCheck {
  epoch = "";
  readonly streams: StreamCheck[] = [];
  readonly #past = new Set<string>();
  /** The sequence number `n` is at `n % KEPT`. */
  readonly #stored = new Float64Array(KEPT);

  /** Empties the table if the epoch is a new one. A stream that is still in an earlier epoch gets a gap later. */
  begin(epoch: string): void {
    if (epoch === this.epoch || this.#past.has(epoch)) return;
    this.#past.add(this.epoch);
    this.epoch = epoch;
    this.#stored.fill(0);
  }

  /** Records that the topic has a notification with this id. */
  stored(id: string): void {
    const [epoch, seq] = parse(id);
    this.begin(epoch);
    // It may be known already, or a later one may have taken its place in the table.
    if (epoch !== this.epoch || this.#stored[seq % KEPT]! >= seq) return;
    this.#stored[seq % KEPT] = seq;
    for (const stream of this.streams) stream.stored(seq);
  }

  /** Returns how many are known after `first` and before `end`. */
  countBetween(first: number, end: number): number {
    let known = 0;
    for (let seq = Math.max(first + 1, end - KEPT); seq < end; seq += 1) {
      if (this.#stored[seq % KEPT] === seq) known += 1;
    }
    return known;
  }
}

/** One stream, compared with the table. */
export class StreamCheck {
  /** Stored, but neither received nor within a gap. */
  lost = 0;
  /** Received again, or out of order. */
  doubled = 0;
  readonly #check: LossCheck;
  #epoch = "";
  #last = 0;
  /** What the stream need not receive: what was before its beginning, and what was within a gap. */
  #gaps: { readonly after: number; readonly resume: number }[] = [];

  constructor(check: LossCheck) {
    this.#check = check;
    check.streams.push(this);
  }

  /** The stream begins after `id`, or continues after it because of a gap. */
  resume(id: string): void {
    const [epoch, seq] = parse(id);
    this.#check.begin(epoch);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#last = 0;
      this.#gaps = [];
    }
    // The table has nothing from before an older gap.
    this.#gaps = this.#gaps.filter(({ resume }) => resume > seq - KEPT);
    this.#gaps.push({ after: this.#last, resume: seq });
    this.#last = seq;
  }

  /** The stream received the notification with this id. */
  received(id: string): void {
    const [, seq] = parse(id);
    if (seq <= this.#last) {
      this.doubled += 1;
      return;
    }
    if (this.#epoch === this.#check.epoch) this.lost += this.#check.countBetween(this.#last, seq);
    this.#check.stored(id);
    this.#last = seq;
  }

  /** A notification has just become known. It is lost if this stream has passed it: it did not receive it then. */
  stored(seq: number): void {
    if (this.#epoch !== this.#check.epoch || seq > this.#last) return;
    if (!this.#gaps.some(({ after, resume }) => seq > after && seq <= resume)) this.lost += 1;
  }
}
