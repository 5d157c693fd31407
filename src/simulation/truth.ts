import type { KeyRecord } from '../core/key.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Limits } from '../ports/limits.ts';
import type { SourceRecord } from '../ports/source.ts';

/** Where a record stands in its source. */
export type Place = Pick<SourceRecord, 'lineage' | 'position' | 'partitionKey'>;

/** A record of the source, and what must become of it. */
export interface Truth extends SourceRecord {
  /** Of its key, or of its partition key where it has none: it tells which key group takes it in, or counts it. */
  readonly hash: number;
  readonly fate: 'record' | 'filtered' | 'poison';
  /** Of a record: what its key's windows are given, the values by each version. Taking it in may still throw. */
  readonly content?: {
    readonly key: string;
    readonly at: KeyRecord['at'];
    readonly values: readonly KeyRecord['values'][];
  };
}

/** Where a source keeps some of its records in order: a shard, a partition, a message group. */
export interface Lineage {
  readonly name: string;
  /** The lineages, by their place, that it goes on from. */
  readonly parents: readonly number[];
  readonly truths: readonly Truth[];
}

/** A pipeline, and all that its source is ever given. */
export interface Case {
  /** Its definitions, each of a higher version than the one before: they differ in their windows alone. */
  readonly versions: readonly [Pipeline, ...Pipeline[]];
  readonly lineages: readonly Lineage[];
  /** Bounds so small that they are met; none of the records is one on which taking it in throws then. */
  readonly limits?: Limits | undefined;
  /** A record of the same content as another one, that stands elsewhere and arrives later. */
  readonly resent: (one: Truth, place: Place, arrival: EpochMillis) => Truth;
}
