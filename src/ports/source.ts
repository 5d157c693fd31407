import { loggable } from '../core/loggable.ts';
import type { Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';

/** One record as its source delivers it. */
export interface SourceRecord {
  /** The ordered source of the record. Only positions of one lineage compare. */
  readonly lineage: string;
  readonly position: Position;
  readonly arrival: EpochMillis;
  /**
   * When it first arrived, where it is taken in again: it has waited since, and its arrival says nothing of the
   * silence of its key.
   */
  readonly waitedSince?: EpochMillis;
  readonly partitionKey: string;
  readonly data: Uint8Array;
  /** Set where the record lacks the id by which it would be known when it comes again: it is refused. */
  readonly unidentified?: true;
  /** The records that a producer packed into this one; undefined for an ordinary record. */
  readonly members?: readonly Pick<SourceRecord, 'partitionKey' | 'data'>[];
}

/**
 * Returns the name of the single source of a batch, or undefined for a batch without records.
 *
 * @throws RangeError when the records are from several sources
 */
export function onlySource(names: readonly string[]): string | undefined {
  const [first] = names;
  const second = names.find((name) => name !== first);
  if (second === undefined) return first;
  throw loggable(
    new RangeError(
      `Cannot take a batch in as its records must be of one source: some are of ${first}, some of ${second}`,
    ),
  );
}
