import type { Position } from '../src/core/position.ts';
import type { EpochMillis } from '../src/core/time.ts';
import { nextEntry } from '../src/engine/format/next-entry.ts';
import { readGroup } from '../src/engine/format/read-group.ts';
import { batchKeys } from '../src/engine/group/batch-key.ts';
import { type Deployment, firstDeployment } from '../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Folded, type Group, GroupRecord } from '../src/engine/group/group.ts';
import { newsOf } from '../src/engine/group/taken.ts';
import { fold } from '../src/engine/intake/fold.ts';
import { definePipeline, kinesis, type Pipeline } from '../src/index.ts';
import type { PaneShape, Window } from '../src/pipeline/windows.ts';
import { freshKeys, freshPositions, type Stream } from './data.ts';
import { type Reading, recordOf } from './millrace.ts';

/** A reading as it comes from a source. */
export interface SentReading extends Reading {
  readonly key: string;
  readonly at: number;
}

export const pipelineOf = <Shapes extends Record<string, PaneShape>>(
  windows: { readonly [Name in keyof Shapes]: Window<SentReading, Shapes[Name]> },
  outOfOrderness = 0,
): Pipeline =>
  definePipeline('bench', kinesis<SentReading>(), {
    key: 'key',
    eventTime: 'at',
    outOfOrderness: `${outOfOrderness}ms`,
    windows: windows as never,
  }) as Pipeline;

/** The bytes of a record are there to be kept if it is refused, and none is. */
const NO_BYTES = new Uint8Array(0);

/** Records `[from, to)` as a group's, after decoding, their strings and objects made anew. */
export function groupRecordsOf({ rules }: Pipeline, stream: Stream, from: number, to: number): GroupRecord[] {
  const keys = freshKeys(stream, from, to);
  const known = batchKeys();
  const positions = freshPositions(from, to);
  return keys.map((key, at) => {
    const record = recordOf(rules, stream, from + at);
    const source = {
      lineage: 'shard',
      position: positions[at] as Position,
      arrival: record.arrival,
      partitionKey: key,
      data: NO_BYTES,
    };
    return new GroupRecord(true, source, 0, 0, known.of(key), { outcome: 'record', key, record });
  });
}

/** How a group is handed on from batch to batch: in memory; as a delta after a delta; or as a snapshot, which the next one reads. */
const KEEPING = ['memory', 'deltas', 'snapshots'] as const;

/**
 * One group's log, batch by batch, as a commit does it: drops what is in, folds the rest into the state, which it thaws and
 * freezes, and encodes the entry. What reads a snapshot has no memory, as an environment that starts cold.
 */
export class GroupLog {
  readonly deployment: Deployment;
  readonly #keeping: (typeof KEEPING)[number];
  #group: Group = EMPTY_GROUP;
  #entry: ReturnType<typeof nextEntry>['entry'] | undefined;

  constructor(pipeline: Pipeline, coded: number) {
    this.deployment = firstDeployment(pipeline);
    this.#keeping = KEEPING[coded] ?? 'memory';
  }

  take(records: readonly GroupRecord[]): Folded {
    const { deployment } = this;
    const group = this.#latest();
    const folded = fold(deployment, group, newsOf(deployment.pipeline, group, records));
    if (this.#keeping === 'memory') {
      this.#group = { ...group, ...folded };
    } else {
      const before = this.#keeping === 'snapshots' ? { ...group, base: undefined } : group;
      const { entry, group: next } = nextEntry(deployment, before, folded, NEVER);
      this.#entry = entry;
      this.#group = next;
    }
    return folded;
  }

  #latest(): Group {
    if (this.#keeping !== 'snapshots' || this.#entry === undefined) return this.#group;
    return readGroup(this.deployment, EMPTY_GROUP, [this.#entry]);
  }

  /** Of the last entry. */
  note(): string {
    const { body, ordinal } = this.#entry ?? {};
    if (body === undefined) return '';
    const kind = ordinal === this.#group.base?.ordinal ? 'snapshot' : 'delta';
    return `the last entry, a ${kind}, is of ${Math.round(body.length / 1_000)} KB, panes included`;
  }
}

/** No entry expires here. */
const NEVER = 0 as EpochMillis;
