// The loss check. Each notification that one stream received, or that this page published, has to arrive on every
// stream once and in order, or be within a reported gap.

/** How many sequence numbers the table holds. */
const KEPT = 1 << 16;
/** The bit of a notification that is known to be stored. The bits below it are those of the streams that had it. */
const STORED = 1 << 31;

function parse(id: string): [epoch: string, seq: number] {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash), Number(id.slice(dash + 1))];
}

/** The table: what is known of the last 65,536 sequence numbers of the current epoch, which are those of all topics. */
export class LossCheck {
  epoch = "";
  readonly streams: StreamCheck[] = [];
  readonly #past = new Set<string>();
  readonly #seqs = new Float64Array(KEPT);
  readonly #marks = new Int32Array(KEPT);

  /** Records that the topic has a notification with this id. */
  stored(id: string): void {
    const [epoch, seq] = parse(id);
    this.begin(epoch);
    // A later one may have taken its place in the table.
    if (epoch !== this.epoch || this.#seqs[seq % KEPT]! > seq || this.isMarked(seq, STORED)) return;
    this.mark(seq, STORED);
    for (const stream of this.streams) stream.stored(seq);
  }

  /** Empties the table if the epoch is a new one. A stream that is still in an earlier epoch gets a gap later. */
  begin(epoch: string): void {
    if (epoch === this.epoch || this.#past.has(epoch)) return;
    this.#past.add(this.epoch);
    this.epoch = epoch;
    this.#seqs.fill(-1);
  }

  mark(seq: number, bit: number): void {
    const at = seq % KEPT;
    if (this.#seqs[at]! > seq) return;
    this.#marks[at] = this.#marksOf(seq) | bit;
    this.#seqs[at] = seq;
  }

  isMarked(seq: number, bit: number): boolean {
    return (this.#marksOf(seq) & bit) !== 0;
  }

  #marksOf(seq: number): number {
    return this.#seqs[seq % KEPT] === seq ? this.#marks[seq % KEPT]! : 0;
  }
}

/** One stream, compared with the table. */
export class StreamCheck {
  /** Stored, but neither received nor within a gap. */
  lost = 0;
  /** Received again, or out of order. */
  doubled = 0;
  readonly #check: LossCheck;
  readonly #bit: number;
  #epoch = "";
  #first = 0;
  #last = 0;

  constructor(check: LossCheck) {
    this.#check = check;
    this.#bit = 1 << check.streams.length;
    check.streams.push(this);
  }

  /** The stream begins after `id`, or continues after it because of a gap. */
  resume(id: string): void {
    const [epoch, seq] = parse(id);
    this.#check.begin(epoch);
    if (epoch !== this.#epoch) this.#first = seq;
    else if (epoch === this.#check.epoch) for (const missed of this.#passed(seq)) this.#check.mark(missed, this.#bit);
    this.#epoch = epoch;
    this.#last = seq;
  }

  /** The stream received the notification with this id. */
  received(id: string): void {
    const [epoch, seq] = parse(id);
    if (epoch !== this.#epoch) this.resume(`${epoch}-${seq - 1}`);
    if (seq <= this.#last) {
      this.doubled += 1;
      return;
    }
    if (epoch === this.#check.epoch) {
      for (const passed of this.#passed(seq - 1)) if (this.#check.isMarked(passed, STORED)) this.lost += 1;
      this.#check.mark(seq, this.#bit);
    }
    this.#last = seq;
    this.#check.stored(id);
  }

  /** A notification has just become known. It is lost if this stream has passed it without receiving it. */
  stored(seq: number): void {
    const isPassed = this.#epoch === this.#check.epoch && seq > this.#first && seq <= this.#last;
    if (isPassed && !this.#check.isMarked(seq, this.#bit)) this.lost += 1;
  }

  /** Returns the sequence numbers after the last one, up to `end`, as far back as the table reaches. */
  *#passed(end: number): Generator<number> {
    for (let seq = Math.max(this.#last, end - KEPT) + 1; seq <= end; seq += 1) yield seq;
  }
}
