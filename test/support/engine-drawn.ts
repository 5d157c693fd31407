import { defineAggregate } from '../../src/core/aggregates/define.ts';
import type { Position } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { groupOf } from '../../src/engine/key-group.ts';
import {
  batches,
  bucket,
  collect,
  count,
  definePipeline,
  kinesis,
  last,
  max,
  mean,
  type Pane,
  type Pipeline,
  rolling,
  running,
  session,
  sliding,
  sum,
  table,
  trailing,
  tumbling,
} from '../../src/index.ts';
import type { PaneShape, Window } from '../../src/pipeline/windows.ts';
import type { SourceRecord } from '../../src/ports/source.ts';
import type { Random } from './engine-random.ts';

export const STREAM = 'sim';
export const START = Date.UTC(2026, 0, 5, 8) as EpochMillis;
export const SECOND = 1_000;

interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
  readonly tag: string;
  readonly skip?: boolean;
}

/** A record of the source, and what must become of it. */
export interface Truth {
  readonly record: SourceRecord;
  readonly group: number;
  readonly fate: 'record' | 'filtered' | 'poison';
  /** What was put; of a record or a filtered one. */
  readonly reading?: Reading;
}

/** Tags, as a text; an author's own, that throws on one of them. */
const BAD = 'bad';
const tags = defineAggregate<Reading, (reading: Reading) => string, string, string>({
  name: 'tags',
  select: ({ tag }) => tag,
  identity: '',
  lift: (tag) => {
    if (tag === BAD) throw new Error('a bad tag');
    return `${tag} `;
  },
  combine: (earlier, later) => earlier + later,
  lower: (all) => all,
});

interface AnyShape extends PaneShape {
  readonly results: Pane['results'];
}

/** Some pipeline, of four key groups however many shards there are, so that shards meet in them. */
export function drawPipeline(random: Random): Pipeline {
  const emit = () => random.pick(['close', 'close', 'record'] as const);
  const all = {
    minute: tumbling(
      // Rarely: a thousand empty windows follow each key.
      { size: '60s', emit: emit(), emitEmpty: random.chance(0.06) },
      { n: count(), sum: sum('value'), tags: collect('tag') },
    ),
    sliding: sliding(
      { size: '90s', slide: '30s', offset: random.pick(['0s', '7s'] as const), emit: emit() },
      { mean: mean('value'), max: max('value'), last: last('tag') },
    ),
    session: session({ gap: random.pick(['8s', '40s'] as const), emit: emit() }, { n: count(), tags }),
    lastThree: rolling({ count: 3 }, { mean: mean('value'), last: last('tag') }),
    byThree: batches({ count: 3 }, { sum: sum('value'), tags }),
    trailing: trailing({ size: '20s' }, { n: count(), max: max('value') }),
    running: running({}, { n: count(), sum: sum('value') }),
  } satisfies { readonly [name: string]: Window<Reading> };
  const chosen = Object.entries(all).filter(([name]) => name === 'minute' || random.chance(0.4));
  return definePipeline(STREAM, kinesis<Reading>({ shards: 1 }), {
    filter: ({ skip }: Reading) => !skip,
    key: ({ key }: Reading) => key,
    eventTime: ({ at }: Reading) => at,
    outOfOrderness: random.pick(['0s', '10s'] as const),
    allowedLateness: random.pick(['0s', '45s', '3m', '3m'] as const),
    idleAfter: random.pick(['20s', '1m'] as const),
    maxLateness: '1d',
    windows: Object.fromEntries(chosen) as { readonly [name: string]: Window<Reading, AnyShape> },
  }).to(table(), bucket());
}

/** The records of one to three shards: disorder, silences, late ones, filtered ones, poison. */
export function drawRecords(random: Random, pipeline: Pipeline): readonly (readonly Truth[])[] {
  const backfill = random.pick([0, 0, 10 * 86_400 * SECOND]);
  const lateness = random.pick([0, 0.1, 0.4]);
  const silences = random.pick([0.02, 0.1]);
  return Array.from({ length: random.whole(1, 3) }, (_, shard) => {
    const keys = Array.from({ length: random.whole(1, 4) }, (__, key) => `${shard}/k${key}`);
    let arrival = START as number;
    return Array.from({ length: random.whole(5, 40) }, (__, index): Truth => {
      arrival += random.chance(silences) ? random.whole(20, 240) * SECOND : random.whole(0, 4_000);
      const delay = random.chance(lateness) ? random.whole(20, 240) * SECOND : random.whole(0, 12_000);
      const exact = arrival - backfill - delay;
      const reading = {
        key: random.pick(keys),
        // Whole seconds fall on the edges of windows.
        at: random.chance(0.5) ? exact : exact - (exact % SECOND),
        value: (random.next() - 0.5) * random.pick([1, 1e3, 1e16]),
        tag: `${shard}-${index}`,
      };
      return drawTruth(random, pipeline, shard, index, arrival as EpochMillis, reading);
    });
  });
}

function drawTruth(
  random: Random,
  pipeline: Pipeline,
  shard: number,
  index: number,
  arrival: EpochMillis,
  reading: Reading,
): Truth {
  const fate = random.chance(0.08) ? 'poison' : random.chance(0.08) ? 'filtered' : 'record';
  const throws = fate === 'poison' && isBrittle(pipeline) && random.chance(0.4);
  const sent = throws
    ? JSON.stringify({ ...reading, tag: BAD })
    : fate === 'poison'
      ? spoiled(random, reading, arrival)
      : JSON.stringify(fate === 'filtered' ? { ...reading, skip: true } : reading);
  const partitionKey = `${shard}/p${index % 5}`;
  const record = {
    lineage: `${STREAM}/shardId-${String(shard).padStart(12, '0')}`,
    position: String(index + 1) as Position,
    arrival,
    partitionKey,
    data: Buffer.from(sent),
  };
  const group = groupOf(fate === 'record' || throws ? reading.key : partitionKey, pipeline.groups);
  return { record, group, fate, ...(fate === 'poison' ? {} : { reading }) };
}

/** Whether any record's tag is looked at while it is folded: sessions look at none that is late for them. */
const isBrittle = ({ rules }: Pipeline): boolean => rules.windows.some(({ name }) => name === 'byThree');

const spoiled = (random: Random, reading: Reading, arrival: EpochMillis): string =>
  random.pick([
    () => `{"key": "${reading.key}", "at": `,
    () => JSON.stringify({ ...reading, value: 'high' }),
    () => JSON.stringify({ ...reading, key: '' }),
    () => JSON.stringify({ ...reading, at: arrival + 2 * 3_600 * SECOND }),
    () => JSON.stringify({ ...reading, at: 'yesterday' }),
    () => 'null',
  ])();
