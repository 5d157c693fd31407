import type { Plain } from './plain.ts';
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
 * The record that is being taken in. Its numbers stand in an array, event time first, as V8 allocates a
 * number each time it is passed from function to function.
 */
export class CurrentRecord {
  readonly numbers: Float64Array;
  values: readonly Plain[] = [];

  constructor(inputs: number) {
    this.numbers = new Float64Array(1 + inputs);
  }

  set({ at, values }: KeyRecord): void {
    const { numbers } = this;
    numbers[0] = at;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (typeof value === 'number') numbers[1 + i] = value;
    }
    this.values = values;
  }
}
