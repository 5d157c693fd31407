import type { Results } from './aggregate.ts';
import type { ResultColumn } from './lane-plan.ts';
import type { Lanes } from './lanes.ts';
import type { Plain } from './plain.ts';
import { CurrentRecord } from './record.ts';
import { Table } from './table.ts';
import type { EpochMillis } from './time.ts';

/**
 * Why a pane was emitted. Its window closed (`final`), or closed without a record (`empty`); a record came
 * late for it (`late`); it is still open (`early`); it no longer exists, as its session became part of
 * another (`retracted`); a rolling window took in a record (`rolling`), or a window that never closes did
 * (`running`).
 */
export type PaneKind = (typeof KINDS)[number];
const KINDS = ['final', 'late', 'early', 'empty', 'retracted', 'rolling', 'running'] as const;
export const [FINAL, LATE, EARLY, EMPTY, RETRACTED, ROLLING, RUNNING] = [0, 1, 2, 3, 4, 5, 6] as const;

/** One emission of one window of one key, before the pane has an id. */
export interface KeyPane {
  readonly window: string;
  readonly kind: PaneKind;
  /**
   * Tells the window apart from the key's other windows of that name: by a start, by an ordinal (which is
   * `index`, too), or by 0.
   */
  readonly identity: number;
  /** The ordinal, from 0, of the record or of the batch within its key. */
  readonly index?: number;
  /** The window is `[start, end)`. */
  readonly start: EpochMillis;
  readonly end: EpochMillis;
  /** 0, 1, 2, …: each emission of a window replaces the emission before it. */
  readonly revision: number;
  /** Whether another revision may follow. */
  readonly revisable: boolean;
  /** The number of records in the window. */
  readonly count: number;
  /** Null for a window without records, whose kind is `empty` or `retracted`. */
  readonly results: Results | null;
  /**
   * The key's watermark when the pane was emitted. Where silence closed the window, it is exactly the
   * watermark at which the pane is due: the window's end or, for a session, a millisecond later. Silence
   * advances the watermark at the speed of the clock, so it does not depend on when a sweep sees it.
   */
  readonly watermark: EpochMillis;
}

/**
 * The columns of a window's table of panes, before those of its results. An operator sets the columns from
 * `IDENTITY` to `COUNT`.
 */
export const SEQUENCE = 0;
export const KEY = 1;
export const KIND = 2;
export const WATERMARK = 3;
export const IDENTITY = 4;
export const START = 5;
export const END = 6;
export const REVISION = 7;
/** 1 if another revision may follow, 0 otherwise. */
export const REVISABLE = 8;
export const COUNT = 9;
const HEADER = 10;

/**
 * Tells the panes of a window apart by their start, by an ordinal, or by nothing where there is only one
 * window.
 */
export type WindowIdentity = 'start' | 'index' | 'none';

/** Describes a window's table of panes to whoever reads it. */
export interface PaneLayout {
  readonly name: string;
  readonly identity: WindowIdentity;
  readonly results: readonly ResultColumn[];
}

/**
 * The part of a pipeline's rules that `Panes` needs: the number of inputs, and each window's name and result
 * columns.
 */
interface PaneRules {
  readonly inputs: { readonly length: number };
  readonly windows: readonly {
    readonly name: string;
    readonly operator: {
      readonly identity: WindowIdentity;
      readonly ordered: boolean;
      readonly lanes: Lanes;
    };
  }[];
}

/** Panes that were begun and whose results are still to be written. */
export interface Postponed {
  end(): void;
}

/** Collects panes as columns, one table a window, in the order in which they are emitted. */
export class Panes {
  /** The record that is being taken in. */
  readonly record: CurrentRecord;
  /** The number of the key to which the next panes belong. */
  key = 0;
  readonly layouts: readonly PaneLayout[];
  /**
   * The places of the windows that refused the last record. `KeyState.apply` returns how many; what follows
   * them is older.
   */
  readonly refusing: number[] = [];
  readonly #tables: readonly Table[];
  readonly #lanes: readonly Lanes[];
  readonly #postponed: Postponed[] = [];
  /**
   * Holds the watermark of the next panes as its only number. NaN stands for each pane's own end, or for what
   * its operator sets.
   */
  readonly #watermark = new Float64Array(1);
  #length = 0;
  /** The table of the pane that was begun last. */
  #last: Table | undefined;

  /** @param records how many records are likely taken in */
  constructor({ inputs, windows }: PaneRules, records = 0) {
    this.record = new CurrentRecord(inputs.length);
    this.#lanes = windows.map(({ operator }) => operator.lanes);
    this.layouts = windows.map(({ name, operator: { identity, lanes } }) => ({
      name,
      identity,
      results: lanes.results,
    }));
    this.#tables = windows.map(({ operator: { ordered, lanes } }) => {
      const numbers = lanes.results.filter(([, kind]) => kind === 'number').length;
      // What follows the order of the source mostly emits a pane a record. To grow costs as much as to fill it.
      return new Table(HEADER + numbers, lanes.results.length - numbers, ordered ? records : 0);
    });
  }

  get length(): number {
    return this.#length;
  }

  /** All panes, each with its results. */
  get tables(): readonly Table[] {
    this.endPostponed();
    return this.#tables;
  }

  /** Returns a window's panes. Some of them may have no results yet. */
  table(window: number): Table {
    return this.#tables[window] as Table;
  }

  /** Registers panes that are begun now; `tables` ends them before anyone reads them. */
  postpone(panes: Postponed): void {
    this.#postponed.push(panes);
  }

  endPostponed(): void {
    for (const panes of this.#postponed) panes.end();
    this.#postponed.length = 0;
  }

  /**
   * Sets the watermark of the next panes. Without one, each pane is emitted when it is due: at its own end,
   * unless its operator sets another watermark.
   */
  watermark(watermark: number | undefined): void {
    this.#watermark[0] = watermark ?? Number.NaN;
  }

  /**
   * Begins a pane of a window as the last row of the table that it returns. The operator sets its columns.
   */
  begin(window: number, kind: number): Table {
    const table = this.table(window);
    const at = table.push() * table.width;
    const { numbers } = table;
    numbers[at + SEQUENCE] = this.#length++;
    numbers[at + KEY] = this.key;
    numbers[at + KIND] = kind;
    numbers[at + WATERMARK] = this.#watermark[0] as number;
    this.#last = table;
    return table;
  }

  /** Ends the last pane of a window with the results of a row of partials. */
  end(window: number, from: Table, row: number): void {
    const table = this.table(window);
    (this.#lanes[window] as Lanes).lower(from, row, table, table.rows - 1, HEADER);
  }

  /**
   * Ends panes of a window with the results of the rows `[first, end)`, each of which names its pane's row in
   * `column`.
   */
  endAll(window: number, from: Table, first: number, end: number, column: number): void {
    (this.#lanes[window] as Lanes).lowerAll(from, first, end, column, this.table(window), HEADER);
  }

  /** Ends the last pane of a window that holds no records. */
  endEmpty(window: number): void {
    const table = this.table(window);
    table.numbers.fill(0, (table.rows - 1) * table.width + HEADER, table.rows * table.width);
    while (table.plains.length < table.rows * table.plainWidth) table.plains.push(null);
  }

  /**
   * Orders the panes from number `since` on, which were emitted as time passed, by when they were due. Panes
   * that were due together keep their order.
   *
   * @param watermark the watermark that they carry; without it, each carries the watermark at which it was
   * due
   */
  endDue(since: number, watermark: number | undefined): void {
    if (this.#length === since + 1) {
      // Mostly there is one, which is the last of its table.
      const { numbers, width, rows } = this.#last as Table;
      if (watermark !== undefined) numbers[(rows - 1) * width + WATERMARK] = watermark;
      return;
    }
    const added = placesOf(this.#tables, since);
    added.sort((a, b) => watermarkOf(a) - watermarkOf(b) || a.sequence - b.sequence);
    for (const [at, { table, row }] of added.entries()) {
      table.numbers[row * table.width + SEQUENCE] = since + at;
      if (watermark !== undefined) table.numbers[row * table.width + WATERMARK] = watermark;
    }
  }

  /** Takes back the panes from number `length` on. */
  cut(length: number): void {
    for (const table of this.tables) {
      let first = table.rows;
      while (first > 0 && (table.numbers[(first - 1) * table.width + SEQUENCE] as number) >= length) first--;
      table.remove(first, table.rows);
    }
    this.#length = Math.min(this.#length, length);
  }

  /** Lists all panes in order. */
  list(): readonly KeyPane[] {
    return readPanes(this.layouts, this.tables).map(({ pane }) => pane);
  }

  clear(): void {
    this.cut(0);
  }
}

/** Reads the panes of tables in the order in which they were emitted, each with the number of its key. */
export const readPanes = (
  layouts: readonly PaneLayout[],
  tables: readonly Table[],
): readonly { readonly key: number; readonly pane: KeyPane }[] =>
  placesOf(tables, 0).map((place) => ({
    key: cell(place, KEY),
    pane: paneAt(place, layouts[place.window] as PaneLayout),
  }));

interface Place {
  readonly window: number;
  readonly table: Table;
  readonly row: number;
  readonly sequence: number;
}

/** Returns the places of the panes from number `since` on, in order. */
function placesOf(tables: readonly Table[], since: number): Place[] {
  const places: Place[] = [];
  for (const [window, table] of tables.entries()) {
    // The last panes stand last in their table, as `endDue` only sorts panes among those added with them.
    for (let row = table.rows - 1; row >= 0; row--) {
      const sequence = table.numbers[row * table.width + SEQUENCE] as number;
      if (sequence < since) break;
      places.push({ window, table, row, sequence });
    }
  }
  return places.sort((a, b) => a.sequence - b.sequence);
}

const cell = ({ table, row }: Place, column: number): number =>
  table.numbers[row * table.width + column] as number;

/** Returns the watermark that a pane carries, or at which it was due. */
function watermarkOf(place: Place): number {
  const watermark = cell(place, WATERMARK);
  return Number.isNaN(watermark) ? cell(place, END) : watermark;
}

const HAS_RESULTS: { readonly [Kind in PaneKind]: boolean } = {
  final: true,
  late: true,
  early: true,
  empty: false,
  retracted: false,
  rolling: true,
  running: true,
};

function paneAt(place: Place, { name, identity, results }: PaneLayout): KeyPane {
  const kind = KINDS[cell(place, KIND)] as PaneKind;
  const identified = cell(place, IDENTITY);
  const pane = {
    window: name,
    kind,
    identity: identified,
    start: cell(place, START) as EpochMillis,
    end: cell(place, END) as EpochMillis,
    revision: cell(place, REVISION),
    revisable: cell(place, REVISABLE) === 1,
    count: cell(place, COUNT),
    results: HAS_RESULTS[kind] ? resultsAt(place, results) : null,
    watermark: watermarkOf(place) as EpochMillis,
  };
  return identity === 'index' ? Object.assign(pane, { index: identified }) : pane;
}

function resultsAt({ table, row }: Place, columns: readonly ResultColumn[]): Results {
  const results: Record<string, Plain> = {};
  let number = row * table.width + HEADER;
  let plain = row * table.plainWidth;
  for (const [name, kind] of columns) {
    results[name] =
      kind === 'number' ? (table.numbers[number++] as number) : (table.plains[plain++] as Plain);
  }
  return results;
}
