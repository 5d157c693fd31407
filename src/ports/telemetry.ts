import type { Position } from '../core/position.ts';

/**
 * What is counted. Of the records of a batch, received = applied + duplicate + late + filtered + poison, once the batch is
 * wholly committed: `late` are those that no window took.
 */
export const METRICS = [
  'received',
  'applied',
  'duplicate',
  'late',
  'filtered',
  'poison',
  'panes',
  'conflicts',
  /** Of the refused records those that a group had no room for. */
  'noRoom',
  /** Commits of groups that are half-way to where they have no room for new keys. */
  'crowded',
  /** Panes of which results were left out, as no entry has room for them. */
  'cutPanes',
  /** Groups that a projector cannot read on, as entries expired before they were delivered: see `resume`. */
  'gaps',
] as const;

export type Metric = (typeof METRICS)[number];

/** Records of one lineage, from the first of them to the last. */
export interface RecordRange {
  /** Of a FIFO queue its name alone: the message group may be a key. */
  readonly lineage: string;
  readonly count: number;
  readonly first: Position;
  readonly last: Position;
}

/** Where something could not be done. */
interface Place {
  readonly log?: string;
  /** Of the records that it is about, those of the first few lineages. */
  readonly records?: readonly RecordRange[];
}

/** Figures and faults. Neither ever carries a payload, a key or a part of one. */
export interface Telemetry {
  count(metric: Metric, by: number): void;
  /** Records that a window refused as late, whether or not other windows took them. */
  countLate(window: string, by: number): void;
  /** What could not be done, and where; it will be tried again. */
  fault(what: string, cause: unknown, place?: Place): void;
}
