// The loss check. Each notification that one stream received or that this page published must arrive on every stream
// once and in order, or be within a reported gap.

/** The number of sequence numbers in the table. */
const KEPT = 1 << 16;

function parse(id: string): [epoch: string, seq: number] {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash), Number(id.slice(dash + 1))];
}

/** The table of the last stored notifications of the current epoch. */
export class LossCheck {
  epoch = "";
  readonly streams: StreamCheck[] = [];
  readonly #past = new Set<string>();
  /** The sequence number `n` is at the index `n % KEPT`. */
  readonly #stored = new Float64Array(KEPT);

  /** Empties the table if the epoch is new. A stream that is still in an earlier epoch is sent a gap later. */
  begin(epoch: string): void {
    if (epoch === this.epoch || this.#past.has(epoch)) return;
    this.#past.add(this.epoch);
    this.epoch = epoch;
    this.#stored.fill(0);
  }

  /** Records that the server has stored a notification with this id. */
  stored(id: string): void {
    const [epoch, seq] = parse(id);
    this.begin(epoch);
    // It may already be in the table, or a later one may have its index.
    if (epoch !== this.epoch || this.#stored[seq % KEPT]! >= seq) return;
    this.#stored[seq % KEPT] = seq;
    for (const stream of this.streams) stream.stored(seq);
  }

  /** Returns the number of notifications in the table after `first` and before `end`. */
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
  /** The number of stored notifications that were neither received nor within a gap. */
  lost = 0;
  /** The number of notifications that were received again or out of order. */
  duplicated = 0;
  readonly #check: LossCheck;
  #epoch = "";
  #last = 0;
  /** The ranges that the stream need not receive: before its start, and within gaps. */
  #gaps: { readonly after: number; readonly resume: number }[] = [];

  constructor(check: LossCheck) {
    this.#check = check;
    check.streams.push(this);
  }

  /** Records that the stream starts after `id`, or continues after it because of a gap. */
  resume(id: string): void {
    const [epoch, seq] = parse(id);
    this.#check.begin(epoch);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#last = 0;
      this.#gaps = [];
    }
    // Older gaps are before everything in the table.
    this.#gaps = this.#gaps.filter(({ resume }) => resume > seq - KEPT);
    this.#gaps.push({ after: this.#last, resume: seq });
    this.#last = seq;
  }

  /** Records that the stream received the notification with this id. */
  received(id: string): void {
    const [, seq] = parse(id);
    if (seq <= this.#last) {
      this.duplicated += 1;
      return;
    }
    if (this.#epoch === this.#check.epoch) this.lost += this.#check.countBetween(this.#last, seq);
    this.#check.stored(id);
    this.#last = seq;
  }

  /** Called when a notification is added to the table. It is lost if this stream has received a later one but not it. */
  stored(seq: number): void {
    if (this.#epoch !== this.#check.epoch || seq > this.#last) return;
    if (!this.#gaps.some(({ after, resume }) => seq > after && seq <= resume)) this.lost += 1;
  }
}
