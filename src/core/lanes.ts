import type { Aggregates } from './aggregate.ts';
import {
  type CellLane,
  type Headers,
  type LaneColumn,
  type NumberResult,
  type PartLane,
  planLanes,
  type ResultColumn,
  type ResultReader,
} from './lane-plan.ts';
import { cloneOf, type Plain } from './plain.ts';
import type { CurrentRecord } from './record.ts';
import type { Inputs } from './select.ts';
import { Table } from './table.ts';
import type { EpochMillis } from './time.ts';

/**
 * Runs a window's aggregates side by side, as its operator uses them: rows of partials in tables, and rows of
 * records where the operator keeps records. The plan of lane-plan.ts is made once for a window; this class
 * runs for every record and pane.
 */
export class Lanes {
  readonly signature: string;
  readonly results: readonly ResultColumn[];
  /** How many numbers of a row of records belong to the operator. They come first. */
  readonly #recordHeader: number;
  readonly #keptNumbers: readonly number[];
  readonly #keptPlains: readonly number[];
  readonly #cells: readonly CellLane[];
  readonly #parts: readonly PartLane[];
  readonly #numbers: readonly NumberResult[];
  readonly #plains: readonly ResultReader[];
  readonly #width: number;
  /** How many numbers a record has. They come last in a row. */
  readonly #recordWidth: number;

  constructor(aggregates: Aggregates<never>, inputs: Inputs<never>, headers: Headers) {
    const plan = planLanes(aggregates, inputs, headers);
    const { recordHeader = 0 } = headers;
    this.signature = plan.signature;
    this.results = plan.results;
    this.#recordHeader = recordHeader;
    this.#keptNumbers = plan.keptNumbers;
    this.#keptPlains = plan.keptPlains;
    this.#cells = plan.cells;
    this.#parts = plan.parts;
    this.#numbers = plan.numbers;
    this.#plains = plan.plains;
    this.#width = plan.width;
    this.#recordWidth = recordHeader + plan.keptNumbers.length;
  }

  /**
   * Whether results may be computed later than at their record. That is so where all are numbers, as then no
   * function of a user is called, which might throw.
   */
  get postpones(): boolean {
    return this.#parts.length === 0 && this.#plains.length === 0;
  }

  /** Tells whether partials of other lanes are those of these, too. */
  isLike(other: Lanes): boolean {
    return (
      this.#cells.length === other.#cells.length &&
      this.#parts.length === other.#parts.length &&
      this.#cells.every(({ cells, x, y }, at) => {
        const lane = other.#cells[at] as CellLane;
        return lane.cells === cells && lane.x === x && lane.y === y;
      }) &&
      this.#parts.every(({ parts, x, y }, at) => {
        const lane = other.#parts[at] as PartLane;
        return lane.parts === parts && lane.x.value === x.value && lane.y?.value === y?.value;
      })
    );
  }

  /** Returns an empty table for partials. */
  partials(capacity = 0): Table {
    return new Table(this.#width, this.#parts.length, capacity);
  }

  /** Returns an empty table for records. */
  records(capacity = 0): Table {
    return new Table(this.#recordWidth, this.#keptPlains.length, capacity);
  }

  /** Returns an empty table for rows of both, in which the record comes last. */
  rows(capacity = 0): Table {
    return new Table(this.#width + this.#recordWidth, this.#parts.length + this.#keptPlains.length, capacity);
  }

  /** Copies the records of `count` rows from row `first` on to the rows from `row` on. */
  copyRecords(to: Table, row: number, from: Table, first: number, count: number): void {
    const width = this.#recordWidth;
    const plains = this.#keptPlains.length;
    for (let i = 1; i <= count; i++) {
      copy(to.numbers, (row + i) * to.width - width, from.numbers, (first + i) * from.width - width, width);
      for (let j = 1; j <= plains; j++) {
        to.plains[(row + i) * to.plainWidth - j] = from.plains[(first + i) * from.plainWidth - j] as Plain;
      }
    }
  }

  /** Returns the place of the record's event time in a table's rows. */
  timeIn(table: Table): number {
    return table.width - this.#recordWidth;
  }

  /** Makes a row of partials that of no record. */
  clear(to: Table, row: number): void {
    const base = row * to.width;
    for (let i = 0; i < this.#cells.length; i++) {
      const { cells, offset } = this.#cells[i] as CellLane;
      cells.clear(to.numbers, base + offset);
    }
    this.#clearParts(to, row);
  }

  /** Takes a record into a row of partials. */
  add(to: Table, row: number, record: CurrentRecord): void {
    const { numbers } = record;
    const base = row * to.width;
    for (let i = 0; i < this.#cells.length; i++) {
      const lane = this.#cells[i] as CellLane;
      if (lane.skips && skipped(lane, numbers, lane.x, lane.y)) continue;
      lane.cells.add(
        to.numbers,
        base + lane.offset,
        numbers[lane.x] as number,
        numbers[lane.y] as number,
        numbers[0] as EpochMillis,
      );
    }
    for (let i = 0; i < this.#parts.length; i++) {
      const { x, y } = this.#parts[i] as PartLane;
      const place = row * to.plainWidth + i;
      to.plains[place] = this.#withRecord(
        i,
        to.plains[place] as Plain,
        record.value(x.value),
        y && record.value(y.value),
        numbers[0] as EpochMillis,
      );
    }
  }

  /** Keeps a record in a row of records, its time first. It sets no other number of the operator. */
  keep(to: Table, row: number, record: CurrentRecord): void {
    const { numbers } = record;
    const at = row * to.width + this.timeIn(to);
    to.numbers[at] = numbers[0] as number;
    for (let i = 0; i < this.#keptNumbers.length; i++) {
      to.numbers[at + this.#recordHeader + i] = numbers[1 + (this.#keptNumbers[i] as number)] as number;
    }
    const plains = this.#keptPlains.length;
    for (let i = 0; i < plains; i++) {
      to.plains[(row + 1) * to.plainWidth - plains + i] = record.value(this.#keptPlains[i] as number);
    }
  }

  /** Takes the kept records in the rows `[first, end)` into a row of partials. */
  addKept(to: Table, row: number, from: Table, first: number, end: number): void {
    for (let i = 0; i < this.#cells.length; i++) {
      const lane = this.#cells[i] as CellLane;
      const at = row * to.width + lane.offset;
      for (let record = first; record < end; record++) {
        addKept(lane, to.numbers, at, from.numbers, record * from.width + this.timeIn(from));
      }
    }
    for (let record = first; record < end; record++) this.#addKeptParts(to, row, from, record);
  }

  /**
   * Takes the records in the rows `[from, to)` into row 0, one after the other. After each record, a row
   * before `previous` takes in row 0, and any other row becomes a copy of row 0.
   */
  takeKept(rows: Table, from: number, to: number, previous: number): void {
    for (let i = 0; i < this.#cells.length; i++) {
      this.#takeCells(this.#cells[i] as CellLane, rows, from, to, previous);
    }
    for (let row = from; row < to && this.#parts.length > 0; row++) this.#takeKeptParts(rows, row, previous);
  }

  /** Makes each row of `[first, last)` the combination of the records in the rows after it, up to `last`. */
  combineKept(rows: Table, first: number, last: number): void {
    for (let i = 0; i < this.#cells.length; i++) {
      this.#combineCells(this.#cells[i] as CellLane, rows, first * rows.width, last * rows.width);
    }
    for (let row = last - 1; row >= first && this.#parts.length > 0; row--) {
      this.#prependParts(rows, row, rows, row + 1, row === last - 1 ? undefined : row + 1);
    }
  }

  /** Makes a row of partials the combination of a kept record and the row `later`, or of the record alone. */
  prependKept(to: Table, row: number, from: Table, record: number, later: number | undefined): void {
    for (let i = 0; i < this.#cells.length; i++) {
      const lane = this.#cells[i] as CellLane;
      const { cells, offset } = lane;
      const at = row * to.width + offset;
      if (later === undefined) cells.clear(to.numbers, at);
      else copy(to.numbers, at, to.numbers, later * to.width + offset, cells.width);
      addKept(lane, to.numbers, at, from.numbers, record * from.width + this.timeIn(from));
    }
    if (this.#parts.length > 0) this.#prependParts(to, row, from, record, later);
  }

  /** Merges a row of partials into a stored one, whose records come before. */
  merge(to: Table, row: number, later: Table, b: number): void {
    for (let i = 0; i < this.#cells.length; i++) {
      const { cells, offset } = this.#cells[i] as CellLane;
      cells.join(to.numbers, row * to.width + offset, later.numbers, b * later.width + offset);
    }
    for (let i = 0; i < this.#parts.length; i++) {
      const place = row * to.plainWidth + i;
      const other = later.plains[b * later.plainWidth + i] as Plain;
      to.plains[place] = (this.#parts[i] as PartLane).parts.combine(to.plains[place] as Plain, other);
    }
  }

  /** Makes a row of partials the combination of two rows, the records of the earlier one coming first. */
  join(to: Table, row: number, earlier: Table, a: number, later: Table, b: number): void {
    for (let i = 0; i < this.#cells.length; i++) {
      const { cells, offset } = this.#cells[i] as CellLane;
      const at = row * to.width + offset;
      if (to !== earlier || row !== a) {
        copy(to.numbers, at, earlier.numbers, a * earlier.width + offset, cells.width);
      }
      cells.join(to.numbers, at, later.numbers, b * later.width + offset);
    }
    if (this.#parts.length > 0) this.#joinParts(to, row, earlier, a, later, b);
  }

  /** Drops what only a record at or before `horizon` could still need. */
  settle(to: Table, row: number, horizon: EpochMillis): void {
    for (const [i, { parts }] of this.#parts.entries()) {
      const at = row * to.plainWidth + i;
      if (parts.settle) to.plains[at] = parts.settle(to.plains[at] as Plain, horizon);
    }
  }

  /** Writes the results of a row of partials into a row of panes, after its first `header` numbers. */
  lower(from: Table, row: number, to: Table, pane: number, header: number): void {
    const base = row * from.width;
    const place = pane * to.width + header;
    for (let i = 0; i < this.#numbers.length; i++) {
      const { aggregate, offset } = this.#numbers[i] as NumberResult;
      to.numbers[place + i] = aggregate.lower(from.numbers, base + offset) as number;
    }
    this.#lowerPlains(from, row, to, pane);
  }

  /** Writes the results of the rows `[first, end)`, each of which names its pane's row in `column`. */
  lowerAll(from: Table, first: number, end: number, column: number, to: Table, header: number): void {
    const { numbers, width } = from;
    for (let i = 0; i < this.#numbers.length; i++) {
      const { aggregate, offset } = this.#numbers[i] as NumberResult;
      const { numbers: results, width: paneWidth } = to;
      for (let row = first * width; row < end * width; row += width) {
        const pane = (numbers[row + column] as number) * paneWidth;
        results[pane + header + i] = aggregate.lower(numbers, row + offset) as number;
      }
    }
    if (this.#plains.length === 0) return;
    for (let row = first; row < end; row++) {
      this.#lowerPlains(from, row, to, numbers[row * width + column] as number);
    }
  }

  #lowerPlains(from: Table, row: number, to: Table, pane: number): void {
    for (let i = 0; i < this.#plains.length; i++) {
      to.plains[pane * to.plainWidth + i] = (this.#plains[i] as ResultReader)(from, row);
    }
  }

  #takeCells(lane: CellLane, rows: Table, from: number, to: number, previous: number): void {
    const { cells, offset } = lane;
    const { numbers, width } = rows;
    const recordAt = this.timeIn(rows);
    for (let row = from * width; row < to * width; row += width) {
      addKept(lane, numbers, offset, numbers, row + recordAt);
      if (row < previous * width) cells.join(numbers, row + offset, numbers, offset);
      else copy(numbers, row + offset, numbers, offset, cells.width);
    }
  }

  #combineCells(lane: CellLane, rows: Table, first: number, last: number): void {
    const { cells, offset } = lane;
    const { numbers, width } = rows;
    const after = width + this.timeIn(rows);
    for (let row = last - width; row >= first; row -= width) {
      if (row === last - width) cells.clear(numbers, row + offset);
      else copy(numbers, row + offset, numbers, row + width + offset, cells.width);
      addKept(lane, numbers, row + offset, numbers, row + after);
    }
  }

  #prependParts(to: Table, row: number, from: Table, record: number, later: number | undefined): void {
    this.#clearParts(to, row);
    this.#addKeptParts(to, row, from, record);
    if (later !== undefined) this.#joinParts(to, row, to, row, to, later);
  }

  #clearParts(to: Table, row: number): void {
    for (let i = 0; i < this.#parts.length; i++) {
      to.plains[row * to.plainWidth + i] = cloneOf((this.#parts[i] as PartLane).parts.identity);
    }
  }

  #takeKeptParts(rows: Table, row: number, previous: number): void {
    for (let i = 0; i < this.#parts.length; i++) {
      const present = this.#withKept(i, rows.plains[i] as Plain, rows, row);
      rows.plains[i] = present;
      if (row >= previous) rows.plains[row * rows.plainWidth + i] = present;
    }
    if (row < previous) this.#joinParts(rows, row, rows, row, rows, 0);
  }

  #addKeptParts(to: Table, row: number, from: Table, record: number): void {
    for (let i = 0; i < this.#parts.length; i++) {
      const place = row * to.plainWidth + i;
      const partial = to.plains[place];
      unlessItThrows(to, place, partial, null, () => this.#withKept(i, partial as Plain, from, record));
    }
  }

  #withKept(lane: number, partial: Plain, from: Table, record: number): Plain {
    const { x, y } = this.#parts[lane] as PartLane;
    const at = from.numbers[record * from.width + this.timeIn(from)] as EpochMillis;
    return this.#withRecord(lane, partial, this.#kept(x, from, record), y && this.#kept(y, from, record), at);
  }

  #kept({ kind, place }: LaneColumn, from: Table, record: number): Plain {
    return kind === 'number'
      ? (from.numbers[record * from.width + this.timeIn(from) + place] as number)
      : (from.plains[(record + 1) * from.plainWidth - this.#keptPlains.length + place] as Plain);
  }

  #withRecord(lane: number, partial: Plain, x: Plain, y: Plain | undefined, at: EpochMillis): Plain {
    const { parts, x: columnX, y: columnY } = this.#parts[lane] as PartLane;
    if ((columnX.skips && Number.isNaN(x)) || (columnY?.skips && Number.isNaN(y))) return partial;
    return parts.add
      ? parts.add(partial, x, y ?? null, at)
      : parts.combine(partial, parts.lift(x, y ?? null, at));
  }

  #joinParts(to: Table, row: number, earlier: Table, a: number, later: Table, b: number): void {
    for (let i = 0; i < this.#parts.length; i++) {
      const { parts } = this.#parts[i] as PartLane;
      const first = earlier.plains[a * earlier.plainWidth + i];
      const second = later.plains[b * later.plainWidth + i];
      unlessItThrows(to, row * to.plainWidth + i, first, second, () =>
        parts.combine(first as Plain, second as Plain),
      );
    }
  }
}

const skipped = ({ skipsX, skipsY }: CellLane, numbers: number[], x: number, y: number): boolean =>
  (skipsX && Number.isNaN(numbers[x])) || (skipsY && Number.isNaN(numbers[y]));

/** Takes a kept record, whose time is at `record`, into the cells of a lane. */
function addKept(lane: CellLane, to: number[], at: number, from: number[], record: number): void {
  const x = record + lane.placeX;
  const y = record + lane.placeY;
  if (lane.skips && skipped(lane, from, x, y)) return;
  lane.cells.add(to, at, from[x] as number, from[y] as number, from[record] as EpochMillis);
}

function copy(to: number[], at: number, from: number[], place: number, width: number): void {
  for (let i = 0; i < width; i++) to[at + i] = from[place + i] as number;
}

/**
 * Combines partials. Where a user's function throws while a pane is made, there is no partial and no result:
 * there is no record to refuse, and the pane is emitted all the same.
 */
function unlessItThrows(
  to: Table,
  place: number,
  earlier: Plain | undefined,
  later: Plain | undefined,
  combine: () => Plain,
): void {
  let combined: Plain | undefined;
  try {
    if (earlier !== undefined && later !== undefined) combined = combine();
  } catch {
    // The partial stays undefined.
  }
  to.plains[place] = combined as Plain;
}
