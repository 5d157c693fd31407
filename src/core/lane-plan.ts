import type {
  Aggregate,
  Aggregates,
  CellAggregate,
  Cells,
  DerivedAggregate,
  PartAggregate,
  Parts,
} from './aggregate.ts';
import type { Plain } from './plain.ts';
import type { Input, Inputs } from './select.ts';
import type { Table } from './table.ts';

/**
 * A value that a lane reads: its place among a record's values, and in a row of records that a window keeps.
 */
export interface LaneColumn {
  readonly value: number;
  readonly kind: Input['kind'];
  /** Its place among the numbers, or the plain values, of such a row. */
  readonly place: number;
  readonly skips: boolean;
}

export interface CellLane {
  readonly cells: Cells;
  /** Where its cells are in a row of partials. */
  readonly offset: number;
  readonly x: number;
  readonly y: number;
  readonly placeX: number;
  readonly placeY: number;
  readonly skips: boolean;
  readonly skipsX: boolean;
  readonly skipsY: boolean;
}

export interface PartLane {
  readonly parts: Parts;
  readonly x: LaneColumn;
  readonly y: LaneColumn | undefined;
}

/** Reads one result of a pane from a row of partials. */
export type ResultReader = (from: Table, row: number) => Plain;
export interface NumberResult {
  readonly aggregate: CellAggregate<never, Plain>;
  readonly offset: number;
}

/** A result by its name: always a number, or any plain value. */
export type ResultColumn = readonly [name: string, kind: 'number' | 'plain'];

type AnyAggregate = Aggregate<never, Plain>;

/**
 * How many numbers of a row of partials, and of a row of records, belong to the operator. They come first.
 */
export interface Headers {
  readonly header: number;
  readonly recordHeader?: number;
}

/**
 * What the aggregates of a window need. The plan is made once, when the window is defined; `Lanes` follows it
 * for every record and pane.
 */
export interface LanePlan {
  readonly signature: string;
  /** The places, among a record's values, of the numbers that a window keeps of it. */
  readonly keptNumbers: readonly number[];
  /** The places, among a record's values, of the plain values that a window keeps of it. */
  readonly keptPlains: readonly number[];
  readonly cells: readonly CellLane[];
  readonly parts: readonly PartLane[];
  /** How the numbers of a pane's results are read. */
  readonly numbers: readonly NumberResult[];
  /** How the other results of a pane are read. */
  readonly plains: readonly ResultReader[];
  /** How many numbers a row of partials has. */
  readonly width: number;
  /** The results of a pane. Each is the next of the pane's numbers, or of its plain values. */
  readonly results: readonly ResultColumn[];
}

/**
 * Lays the aggregates of a window out side by side. Aggregates with the same monoid over the same inputs
 * share one lane.
 *
 * @throws TypeError when a value of `aggregates` is not an aggregate
 */
export function planLanes(aggregates: Aggregates<never>, inputs: Inputs<never>, headers: Headers): LanePlan {
  const named = Object.entries<AnyAggregate>(aggregates as never);
  for (const [name, aggregate] of named) {
    if (typeof aggregate?.signature === 'string') continue;
    throw new TypeError(
      `Cannot compute "${name}" as it must be an aggregate, such as count() or mean('field'): ` +
        `it is ${typeof aggregate}`,
    );
  }
  const planner = new Planner(inputs, headers);
  const results = named.map(([name, aggregate]) => [name, planner.show(aggregate)] as const);
  const signature = named.map(([name, { signature }]) => `${name}=${signature}`).join(';');
  const { keptNumbers, keptPlains, cells, parts, numbers, plains, width } = planner;
  return { signature, keptNumbers, keptPlains, cells, parts, numbers, plains, width, results };
}

/** A plan that is being made, aggregate by aggregate. */
class Planner {
  readonly keptNumbers: number[] = [];
  readonly keptPlains: number[] = [];
  readonly cells: CellLane[] = [];
  readonly parts: PartLane[] = [];
  readonly numbers: NumberResult[] = [];
  readonly plains: ResultReader[] = [];
  width: number;
  readonly #inputs: Inputs<never>;
  readonly #recordHeader: number;
  readonly #columns: LaneColumn[] = [];

  constructor(inputs: Inputs<never>, { header, recordHeader = 0 }: Headers) {
    this.#inputs = inputs;
    this.#recordHeader = recordHeader;
    this.width = header;
  }

  /** Plans what an aggregate needs, and adds its result to those of the panes. */
  show(aggregate: AnyAggregate): 'number' | 'plain' {
    if ('cells' in aggregate) {
      this.numbers.push({ aggregate, offset: this.#cellLane(aggregate) });
      return 'number';
    }
    this.plains.push(this.#reader(aggregate));
    return 'plain';
  }

  #reader(aggregate: AnyAggregate): ResultReader {
    if ('cells' in aggregate) {
      const offset = this.#cellLane(aggregate);
      return (from, row) => aggregate.lower(from.numbers, row * from.width + offset);
    }
    if ('parts' in aggregate) {
      const place = this.#partLane(aggregate);
      return orNull((from, row) => {
        const partial = from.plains[row * from.plainWidth + place];
        return partial === undefined ? null : aggregate.lower(partial);
      });
    }
    return this.#derivedReader(aggregate);
  }

  #derivedReader({ of, derive }: DerivedAggregate<never, Plain>): ResultReader {
    const readers = Object.entries(of).map(([name, aggregate]) => [name, this.#reader(aggregate)] as const);
    return orNull((from, row) =>
      derive(Object.fromEntries(readers.map(([name, reader]) => [name, reader(from, row)]))),
    );
  }

  #cellLane({ cells, inputs }: CellAggregate<never, Plain>): number {
    const [x, y] = inputs.map((input) => this.#column(input));
    const known = this.cells.find(
      (lane) => lane.cells === cells && lane.x === placeOf(x) && lane.y === placeOf(y),
    );
    if (known) return known.offset;
    const offset = this.width;
    this.width += cells.width;
    this.cells.push({
      cells,
      offset,
      x: placeOf(x),
      y: placeOf(y),
      placeX: x?.place ?? 0,
      placeY: y?.place ?? 0,
      skips: x?.skips === true || y?.skips === true,
      skipsX: x?.skips ?? false,
      skipsY: y?.skips ?? false,
    });
    return offset;
  }

  #partLane({ parts, inputs }: PartAggregate<never, Plain>): number {
    const [x, y] = inputs.map((input) => this.#column(input)) as [LaneColumn, LaneColumn | undefined];
    const known = this.parts.findIndex((lane) => lane.parts === parts && lane.x === x && lane.y === y);
    return known >= 0 ? known : this.parts.push({ parts, x, y }) - 1;
  }

  #column(input: Input<never>): LaneColumn {
    const value = this.#inputs.column(input);
    const known = this.#columns.find((column) => column.value === value);
    if (known) return known;
    const { kind } = input;
    const place =
      kind === 'number'
        ? this.#recordHeader + this.keptNumbers.push(value) - 1
        : this.keptPlains.push(value) - 1;
    const column = { value, kind, place, skips: input.invalid === 'skip' };
    this.#columns.push(column);
    return column;
  }
}

/**
 * Returns the place of a value in the numbers of the current record. Without a column it is the time, which
 * is never read.
 */
const placeOf = (column: LaneColumn | undefined): number => (column === undefined ? 0 : 1 + column.value);

/**
 * Returns null where a user's function throws. The pane is emitted all the same, as there is no record to
 * refuse.
 */
const orNull =
  (reader: ResultReader): ResultReader =>
  (from, row) => {
    try {
      return reader(from, row);
    } catch {
      return null;
    }
  };
