import type { Aggregates } from '../aggregate.ts';
import { Lanes } from '../lanes.ts';
import {
  COUNT,
  EARLY,
  END,
  IDENTITY,
  type Panes,
  type Postponed,
  REVISABLE,
  REVISION,
  ROLLING,
  START,
} from '../panes.ts';
import { invariant } from '../plain.ts';
import type { CurrentRecord } from '../record.ts';
import { Table } from '../table.ts';
import type { OpenWindow, Watermarks, WindowOperator, WindowRules, WindowState } from '../window.ts';

export interface RollingSettings {
  readonly count: number;
  /** Whether the window emits while it holds fewer than `count` records. */
  readonly partial: boolean;
}

/**
 * A window of the key's last `count` records in source order. It emits after every record.
 *
 * Block-aligned two-stacks: records fall into blocks of `count` by their index, so that any window is the end
 * of one block joined to the beginning of the next. Ends are combined from the right when a block is
 * complete, beginnings from the left as records come. That makes about three combinations a record whatever
 * the count, and no subtraction. As blocks depend on the index alone, a result depends on the values and the
 * index, never on how the input was cut into batches. van Herk, 1992; Gil & Werman, "Computing 2-D min,
 * median and max filters", 1993.
 */
export function rollingOperator<Rec>(
  settings: RollingSettings,
  aggregates: Aggregates<Rec>,
  { inputs, window }: WindowRules<never>,
): WindowOperator {
  const lanes = new Lanes(aggregates as Aggregates<never>, inputs, {
    header: HEADER,
    recordHeader: 1,
  });
  const { width, plainWidth } = lanes.records();
  const rules = { ...settings, lanes, window, spare: new Spare() };
  return {
    signature: `rolling(${settings.count},${settings.partial}){${lanes.signature}}`,
    ordered: true,
    identity: 'index',
    lanes,
    layout: [
      { width: 1, plainWidth: 0 },
      { width, plainWidth },
    ],
    refusedFrom: () => Number.POSITIVE_INFINITY,
    settledFrom: () => Number.NEGATIVE_INFINITY,
    thaw: (stored) => new RollingState(rules, stored),
  };
}

/**
 * The header of a row: the least and the greatest event time of what the row combines, and the row of its
 * pane.
 */
const EARLIEST = 0;
const LATEST = 1;
const PANE = 2;
const HEADER = 3;

/** Stands in for the rows once the state is frozen, so that a second use fails. */
const GONE = new Table(0, 0);
/** How many numbers the spare tables of a window hold at most, 8 MB, and how many the warm rows of all windows: 16 MB. */
const SPARE_NUMBERS = 2 ** 20;
const WARM_NUMBERS = 2 ** 21;

/** The settings that the states of all keys share. */
interface Rules extends RollingSettings {
  readonly lanes: Lanes;
  readonly window: number;
  readonly spare: Spare;
}

/** Once it is full, one in this many tables takes the place of the one that was left first. */
const REPLACES = 8;

/**
 * Keeps the rows of frozen states warm, for whoever thaws one of them again, as to lay all its records out anew takes
 * longer than to take in a few more. Only who thaws the very table that a state was stored as finds its rows.
 *
 * Once it is full it mostly stays as it is: where more keys come in turn than it holds, each would else be replaced just
 * before it comes again.
 */
class Warm {
  /** By the table of records that was stored, those that were left first at the beginning. */
  readonly #rows = new Map<Table, Table>();
  #numbers = 0;
  #refused = 0;

  /** Returns the rows of the state that was stored as these records. They are there once. */
  take(recent: Table): Table | undefined {
    const rows = this.#rows.get(recent);
    if (rows) this.#remove(recent, rows);
    return rows;
  }

  /** Returns whether it keeps them. */
  leave(recent: Table, rows: Table): boolean {
    const { length } = rows.numbers;
    if (rows.plains.length > 0 || length > WARM_NUMBERS) return false;
    if (this.#numbers + length > WARM_NUMBERS && ++this.#refused % REPLACES !== 0) return false;
    for (const [first, others] of this.#rows) {
      if (this.#numbers + length <= WARM_NUMBERS) break;
      this.#remove(first, others);
    }
    this.#rows.set(recent, rows);
    this.#numbers += length;
    return true;
  }

  #remove(recent: Table, rows: Table): void {
    this.#rows.delete(recent);
    this.#numbers -= rows.numbers.length;
  }
}

const WARM = new Warm();

/**
 * Keeps the tables of frozen states for reuse, as it takes longer to allocate a table of that size than to
 * fill it.
 */
class Spare {
  readonly #tables: Table[] = [];
  #numbers = 0;

  take(): Table | undefined {
    const table = this.#tables.pop();
    this.#numbers -= table?.numbers.length ?? 0;
    return table;
  }

  leave(table: Table): void {
    const { plains, numbers } = table;
    if (plains.length > 0 || this.#numbers + numbers.length > SPARE_NUMBERS) return;
    table.rows = 0;
    this.#tables.push(table);
    this.#numbers += numbers.length;
  }
}

class RollingState implements WindowState, Postponed {
  readonly #count: number;
  readonly #partial: boolean;
  readonly #lanes: Lanes;
  readonly #window: number;
  readonly #spare: Spare;
  /**
   * Row 0 combines the present block. Row 1 + i holds the record at place i of the present block, or of the
   * previous block where the present one has not come so far, and combines the previous block's records after
   * that place. When a record of the present block is taken in, its row becomes the record's window.
   */
  #rows: Table;
  /** The index of the present block's first record. */
  #block = 0;
  /** How many records of the present block there are. */
  #present = 0;
  /** How many of those are taken in. */
  #taken = 0;
  /** Where the panes of the records that are not taken in yet have begun. */
  #panes: Panes | undefined;

  constructor(rules: Rules, stored: readonly Table[] | undefined) {
    const { count, partial, lanes, window, spare } = rules;
    this.#count = count;
    this.#partial = partial;
    this.#lanes = lanes;
    this.#window = window;
    this.#spare = spare;
    const head = stored?.[0];
    const recent = stored?.[1];
    const next = head?.rows ? (head.numbers[0] as number) : 0;
    const rows = recent && WARM.take(recent);
    this.#rows = rows ?? spare.take() ?? lanes.rows(1 + Math.min(next + 8, count));
    if (rows === undefined) {
      this.#rows.push();
      this.#begin();
    }
    if (recent === undefined || next === 0) return;
    const present = next < count ? next : next % count;
    this.#block = next - present;
    this.#present = this.#taken = present;
    if (rows === undefined) this.#restore(recent);
  }

  /**
   * Keeps the record and begins its pane. Records are taken in together, aggregate by aggregate, in short
   * loops over numbers.
   */
  apply(record: CurrentRecord, _watermarks: Watermarks, panes: Panes): boolean {
    const { postpones } = this.#lanes;
    if (postpones && this.#panes !== panes) this.#postponeIn(panes);
    const rows = this.#rows;
    const row = ++this.#present;
    if (row === rows.rows) rows.push();
    this.#lanes.keep(rows, row, record);
    if (row >= this.#firstEmitted()) {
      rows.numbers[row * rows.width + PANE] = panes.begin(this.#window, ROLLING).rows - 1;
    }
    if (!postpones) this.#takeIn(panes);
    else if (row === this.#count) this.end();
    return true;
  }

  end(): void {
    const panes = this.#panes;
    this.#panes = undefined;
    if (panes) this.#takeIn(panes);
  }

  /** Takes in the records that wait, and ends their panes. */
  #takeIn(panes: Panes): void {
    const from = this.#taken + 1;
    const to = this.#present + 1;
    this.#lanes.takeKept(this.#rows, from, to, this.#previous());
    this.#setHeaders(from, to, panes.table(this.#window));
    panes.endAll(this.#window, this.#rows, Math.max(from, this.#firstEmitted()), to, PANE);
    this.#taken = this.#present;
    if (this.#present === this.#count) this.#turn();
  }

  advance(): void {}

  update(): void {}

  open(): number {
    return 0;
  }

  /** No window is open, as the window emits after every record. */
  listOpen(): readonly OpenWindow[] {
    return [];
  }

  /**
   * Shows the window that the next record completes, without that record: a state keeps the last `count` − 1
   * records.
   */
  peek(_watermark: number, panes: Panes): void {
    this.end();
    const next = this.#block + this.#present;
    const count = Math.min(next, this.#count - 1);
    if (count === 0) return;
    const rows = this.#rows;
    const { numbers, width } = rows;
    // The next record takes the place of the record in this row, which combines the records after that.
    const row = this.#present + 1;
    const isJoined = row < this.#previous();
    const pane = panes.begin(this.#window, EARLY);
    const at = (pane.rows - 1) * pane.width;
    const before = isJoined ? row * width : 0;
    pane.numbers[at + IDENTITY] = next;
    pane.numbers[at + START] = Math.min(numbers[EARLIEST] as number, numbers[before + EARLIEST] as number);
    pane.numbers[at + END] = Math.max(numbers[LATEST] as number, numbers[before + LATEST] as number) + 1;
    pane.numbers[at + REVISION] = 0;
    pane.numbers[at + REVISABLE] = 1;
    pane.numbers[at + COUNT] = count;
    if (!isJoined) {
      panes.end(this.#window, rows, 0);
      return;
    }
    const joined = this.#lanes.partials(1);
    joined.push();
    this.#lanes.join(joined, 0, rows, row, rows, 0);
    panes.end(this.#window, joined, 0);
  }

  /** No pane waits for time, and a state that took a record in stays. */
  restsUntil(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** The state is empty until its first record: the ordinals of records go on. */
  isEmpty(): boolean {
    return this.#block + this.#present === 0;
  }

  freeze(): readonly Table[] {
    this.end();
    const head = new Table(1, 0, 1);
    const next = this.#block + this.#present;
    if (next > 0) head.pushNumbers(next);
    const present = this.#present;
    // The record whose place the next record takes is no longer needed.
    const previous = Math.max(0, this.#rows.rows - present - 2);
    const recent = this.#lanes.records(previous + present);
    recent.rows = previous + present;
    // The oldest records come first.
    this.#lanes.copyRecords(recent, 0, this.#rows, present + 2, previous);
    this.#lanes.copyRecords(recent, previous, this.#rows, 1, present);
    invariant(this.#rows !== GONE, 'a state is frozen once');
    if (!WARM.leave(recent, this.#rows)) this.#spare.leave(this.#rows);
    this.#rows = GONE;
    return [head, recent];
  }

  #postponeIn(panes: Panes): void {
    this.end();
    this.#panes = panes;
    panes.postpone(this);
  }

  /** Returns the row of the present block from which on windows are emitted. */
  #firstEmitted(): number {
    return this.#partial ? 1 : this.#count - this.#block;
  }

  /** Returns the row from which on no row combines records of the previous block. */
  #previous(): number {
    return this.#block === 0 ? 0 : this.#count;
  }

  /**
   * Takes in the event times of the records in the rows `[from, to)`, and sets the columns before the results
   * of their panes.
   */
  #setHeaders(from: number, to: number, pane: Table): void {
    const { numbers, width } = this.#rows;
    const { numbers: out, width: outWidth } = pane;
    const timeAt = this.#lanes.timeIn(this.#rows);
    const count = this.#count;
    const previous = this.#previous();
    const first = this.#firstEmitted();
    let earliest = numbers[EARLIEST] as number;
    let latest = numbers[LATEST] as number;
    let index = this.#block + from - 1;
    for (let row = from; row < to; row++, index++) {
      const place = row * width;
      const at = numbers[place + timeAt] as number;
      if (at < earliest) earliest = at;
      if (at > latest) latest = at;
      if (row < first) continue;
      const head = (numbers[place + PANE] as number) * outWidth;
      let start = earliest;
      let last = latest;
      if (row < previous) {
        start = Math.min(start, numbers[place + EARLIEST] as number);
        last = Math.max(last, numbers[place + LATEST] as number);
      }
      out[head + IDENTITY] = index;
      out[head + START] = start;
      out[head + END] = last + 1;
      out[head + REVISION] = 0;
      out[head + REVISABLE] = 0;
      out[head + COUNT] = Math.min(index + 1, count);
    }
    numbers[EARLIEST] = earliest;
    numbers[LATEST] = latest;
  }

  /** Makes the present block, which is complete, the previous block. */
  #turn(): void {
    this.#combineFrom(1);
    this.#block += this.#count;
    this.#begin();
  }

  #begin(): void {
    this.#present = 0;
    this.#taken = 0;
    this.#rows.numbers[EARLIEST] = Number.POSITIVE_INFINITY;
    this.#rows.numbers[LATEST] = Number.NEGATIVE_INFINITY;
    this.#lanes.clear(this.#rows, 0);
  }

  /** Makes each row from `first` on combine the records of the rows after it. */
  #combineFrom(first: number): void {
    const rows = this.#rows;
    const { numbers, width } = rows;
    const last = this.#count * width;
    const timeAfter = width + this.#lanes.timeIn(rows);
    let earliest = Number.POSITIVE_INFINITY;
    let latest = Number.NEGATIVE_INFINITY;
    for (let row = last - width; row >= first * width; row -= width) {
      const at = numbers[row + timeAfter] as number;
      if (at < earliest) earliest = at;
      if (at > latest) latest = at;
      numbers[row + EARLIEST] = earliest;
      numbers[row + LATEST] = latest;
    }
    this.#lanes.combineKept(rows, first, this.#count);
  }

  /**
   * Lays out the stored records again: those of the previous block after a place for the next record, then
   * those of the present block.
   */
  #restore(recent: Table): void {
    const rows = this.#rows;
    const present = this.#present;
    const previous = recent.rows - present;
    while (rows.rows < 1 + Math.min(this.#block + present, this.#count)) rows.push();
    this.#lanes.copyRecords(rows, present + 2, recent, 0, previous);
    if (this.#block > 0) this.#combineFrom(present + 1);
    this.#lanes.copyRecords(rows, 1, recent, previous, present);
    this.#lanes.addKept(rows, 0, rows, 1, 1 + present);
    const { numbers, width } = rows;
    for (let row = 1; row <= present; row++) {
      const at = numbers[row * width + this.#lanes.timeIn(rows)] as number;
      numbers[EARLIEST] = Math.min(numbers[EARLIEST] as number, at);
      numbers[LATEST] = Math.max(numbers[LATEST] as number, at);
    }
  }
}
