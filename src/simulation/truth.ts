import type { KeyRecord } from '../core/key.ts';
import type { SubPosition } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Limits } from '../ports/limits.ts';
import type { SourceRecord } from '../ports/source.ts';
import type { Recording } from './recording.ts';

/** The place of a record in its source. */
export type Place = Pick<SourceRecord, 'lineage' | 'position' | 'partitionKey'>;

/** What must become of a record, or of a child of it. */
export interface Fate {
  /**
   * The hash of its key, or of its partition key where it has no key. It determines which key group takes it
   * in, or counts it.
   */
  readonly hash: number;
  readonly fate: 'record' | 'filtered' | 'poison';
  /**
   * For a record: what its key's windows receive, with the values by each version. Taking it in may still
   * throw.
   */
  readonly content?:
    | {
        readonly key: string;
        readonly at: KeyRecord['at'];
        readonly values: readonly KeyRecord['values'][];
        /** What it is known by beside its position, where its source has an `id`. */
        readonly id?: string | undefined;
      }
    | undefined;
}

/** What must become of a part of a record, and where in the record it stands. */
export interface PartFate extends Fate {
  readonly member: number;
  readonly child: number;
}

/** A record of the source, and what must become of it: where it has parts, of each of them. */
export interface Truth extends Omit<SourceRecord, 'members'>, Fate {
  readonly parts?: readonly PartFate[];
}

/** A part of a record, as a group takes it in: a member, a child, or the whole. */
export interface Part extends Omit<SourceRecord, 'position' | 'members'>, Fate {
  readonly position: SubPosition;
}

const PARTS = new WeakMap<Truth, readonly Part[]>();

/** Returns the parts of a record, which are the same objects each time. */
export function partsOfTruth(truth: Truth, ordered: boolean): readonly Part[] {
  const made = PARTS.get(truth);
  if (made) return made;
  const { parts: fates, ...whole } = truth;
  const parts = (fates ?? [{ ...whole, member: 0, child: 0 }]).map(
    ({ member, child, ...fate }): Part => ({
      ...whole,
      ...fate,
      content: fate.content,
      position: positionIn(truth.position, member, child, ordered),
    }),
  );
  PARTS.set(truth, parts);
  return parts;
}

/** Returns the position of a part by the rule that docs/glossary.md states, whatever the engine does. */
export const positionIn = (position: string, member: number, child: number, ordered: boolean): SubPosition =>
  (ordered
    ? String(BigInt(position) * 1_000_000_000_000n + BigInt(member) * 1_000_000n + BigInt(child))
    : `${position}.${member}.${child}`) as SubPosition;

/** Where a source keeps some of its records in order: a shard, a partition, a message group. */
export interface Lineage {
  readonly name: string;
  /** The places of the lineages that it continues. */
  readonly parents: readonly number[];
  readonly truths: readonly Truth[];
}

/** A pipeline, and all records that its source ever receives. */
export interface Case {
  /** The definitions, each of a higher version than the one before. They differ only in their windows. */
  readonly versions: readonly [Pipeline, ...Pipeline[]];
  readonly lineages: readonly Lineage[];
  /** What the pipeline did whose panes are read. */
  readonly recording?: Recording;
  /** Bounds so small that they are met. With bounds, no record makes an aggregate throw as it is taken in. */
  readonly limits?: Limits | undefined;
  /** Whether Lambda may give batches up, as it may where the tries of a stream's mapping are bounded. */
  readonly isBounded?: true;
  /** Returns a record of the same content that stands elsewhere and arrives later. */
  readonly resent: (truth: Truth, place: Place, arrival: EpochMillis) => Truth;
}
