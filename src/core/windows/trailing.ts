import type { Aggregates } from '../aggregate.ts';
import { type Alignment, fixedAlignment } from '../alignment.ts';
import { Lanes } from '../lanes.ts';
import {
  COUNT,
  EARLY,
  END,
  FINAL,
  IDENTITY,
  LATE,
  type Panes,
  REVISABLE,
  REVISION,
  START,
} from '../panes.ts';
import type { CurrentRecord } from '../record.ts';
import { countUp, Table } from '../table.ts';
import type { EpochMillis, Millis } from '../time.ts';
import {
  AFTER,
  BEFORE,
  type OpenWindow,
  type Watermarks,
  type WindowOperator,
  type WindowRules,
  type WindowState,
} from '../window.ts';
import { RECORDS_KEPT, SliceFold } from './slice-fold.ts';
import { RECORDS, rowFrom } from './slices.ts';

/**
 * A window for each record at t, of the records in `(t − size, t]` by event time. It emits once the watermark
 * has passed t, in the order of event time, ties in source order.
 *
 * A record that comes when its own time has passed emits at once, and corrects the panes of later records
 * whose windows hold it. A record whose own pane is past correction goes into those of them that are not, and
 * emits none of its own.
 */
export function trailingOperator<Rec>(
  size: Millis,
  aggregates: Aggregates<Rec>,
  { allowedLateness, inputs, window }: WindowRules<never>,
): WindowOperator {
  const lanes = new Lanes(aggregates as Aggregates<never>, inputs, { header: 2, recordHeader: RECORD });
  const { width, plainWidth } = lanes.records();
  const alignment = fixedAlignment(size, 1 as Millis, 0 as Millis);
  const anyTime = new SliceFold(lanes, alignment, RECORDS_KEPT);
  const rules = { size, allowedLateness, alignment, lanes, window, anyTime };
  return {
    signature: `trailing(${size},${allowedLateness}){${lanes.signature}}`,
    ordered: false,
    identity: 'index',
    lanes,
    layout: [
      { width: 1, plainWidth: 0 },
      { width, plainWidth },
    ],
    refusedFrom: (at) => at + size + allowedLateness,
    settledFrom: (end) => end + allowedLateness,
    thaw: (stored) => new TrailingState(rules, stored),
  };
}

/** The header of a record's row: its event time, its ordinal, and the next revision of its pane. */
const AT = 0;
const INDEX = 1;
const NEXT = 2;
const RECORD = 3;

/** The settings that the states of all keys share. */
interface Rules {
  readonly size: Millis;
  readonly allowedLateness: Millis;
  readonly alignment: Alignment;
  readonly lanes: Lanes;
  readonly window: number;
  /** Combines the records of one window on demand; shared by all keys. */
  readonly anyTime: SliceFold;
}

class TrailingState implements WindowState {
  readonly #rules: Rules;
  /** One row once there was a record: the ordinal of the next record. */
  readonly #next: Table;
  /** The records by event time, ties in source order. */
  readonly #records: Table;
  /** Combines windows as the watermark passes them, one after the other; undefined until it passes one. */
  #passing: SliceFold | undefined;

  constructor(rules: Rules, stored: readonly Table[] | undefined) {
    this.#rules = rules;
    this.#next = stored?.[0]?.copy() ?? new Table(1, 0);
    this.#records = stored?.[1]?.copy() ?? rules.lanes.records(4);
  }

  apply(record: CurrentRecord, watermarks: Watermarks, panes: Panes): boolean {
    const { size, allowedLateness, anyTime } = this.#rules;
    const at = record.numbers[0] as number;
    const watermark = watermarks[BEFORE] as number;
    // The last window that may hold the record is that of a record which is a millisecond less than `size`
    // later.
    if (at + size + allowedLateness <= watermark) return false;
    this.#insert(record);
    this.#passing?.changed(at);
    if (at >= watermark) return true;
    anyTime.forget();
    const until = Math.min(at + size, watermark);
    const from = Math.max(at, watermark - allowedLateness);
    for (let row = rowFrom(this.#records, from); row < this.#records.rows && this.#at(row) < until; row++) {
      this.#emit(LATE, row, anyTime, panes);
    }
    return true;
  }

  advance(watermarks: Watermarks, panes: Panes): void {
    const { lanes, alignment } = this.#rules;
    const records = this.#records;
    const to = watermarks[AFTER] as number;
    for (
      let row = rowFrom(records, watermarks[BEFORE] as number);
      row < records.rows && this.#at(row) < to;
      row++
    ) {
      this.#passing ??= new SliceFold(lanes, alignment, RECORDS_KEPT);
      this.#emit(FINAL, row, this.#passing, panes);
    }
    const expired = this.#expired(to);
    // The records are not removed each time, as that moves all that stay.
    if (2 * expired > records.rows) records.remove(0, expired);
  }

  update(): void {}

  open(watermark: number): number {
    return this.#records.rows - rowFrom(this.#records, watermark);
  }

  listOpen(watermark: number): readonly OpenWindow[] {
    const records = this.#records;
    const open: OpenWindow[] = [];
    for (let row = rowFrom(records, watermark); row < records.rows; row++) {
      const end = (this.#at(row) + 1) as EpochMillis;
      const start = (end - this.#rules.size) as EpochMillis;
      open.push({ start, end, due: end, count: rowFrom(records, end) - rowFrom(records, start) });
    }
    return open;
  }

  peek(watermark: number, panes: Panes, limit: number): void {
    const { anyTime } = this.#rules;
    anyTime.forget();
    const first = rowFrom(this.#records, watermark);
    const end = Math.min(this.#records.rows, first + limit);
    for (let row = first; row < end; row++) this.#show(EARLY, row, anyTime, panes);
  }

  restsUntil(watermark: number): number {
    const row = rowFrom(this.#records, watermark);
    return row < this.#records.rows ? this.#at(row) + 1 : Number.POSITIVE_INFINITY;
  }

  /** The state is empty until its first record: the ordinals of records go on. */
  isEmpty(): boolean {
    return this.#next.rows === 0;
  }

  freeze(watermark: number): readonly Table[] {
    this.#records.remove(0, this.#expired(watermark));
    return [this.#next, this.#records];
  }

  #insert(record: CurrentRecord): void {
    const next = this.#next;
    if (next.rows === 0) next.pushNumbers(0);
    const records = this.#records;
    const at = record.numbers[0] as number;
    const row = rowFrom(records, at + 1);
    records.insert(row);
    const place = row * records.width;
    records.numbers[place + INDEX] = countUp(next.numbers, 0);
    records.numbers[place + NEXT] = 0;
    this.#rules.lanes.keep(records, row, record);
  }

  #emit(kind: number, row: number, fold: SliceFold, panes: Panes): void {
    this.#show(kind, row, fold, panes);
    countUp(this.#records.numbers, row * this.#records.width + NEXT);
  }

  #show(kind: number, row: number, fold: SliceFold, panes: Panes): void {
    const { size, allowedLateness, window } = this.#rules;
    const end = this.#at(row) + 1;
    const held = fold.window(this.#records, end - size);
    const last = held.rows - 1;
    const pane = panes.begin(window, kind);
    const at = (pane.rows - 1) * pane.width;
    const { numbers } = this.#records;
    const from = row * this.#records.width;
    pane.numbers[at + IDENTITY] = numbers[from + INDEX] as number;
    pane.numbers[at + START] = end - size;
    pane.numbers[at + END] = end;
    pane.numbers[at + REVISION] = numbers[from + NEXT] as number;
    pane.numbers[at + REVISABLE] = kind === EARLY || allowedLateness > 0 ? 1 : 0;
    pane.numbers[at + COUNT] = held.numbers[last * held.width + RECORDS] as number;
    panes.end(window, held, last);
  }

  /** Returns how many records no pane that may still be emitted holds. */
  #expired(watermark: number): number {
    const { size, allowedLateness } = this.#rules;
    return rowFrom(this.#records, watermark - allowedLateness - size + 1);
  }

  #at(row: number): number {
    return this.#records.numbers[row * this.#records.width + AT] as number;
  }
}
