import fc from 'fast-check';
import { unorderedPositionOf } from '../../src/core/position.ts';
import type { Table } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { batchKeys } from '../../src/engine/group/batch-key.ts';
import { type Group, GroupRecord } from '../../src/engine/group/group.ts';
import {
  batches,
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
  sqs,
  sum,
  trailing,
  tumbling,
} from '../../src/index.ts';
import type { PaneShape, Window } from '../../src/pipeline/windows.ts';
import { contentsOf } from '../core/codec-columns.ts';

interface Drawn {
  readonly key: string;
  readonly at: number;
  readonly value: number;
  readonly tag: string;
}

interface AnyShape extends PaneShape {
  readonly results: Pane['results'];
}

const SECOND = 1_000;
const BEGINNING = Date.UTC(2026, 0, 5, 12) as EpochMillis;

/** Windows whose panes do not depend on how records come in batches. */
const WINDOWS = {
  minute: tumbling({ size: '60s', emit: 'record' }, { n: count(), sum: sum('value'), tags: collect('tag') }),
  local: tumbling({ size: '1h', timeZone: 'Asia/Kathmandu' }, { n: count(), last: last('tag') }),
  sliding: sliding({ size: '90s', slide: '30s', offset: '7s' }, { mean: mean('value'), last: last('tag') }),
  session: session({ gap: '20s' }, { n: count(), tags: collect('tag') }),
  cut: session({ gap: ({ value }) => (value > 0 ? '5s' : '40s'), maxDuration: '1m' }, { n: count() }),
  trailing: trailing({ size: '20s' }, { n: count(), max: max('value') }),
  lastThree: rolling({ count: 3 }, { mean: mean('value'), last: last('tag') }),
  byThree: batches({ count: 3 }, { sum: sum('value'), tags: collect('tag') }),
  running: running({}, { n: count(), sum: sum('value') }),
} satisfies { readonly [name: string]: Window<Drawn> };

const ORDERED = ['lastThree', 'byThree', 'running'];

/** Some pipeline of one key group: several windows, of an ordered source or of a standard queue. */
export const pipelines: fc.Arbitrary<Pipeline> = fc
  .record({
    ordered: fc.boolean(),
    chosen: fc.subarray(Object.keys(WINDOWS), { minLength: 1, maxLength: 5 }),
    outOfOrderness: fc.constantFrom('0s', '10s'),
    allowedLateness: fc.constantFrom('0s', '45s', '3m'),
    maxLateness: fc.constantFrom(undefined, '1d'),
  } as const)
  .map(({ ordered, chosen, maxLateness, ...times }) => {
    const names = chosen.filter((name) => ordered || !ORDERED.includes(name));
    const windows = Object.fromEntries(
      (names.length > 0 ? names : ['minute']).map((name) => [name, WINDOWS[name as keyof typeof WINDOWS]]),
    ) as unknown as { readonly [name: string]: Window<Drawn, AnyShape> };
    const forgets = ordered && maxLateness !== undefined ? { maxLateness } : {};
    return definePipeline('drawn', ordered ? kinesis<Drawn>() : sqs<Drawn>(), {
      key: ({ key }) => key,
      eventTime: ({ at }) => at,
      ...times,
      ...forgets,
      groups: 1,
      windows,
    });
  });

/** What a record is, but for how its source delivers it; a poisonous one has no key. */
interface Step {
  readonly key: string | null;
  /** Seconds on from the record before, of event time and of arrival. */
  readonly later: number;
  readonly silence: number;
  readonly value: number;
}

const steps = (maxLength: number): fc.Arbitrary<readonly Step[]> =>
  fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', null),
      later: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: -15, max: 25 }) },
        fc.integer({ min: -300, max: 400 }),
      ),
      silence: fc.oneof({ weight: 6, arbitrary: fc.nat(20) }, fc.nat(200)),
      value: fc.oneof(fc.constantFrom(0.1, -0, 1e16, -1e16), fc.double({ noNaN: true, min: -1e3, max: 1e3 })),
    }),
    { maxLength, size: 'max' },
  );

/** The records of a few keys, and of two lineages, in order. */
export const recordsOf = (pipeline: Pipeline, maxLength: number): fc.Arbitrary<readonly GroupRecord[]> =>
  steps(maxLength).map((drawn) => {
    let at = BEGINNING as number;
    let arrival = BEGINNING + 600 * SECOND;
    return drawn.map(({ key, later, silence, value }, index) => {
      at += later * SECOND;
      arrival += silence * SECOND;
      return groupRecord(
        pipeline,
        index,
        arrival,
        key === null ? null : { key, at, value, tag: `t${index}` },
      );
    });
  });

const KEYS = batchKeys();

/** The record of a group's that a source would give for a reading; null stands for one without a key. */
function groupRecord(
  { rules, source }: Pipeline,
  index: number,
  arrival: number,
  reading: Drawn | null,
): GroupRecord {
  const lineage = source.lineage.ordered ? `shard-${index % 2}` : 'queue';
  const position = unorderedPositionOf(String(index + 1));
  const sent = {
    lineage,
    position,
    arrival: arrival as EpochMillis,
    partitionKey: 'none',
    data: new Uint8Array(0),
  };
  const groupRecordOf = (content: GroupRecord['content']) =>
    new GroupRecord(source.lineage.ordered, sent, 0, 0, KEYS.of(reading?.key ?? 'none'), content);
  if (reading === null)
    return groupRecordOf({ outcome: 'poison', poison: { code: 'key', reason: 'no key' } });
  const values = rules.inputs.read(reading);
  const record = { at: reading.at as EpochMillis, arrival: arrival as EpochMillis, values };
  return groupRecordOf({ outcome: 'record', key: reading.key, record });
}

/** Cuts a list at random, into parts of which none is empty. */
export const cutsOf = <Item>(
  items: readonly Item[],
  maxLength: number,
): fc.Arbitrary<readonly (readonly Item[])[]> =>
  fc
    .array(fc.integer({ min: 1, max: maxLength }), { minLength: items.length, maxLength: items.length })
    .map((lengths) => {
      const parts: (readonly Item[])[] = [];
      for (let from = 0; from < items.length; ) {
        const to = from + (lengths[parts.length] ?? 1);
        parts.push(items.slice(from, to));
        from = to;
      }
      return parts;
    });

/** All that is kept of a group's records, in order, as data: without what only its log tells. */
export const keptOf = ({
  positions,
  inherited,
  keys,
  ids,
  counters,
}: Pick<Group, 'positions' | 'inherited' | 'keys' | 'ids' | 'counters'>) => ({
  positions: [...positions].sort(([a], [b]) => (a < b ? -1 : 1)),
  inherited: inherited.map((one) => ({ ...one, positions: [...one.positions] })),
  keys: [...keys].map(([key, { windows, ...times }]) => [
    key,
    times,
    windows.map((tables) => tables?.map(contents)),
  ]),
  ids: [...ids].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, table]) => [name, contents(table)]),
  counters,
});

const contents = (table: Table) => contentsOf(table);

/** All that is known of a group, as data. */
export const groupContents = (group: Group) => {
  const { ordinal, committedAt, version, sealed, base } = group;
  return { ordinal, committedAt, version, sealed, base, ...keptOf(group) };
};
