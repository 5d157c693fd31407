import { invariant, type Plain } from '../plain.ts';
import type { EpochMillis } from '../time.ts';
import {
  type Aggregates,
  type Emission,
  Lanes,
  type TimedValues,
  type WindowOperator,
  type WindowState,
} from '../window.ts';

/**
 * The key's last `count` records in source order, emitted after every record.
 *
 * Block-aligned two-stacks: records fall into blocks of `count` by their index, so any window is the end of one block
 * joined to the beginning of the next. Ends are combined from the right when a block is complete, beginnings from the
 * left as records come: about three combinations a record whatever the count, and no subtraction. Because blocks
 * hang on the index alone, a result depends on the values and the index, never on how the input was cut into batches.
 * van Herk, 1992; Gil & Werman, "Computing 2-D min, median and max filters", 1993.
 */
export function rollingOperator<Rec>(count: number, aggregates: Aggregates<Rec>): WindowOperator<Rec> {
  const lanes = new Lanes(aggregates);
  return {
    signature: `rolling(${count}){${lanes.signature}}`,
    ordered: true,
    select: (record) => lanes.select(record),
    thaw: (stored) => new RollingState(count, lanes, stored as StoredRolling | null),
  };
}

/** The next record's index, and the records that its window will still hold, oldest first. */
type StoredRolling = readonly [
  next: number,
  recent: readonly (readonly [at: EpochMillis, ...values: Plain[]])[],
];

/** The records of part of a window: least and greatest event time, and one partial per aggregate. */
interface Part {
  readonly earliest: EpochMillis;
  readonly latest: EpochMillis;
  readonly partials: readonly Plain[];
}

class RollingState<Rec> implements WindowState {
  readonly #count: number;
  readonly #lanes: Lanes<Rec>;
  /** The index of the next record. */
  #next: number;
  /** The records of the block before the present one that are still needed, and of the present one. */
  #previous: TimedValues[] = [];
  #present: TimedValues[] = [];
  /** `#ends[i]` holds the last i + 1 records of the previous block; `#beginning` the present block. */
  #ends: Part[] = [];
  #beginning: Part | undefined;

  constructor(count: number, lanes: Lanes<Rec>, stored: StoredRolling | null) {
    this.#count = count;
    this.#lanes = lanes;
    const [next, recent] = stored ?? [0, []];
    this.#next = next;
    const records = recent.map(([at, ...values]) => ({ at, values }));
    const inPresent = next % count;
    this.#previous = records.slice(0, Math.max(0, records.length - inPresent));
    this.#present = records.slice(this.#previous.length);
    this.#ends = this.#combineEnds(this.#previous);
    for (const record of this.#present) this.#beginning = this.#join(this.#beginning, this.#part(record));
  }

  apply(
    record: TimedValues,
    _watermark: EpochMillis | undefined,
    emit: (emission: Emission) => void,
  ): 'applied' {
    const index = this.#next++;
    this.#present.push(record);
    this.#beginning = this.#join(this.#beginning, this.#part(record));
    const fromPrevious = Math.min(this.#count - this.#present.length, this.#ends.length);
    const window = this.#join(this.#ends[fromPrevious - 1], this.#beginning);
    emit({
      kind: 'rolling',
      start: window.earliest,
      end: (window.latest + 1) as EpochMillis,
      revision: 0,
      revisable: false,
      index,
      count: fromPrevious + this.#present.length,
      results: this.#lanes.lower(window.partials),
    });
    if (this.#present.length === this.#count) this.#turn();
    return 'applied';
  }

  advance(): void {}

  open(): number {
    return 0;
  }

  freeze(): StoredRolling | null {
    const records = [...this.#previous, ...this.#present];
    const recent = records.slice(Math.max(0, records.length - (this.#count - 1)));
    return this.#next === 0 ? null : [this.#next, recent.map(({ at, values }) => [at, ...values] as const)];
  }

  /** The present block is complete and becomes the previous one. */
  #turn(): void {
    this.#previous = this.#present;
    this.#ends = this.#combineEnds(this.#previous);
    this.#present = [];
    this.#beginning = undefined;
  }

  #combineEnds(records: readonly TimedValues[]): Part[] {
    const ends: Part[] = [];
    let end: Part | undefined;
    for (const record of records.toReversed()) {
      end = end === undefined ? this.#part(record) : this.#join(this.#part(record), end);
      ends.push(end);
    }
    return ends;
  }

  #part(record: TimedValues): Part {
    return { earliest: record.at, latest: record.at, partials: this.#lanes.lift(record) };
  }

  #join(earlier: Part | undefined, later: Part | undefined): Part {
    invariant(later !== undefined, 'a rolling window ends with the record just taken in');
    if (earlier === undefined) return later;
    return {
      earliest: Math.min(earlier.earliest, later.earliest) as EpochMillis,
      latest: Math.max(earlier.latest, later.latest) as EpochMillis,
      partials: this.#lanes.combine(earlier.partials, later.partials),
    };
  }
}
