import type { Aggregates } from '../aggregate.ts';
import { Lanes } from '../lanes.ts';
import { COUNT, END, IDENTITY, type Panes, REVISABLE, REVISION, ROLLING, START } from '../panes.ts';
import type { CurrentRecord } from '../record.ts';
import { Table } from '../table.ts';
import type { OpenWindow, Watermarks, WindowOperator, WindowRules, WindowState } from '../window.ts';

export interface RollingSettings {
  readonly count: number;
  /** Whether it emits while it holds fewer than `count` records. */
  readonly partial: boolean;
}

/**
 * The key's last `count` records in source order, emitted after every record.
 *
 * Block-aligned two-stacks: records fall into blocks of `count` by their index, so any window is the end of one block
 * joined to the beginning of the next. Ends are combined from the right when a block is complete, beginnings from the
 * left as records come: about three combinations a record whatever the count, and no subtraction. Because blocks
 * hang on the index alone, a result depends on the values and the index, never on how the input was cut into batches.
 * van Herk, 1992; Gil & Werman, "Computing 2-D min, median and max filters", 1993.
 */
export function rollingOperator<Rec>(
  settings: RollingSettings,
  aggregates: Aggregates<Rec>,
  { inputs, window }: WindowRules<never>,
): WindowOperator {
  const lanes = new Lanes(aggregates as Aggregates<never>, inputs, {
    header: 2,
    recordHeader: 1,
    together: true,
  });
  const { width, plainWidth } = lanes.records();
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
    thaw: (stored) => new RollingState(settings, lanes, window, stored),
  };
}

/** What comes first in a row of partials: the least and the greatest event time. */
const EARLIEST = 0;
const LATEST = 1;

class RollingState implements WindowState {
  readonly #count: number;
  readonly #partial: boolean;
  readonly #lanes: Lanes;
  readonly #window: number;
  /** The index of the next record. */
  #next = 0;
  /**
   * Row 0 combines the present block. Row 1 + i holds the record at place i of the present block, or of the previous one
   * where the present has not come so far, and combines the previous block from there to its end. One table, as the row
   * that is written and the row that is read next are neighbours.
   */
  readonly #rows: Table;
  /** Records of the present block. */
  #present = 0;

  constructor(
    { count, partial }: RollingSettings,
    lanes: Lanes,
    window: number,
    stored: readonly Table[] | undefined,
  ) {
    this.#count = count;
    this.#partial = partial;
    this.#lanes = lanes;
    this.#window = window;
    const [head, recent] = stored ?? [];
    const next = head?.rows ? (head.numbers[0] as number) : 0;
    this.#rows = lanes.rows(1 + Math.min(next + 8, count));
    this.#rows.push();
    this.#begin();
    if (recent && next > 0) this.#restore(next, recent);
  }

  apply(record: CurrentRecord, _watermarks: Watermarks, panes: Panes): boolean {
    const index = this.#next++;
    const rows = this.#rows;
    const row = ++this.#present;
    if (row === rows.rows) rows.push();
    this.#lanes.keep(rows, row, record);
    this.#stretch(record.numbers[0] as number);
    this.#lanes.add(rows, 0, record);
    if (this.#partial || index + 1 >= this.#count) this.#emit(index, row, panes);
    if (row === this.#count) this.#turn();
    return true;
  }

  advance(): void {}

  update(): void {}

  open(): number {
    return 0;
  }

  /** It emits after every record. */
  listOpen(): readonly OpenWindow[] {
    return [];
  }

  /** Ordinals go on. */
  isEmpty(): boolean {
    return false;
  }

  freeze(): readonly Table[] {
    const head = new Table(1, 0, 1);
    if (this.#next > 0) head.pushNumbers(this.#next);
    const rows = this.#rows;
    const recent = this.#lanes.records(this.#count - 1);
    // Oldest first. What the next record takes the place of is no longer needed.
    for (let row = this.#present + 2; row < rows.rows; row++) this.#lanes.pushRecord(recent, rows, row);
    for (let row = 1; row <= this.#present; row++) this.#lanes.pushRecord(recent, rows, row);
    return [head, recent];
  }

  #emit(index: number, row: number, panes: Panes): void {
    const whole = this.#whole(row + 1);
    const { numbers, width } = this.#rows;
    const pane = panes.begin(this.#window, ROLLING);
    const at = (pane.rows - 1) * pane.width;
    pane.numbers[at + IDENTITY] = index;
    pane.numbers[at + START] = numbers[whole * width + EARLIEST] as number;
    pane.numbers[at + END] = (numbers[whole * width + LATEST] as number) + 1;
    pane.numbers[at + REVISION] = 0;
    pane.numbers[at + REVISABLE] = 0;
    pane.numbers[at + COUNT] = Math.min(index + 1, this.#count);
    panes.end(this.#window, this.#rows, whole);
  }

  /** The row of the whole window: the end of the previous block from `end` on, which no later window needs, takes in the present block. */
  #whole(end: number): number {
    const { numbers, width, rows } = this.#rows;
    if (end >= rows) return 0;
    const earliest = end * width + EARLIEST;
    const latest = end * width + LATEST;
    numbers[earliest] = Math.min(numbers[earliest] as number, numbers[EARLIEST] as number);
    numbers[latest] = Math.max(numbers[latest] as number, numbers[LATEST] as number);
    this.#lanes.join(this.#rows, end, this.#rows, end, this.#rows, 0);
    return end;
  }

  /** The present block is complete and becomes the previous one. */
  #turn(): void {
    this.#combineFrom(2);
    this.#begin();
  }

  #begin(): void {
    this.#present = 0;
    this.#rows.numbers[EARLIEST] = Number.POSITIVE_INFINITY;
    this.#rows.numbers[LATEST] = Number.NEGATIVE_INFINITY;
    this.#lanes.clear(this.#rows, 0);
  }

  /** Combines the records of the rows from `first` on, each with those after it. */
  #combineFrom(first: number): void {
    const rows = this.#rows;
    const { numbers, width } = rows;
    let [earliest, latest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let row = rows.rows - 1; row >= first; row--) {
      const at = this.#lanes.timeOf(rows, row);
      earliest = Math.min(earliest, at);
      latest = Math.max(latest, at);
      numbers[row * width + EARLIEST] = earliest;
      numbers[row * width + LATEST] = latest;
      this.#lanes.prependKept(rows, row, rows, row, row + 1 < rows.rows ? row + 1 : undefined);
    }
  }

  /** Lays the stored records out again: those of the previous block after a place for the next record, then the present's. */
  #restore(next: number, recent: Table): void {
    this.#next = next;
    const rows = this.#rows;
    this.#present = next < this.#count ? next : next % this.#count;
    const previous = recent.rows - this.#present;
    while (rows.rows < 1 + Math.min(next, this.#count)) rows.push();
    for (let i = 0; i < previous; i++) this.#lanes.setRecord(rows, this.#present + 2 + i, recent, i);
    this.#combineFrom(this.#present + 2);
    for (let i = 0; i < this.#present; i++) {
      const row = 1 + i;
      this.#lanes.setRecord(rows, row, recent, previous + i);
      this.#stretch(this.#lanes.timeOf(rows, row));
      this.#lanes.addKept(rows, 0, rows, row);
    }
  }

  /** The present block reaches to another record. */
  #stretch(at: number): void {
    const { numbers } = this.#rows;
    numbers[EARLIEST] = Math.min(numbers[EARLIEST] as number, at);
    numbers[LATEST] = Math.max(numbers[LATEST] as number, at);
  }
}
