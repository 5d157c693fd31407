import type { Plain } from './plain.ts';
import { zeros } from './table.ts';
import type { EpochMillis } from './time.ts';

/** A decoded record of one key. */
export interface KeyRecord {
  readonly at: EpochMillis;
  readonly arrival: EpochMillis;
  /** Whether it may have waited before it arrived, so that its arrival says nothing of the silence of its key. */
  readonly waited?: boolean;
  /** The values that the pipeline's `Inputs` read. */
  readonly values: readonly Plain[];
}

/**
 * Decoded records as rows of numbers: event time, arrival, and the values that the pipeline's `Inputs` read, where all
 * of these are numbers.
 */
export class RecordRows {
  readonly numbers: Float64Array;
  readonly width: number;

  constructor(rows: number, inputs: number) {
    this.width = 2 + inputs;
    this.numbers = new Float64Array(rows * this.width);
  }
}

/** A record that stands in a row, and none that has waited. */
export class RowRecord implements KeyRecord {
  readonly rows: RecordRows;
  /** Where its row begins. */
  readonly begin: number;

  constructor(rows: RecordRows, row: number) {
    this.rows = rows;
    this.begin = row * rows.width;
  }

  get at(): EpochMillis {
    return this.rows.numbers[this.begin] as EpochMillis;
  }

  get arrival(): EpochMillis {
    return this.rows.numbers[this.begin + 1] as EpochMillis;
  }

  get waited(): false {
    return false;
  }

  get values(): readonly number[] {
    const { numbers, width } = this.rows;
    return [...numbers.subarray(this.begin + 2, this.begin + width)];
  }
}

let serials = 0;

/**
 * The record that is being taken in. Its numbers stand in an array, event time first, as V8 allocates a
 * number each time it is passed from function to function.
 */
export class CurrentRecord {
  readonly numbers: number[];
  /** Tells it from every record before, of any key. */
  serial = 0;
  /** Undefined for a record of numbers alone. */
  #values: readonly Plain[] | undefined;

  constructor(inputs: number) {
    this.numbers = zeros(1 + inputs);
  }

  set(record: KeyRecord): void {
    this.serial = ++serials;
    if (record instanceof RowRecord) this.#setRow(record);
    else this.#setValues(record);
  }

  /** Returns the value of an input, whatever its kind. */
  value(input: number): Plain {
    return this.#values === undefined ? (this.numbers[1 + input] as number) : (this.#values[input] as Plain);
  }

  #setRow({ rows, begin }: RowRecord): void {
    const { numbers } = this;
    this.#values = undefined;
    numbers[0] = rows.numbers[begin] as number;
    for (let i = 1; i < numbers.length; i++) numbers[i] = rows.numbers[begin + 1 + i] as number;
  }

  #setValues({ at, values }: KeyRecord): void {
    const { numbers } = this;
    numbers[0] = at;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (typeof value === 'number') numbers[1 + i] = value;
    }
    this.#values = values;
  }
}
