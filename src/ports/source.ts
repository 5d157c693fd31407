import { loggable } from '../core/loggable.ts';
import type { Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';

/** One record as its source delivers it. */
export interface SourceRecord {
  /** The ordered source it belongs to: positions compare only within one. */
  readonly lineage: string;
  readonly position: Position;
  readonly arrival: EpochMillis;
  readonly partitionKey: string;
  readonly data: Uint8Array;
}

/**
 * The one source that the records of a batch are of, by its name; undefined for a batch without records.
 *
 * @throws RangeError when they are of several
 */
export function onlySource(names: readonly string[]): string | undefined {
  const [first] = names;
  const other = names.find((name) => name !== first);
  if (other === undefined) return first;
  throw loggable(
    new RangeError(
      `Cannot take a batch in as its records must be of one source: some are of ${first}, some of ${other}`,
    ),
  );
}
