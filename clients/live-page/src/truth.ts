// Whether anything was lost in silence: what one stream showed, or a publish was told the id of, has to come on each
// stream, once, in order, or within a gap. Ids are hub-wide and contiguous, so a table by sequence number is enough.

const KEPT = 1 << 16;
const EXISTS = 1 << 31;

interface Position {
  readonly epoch: string;
  readonly seq: number;
}

function position(id: string): Position {
  const dash = id.lastIndexOf("-");
  return { epoch: id.slice(0, dash), seq: Number(id.slice(dash + 1)) };
}

/** What is known of the last 65,536 sequence numbers of one history. */
export class Ledger {
  epoch = "";
  readonly witnesses: Witness[] = [];
  readonly #old = new Set<string>();
  readonly #seqs = new Float64Array(KEPT);
  readonly #marks = new Int32Array(KEPT);

  /** A notification of the topic was stored under this id. */
  exists(id: string): void {
    const { epoch, seq } = position(id);
    this.begin(epoch);
    if (epoch !== this.epoch || this.#forgotten(seq) || this.stored(seq)) return;
    this.mark(seq, EXISTS);
    for (const witness of this.witnesses) witness.exists(seq);
  }

  /** Another history has begun. Its first id says so; those that still hold the old one are told a gap. */
  begin(epoch: string): void {
    if (epoch === this.epoch || this.#old.has(epoch)) return;
    if (this.epoch) this.#old.add(this.epoch);
    this.epoch = epoch;
    this.#seqs.fill(-1);
  }

  marks(seq: number): number {
    return this.#seqs[seq % KEPT] === seq ? this.#marks[seq % KEPT]! : 0;
  }

  mark(seq: number, bit: number): void {
    if (this.#forgotten(seq)) return;
    this.#marks[seq % KEPT] = this.marks(seq) | bit;
    this.#seqs[seq % KEPT] = seq;
  }

  stored(seq: number): boolean {
    return (this.marks(seq) & EXISTS) !== 0;
  }

  /** Its place is taken by a later one. */
  #forgotten(seq: number): boolean {
    return this.#seqs[seq % KEPT]! > seq;
  }
}

/** What one stream showed, held against the ledger. */
export class Witness {
  /** Told by nobody, and stored: by the others' word, or by the numbers of the ticks. */
  get lost(): number {
    return Math.max(this.#unseen, this.#skipped);
  }
  /** Came again, or behind one that is later. */
  doubled = 0;

  readonly #ledger: Ledger;
  readonly #bit: number;
  #epoch = "";
  #from = 0;
  #last = 0;
  #unseen = 0;
  #skipped = 0;
  #tick: number | undefined;
  #jump = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#bit = 1 << ledger.witnesses.length;
    ledger.witnesses.push(this);
  }

  /** The stream begins behind `id`, or goes on behind it after a gap. */
  resume(id: string): void {
    const { epoch, seq } = position(id);
    this.#ledger.begin(epoch);
    if (epoch !== this.#epoch) this.#from = seq;
    else for (const told of this.#range(seq)) this.#ledger.mark(told, this.#bit);
    this.#epoch = epoch;
    this.#last = seq;
    this.#tick = undefined;
  }

  /** The stream showed this one; `tick` is its number where it is one of the demo's. */
  saw(id: string, tick: number | undefined): void {
    const { epoch, seq } = position(id);
    if (epoch !== this.#epoch) this.resume(`${epoch}-${seq - 1}`);
    if (seq <= this.#last) {
      this.doubled += 1;
      return;
    }
    for (const passed of this.#range(seq - 1)) {
      if (this.#ledger.stored(passed)) this.#unseen += 1;
    }
    this.#last = seq;
    if (epoch === this.#ledger.epoch) this.#ledger.mark(seq, this.#bit);
    this.#ledger.exists(id);
    if (tick !== undefined) this.#count(tick);
  }

  /** One that this stream may have passed already turns out to be stored. */
  exists(seq: number): void {
    const due = this.#epoch === this.#ledger.epoch && seq > this.#from && seq <= this.#last;
    if (due && (this.#ledger.marks(seq) & this.#bit) === 0) this.#unseen += 1;
  }

  /** A jump in the numbers is a loss if the next one follows it. If not, two hubs count at once. */
  #count(tick: number): void {
    if (this.#tick !== undefined && tick === this.#tick + 1) {
      this.#skipped += this.#jump;
      this.#jump = 0;
    } else {
      this.#jump = this.#tick !== undefined && tick > this.#tick ? tick - this.#tick - 1 : 0;
    }
    this.#tick = tick;
  }

  /** What lies behind the last one, up to `end`, as far back as the ledger reaches. */
  *#range(end: number): Generator<number> {
    for (let seq = Math.max(this.#last, end - KEPT) + 1; seq <= end; seq += 1) yield seq;
  }
}
