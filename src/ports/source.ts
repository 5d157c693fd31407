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
