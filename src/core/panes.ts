import type { Results } from './aggregate.ts';
import type { Lanes, ResultColumn } from './lanes.ts';
import type { Plain } from './plain.ts';
import { CurrentRecord } from './record.ts';
import { Table } from './table.ts';
import type { EpochMillis } from './time.ts';

/**
 * Why a pane was emitted: its window closed (`final`), with no record in it (`empty`); a record came late for it (`late`); it
 * is still open (`early`); it is no longer, as its session became part of another (`retracted`); a rolling window took in a
 * record (`rolling`), or one that never closes did (`running`).
 */
export type PaneKind = (typeof KINDS)[number];
const KINDS = ['final', 'late', 'early', 'empty', 'retracted', 'rolling', 'running'] as const;
export const [FINAL, LATE, EARLY, EMPTY, RETRACTED, ROLLING, RUNNING] = [0, 1, 2, 3, 4, 5, 6] as const;

/** One emission of one window of one key, before it has an id. */
export interface KeyPane {
  readonly window: string;
  readonly kind: PaneKind;
  /** What tells its window from the key's others of that name: a start, an ordinal (then it is `index`, too), or 0. */
  readonly identity: number;
  /** The ordinal of the record, or of the batch, within its key, from 0. */
  readonly index?: number;
  /** The window is `[start, end)`. */
  readonly start: EpochMillis;
  readonly end: EpochMillis;
  /** 0, 1, 2, …: each emission of the same window replaces the one before. */
  readonly revision: number;
  /** Whether another revision may follow. */
  readonly revisable: boolean;
  /** Records in the window. */
  readonly count: number;
  /** Null for a window without records: `empty`, or `retracted`. */
  readonly results: Results | null;
  /**
   * The key's watermark when the pane was emitted. Where silence closed the window it is exactly the one at which that is due,
   * its end or, of a session, a millisecond later: it is reached at the speed of the clock, whenever someone comes by to see it.
   */
  readonly watermark: EpochMillis;
}

/** The columns of a window's table of panes; its results follow. An operator sets those from `IDENTITY` to `COUNT`. */
export const SEQUENCE = 0;
export const KEY = 1;
export const KIND = 2;
export const WATERMARK = 3;
export const IDENTITY = 4;
export const START = 5;
export const END = 6;
export const REVISION = 7;
/** 1 if another revision may follow, else 0. */
export const REVISABLE = 8;
export const COUNT = 9;
const HEADER = 10;

/** What a window's panes are told apart by: their start, an ordinal, or nothing, as there is one window only. */
export type WindowIdentity = 'start' | 'index' | 'none';

/** What is needed to read a window's table of panes. */
export interface PaneLayout {
  readonly name: string;
  readonly identity: WindowIdentity;
  readonly results: readonly ResultColumn[];
}

/** What of a pipeline's rules panes are collected by. */
interface PaneRules {
  readonly inputs: { readonly length: number };
  readonly windows: readonly {
    readonly name: string;
    readonly operator: { readonly identity: WindowIdentity; readonly lanes: Lanes };
  }[];
}

/** Panes that were begun and wait for their results. */
export interface Postponed {
  end(): void;
}

/** Panes in the order they are emitted in, as columns: a table a window. */
export class Panes {
  /** The record that is being taken in. */
  readonly record: CurrentRecord;
  /** The number of the key that the next panes are of. */
  key = 0;
  readonly layouts: readonly PaneLayout[];
  /** The places of the windows that refused the last record: as many as `KeyState.apply` told, what follows is older. */
  readonly refusing: number[] = [];
  readonly #tables: readonly Table[];
  readonly #lanes: readonly Lanes[];
  readonly #postponed: Postponed[] = [];
  /** One number: the watermark of the next panes; NaN stands for each pane's own end, or what its operator sets. */
  readonly #watermark = new Float64Array(1);
  #length = 0;

  constructor({ inputs, windows }: PaneRules) {
    this.record = new CurrentRecord(inputs.length);
    this.#lanes = windows.map(({ operator }) => operator.lanes);
    this.layouts = windows.map(({ name, operator: { identity, lanes } }) => ({
      name,
      identity,
      results: lanes.results,
    }));
    this.#tables = this.#lanes.map(({ results }) => {
      const numbers = results.filter(([, kind]) => kind === 'number').length;
      return new Table(HEADER + numbers, results.length - numbers);
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

  /** A window's panes, some of which may have no results yet. */
  table(window: number): Table {
    return this.#tables[window] as Table;
  }

  /** Some panes are begun now and ended when panes are read, at the latest. */
  postpone(one: Postponed): void {
    this.#postponed.push(one);
  }

  endPostponed(): void {
    for (const one of this.#postponed) one.end();
    this.#postponed.length = 0;
  }

  /** The next panes are emitted at a watermark; without one, each when it is due: at its own end, unless its operator sets another. */
  watermark(watermark: number | undefined): void {
    this.#watermark[0] = watermark ?? Number.NaN;
  }

  /** Begins a pane of a window, the last row of the table that it gives back: the operator sets its columns. */
  begin(window: number, kind: number): Table {
    const table = this.table(window);
    const at = table.push() * table.width;
    const { numbers } = table;
    numbers[at + SEQUENCE] = this.#length++;
    numbers[at + KEY] = this.key;
    numbers[at + KIND] = kind;
    numbers[at + WATERMARK] = this.#watermark[0] as number;
    return table;
  }

  /** Ends the last pane of a window with the results of a row of partials. */
  end(window: number, from: Table, row: number): void {
    const table = this.table(window);
    (this.#lanes[window] as Lanes).lower(from, row, table, table.rows - 1, HEADER);
  }

  /** Ends panes of a window with the results of the rows `[first, end)`, each of which names its pane's row in a column. */
  endAll(window: number, from: Table, first: number, end: number, column: number): void {
    (this.#lanes[window] as Lanes).lowerAll(from, first, end, column, this.table(window), HEADER);
  }

  /** Ends a pane of a window that holds no records. */
  endEmpty(window: number): void {
    const table = this.table(window);
    table.numbers.fill(0, (table.rows - 1) * table.width + HEADER, table.rows * table.width);
    while (table.plains.length < table.rows * table.plainWidth) table.plains.push(null);
  }

  /**
   * Orders the panes added since there were `since` of them, as time passed, by when they were due; what was due together
   * stays as it is.
   *
   * @param watermark that they carry; without one, each that at which it was due
   */
  endDue(since: number, watermark: number | undefined): void {
    const added = placesOf(this.#tables, since);
    if (added.length > 1) added.sort((a, b) => watermarkOf(a) - watermarkOf(b) || a.sequence - b.sequence);
    for (const [at, { table, row }] of added.entries()) {
      table.numbers[row * table.width + SEQUENCE] = since + at;
      if (watermark !== undefined) table.numbers[row * table.width + WATERMARK] = watermark;
    }
  }

  /** Takes back the panes added since there were `length` of them. */
  cut(length: number): void {
    for (const table of this.tables) {
      let first = table.rows;
      while (first > 0 && (table.numbers[(first - 1) * table.width + SEQUENCE] as number) >= length) first--;
      table.remove(first, table.rows);
    }
    this.#length = Math.min(this.#length, length);
  }

  /** All panes in order. */
  list(): readonly KeyPane[] {
    return readPanes(this.layouts, this.tables).map(({ pane }) => pane);
  }

  clear(): void {
    this.cut(0);
  }
}

/** The panes in tables, in the order they were emitted in, each with the number of its key. */
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

/** Where the panes from `since` on stand, in order. */
function placesOf(tables: readonly Table[], since: number): Place[] {
  const places: Place[] = [];
  for (const [window, table] of tables.entries()) {
    // What came last stands last, or was sorted among what came with it.
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

/** What a pane carries, or what it was due at. */
function watermarkOf(place: Place): number {
  const watermark = cell(place, WATERMARK);
  return Number.isNaN(watermark) ? cell(place, END) : watermark;
}

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
    results: kind === 'empty' || kind === 'retracted' ? null : resultsAt(place, results),
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
