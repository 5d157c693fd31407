import type { Position } from '../src/core/position.ts';
import type { EpochMillis } from '../src/core/time.ts';
import { decodeGroup, encodeEntry } from '../src/engine/entry.ts';
import { EMPTY_GROUP, type Folded, fold, type Group, type GroupRecord, holds } from '../src/engine/group.ts';
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
    key: ({ key }) => key,
    eventTime: ({ at }) => at,
    outOfOrderness: `${outOfOrderness}ms`,
    windows: windows as never,
  }) as Pipeline;

/** The bytes of a record are there to be kept if it is refused, and none is. */
const NO_BYTES = new Uint8Array(0);

/** Records `[from, to)` as a group's, after decoding, their strings and objects made anew. */
export function groupRecordsOf({ rules }: Pipeline, stream: Stream, from: number, to: number): GroupRecord[] {
  const keys = freshKeys(stream, from, to);
  const positions = freshPositions(from, to);
  return keys.map((key, at) => ({
    lineage: 'shard',
    position: positions[at] as Position,
    data: NO_BYTES,
    content: { outcome: 'record', key, record: recordOf(rules, stream, from + at) },
  }));
}

/** One group's log, batch by batch, as a commit does it: drops what is in, folds the rest into the state, which it thaws and freezes. */
export class GroupLog {
  readonly #pipeline: Pipeline;
  /** Whether each batch decodes the entry before and encodes its own. */
  readonly #coded: boolean;
  #group: Group = EMPTY_GROUP;
  #body: Uint8Array | undefined;

  constructor(pipeline: Pipeline, coded: boolean) {
    this.#pipeline = pipeline;
    this.#coded = coded;
  }

  take(records: readonly GroupRecord[]): Folded {
    const group = this.#latest();
    const news = records.filter((record) => !holds(group, record));
    const folded = fold(this.#pipeline, group, news);
    if (this.#coded) this.#body = encodeEntry(this.#pipeline, folded);
    this.#group = { ...folded, ordinal: group.ordinal + 1, committedAt: 0 as EpochMillis };
    return folded;
  }

  #latest(): Group {
    const { ordinal } = this.#group;
    if (this.#body === undefined) return this.#group;
    return decodeGroup(this.#pipeline, { ordinal, committedAt: 0 as EpochMillis, body: this.#body });
  }

  get bytes(): number {
    return this.#body?.length ?? 0;
  }
}
