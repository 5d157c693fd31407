import { describe, expect, it } from 'vitest';
import { type Position, positionOf, subPlaceOf, unorderedPositionOf } from '../../../src/core/position.ts';
import { decodeLedger } from '../../../src/engine/format/entry.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import { decodeRecord } from '../../../src/engine/intake/decode.ts';
import { readRefused } from '../../../src/engine/intake/poison.ts';
import { processHandler } from '../../../src/handlers.ts';
import { count, definePipeline, kafka, kinesis, type Pipeline, sqs, tumbling } from '../../../src/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { SHAPES } from '../../../src/simulation/shapes.ts';
import { tryPipeline } from '../../../src/testing.ts';
import { groupLog, POISON_PREFIX } from '../../../src/wiring/names.ts';
import { at, type Reading, Scene } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

/** Machines of three key groups of sixteen. */
const PUMP = 'pump';
const OVEN = 'oven';
const DRILL = 'drill';

/** Readings that a device sends at once. */
interface Report {
  readonly of: readonly Reading[];
}

const SOURCES = {
  kinesis: kinesis<Report>().expand(({ of }) => of),
  sqs: sqs<Report>().expand(({ of }) => of),
  fifo: sqs<Report>({ fifo: true }).expand(({ of }) => of),
  kafka: kafka<Report>({ topic: 'readings' }).expand(({ of }) => of),
};
type Kind = keyof typeof SOURCES;
const KINDS = Object.keys(SOURCES) as Kind[];

const pipelineOf = (source: Pipeline['source']): Pipeline =>
  definePipeline('readings', source as typeof SOURCES.kinesis, {
    filter: ({ note }) => note !== 'test',
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    groups: 16,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  }) as Pipeline;

const reading = (machine: string, seconds: number, more: object = {}) => ({
  machine,
  at: at(0, seconds),
  celsius: 20,
  ...more,
});

/** One stream's, queue's or topic's records, at positions from 5 on. */
function recordsOf(kind: Kind, reports: readonly unknown[]): readonly SourceRecord[] {
  const lineage = {
    kinesis: 'readings/shardId-000000000000',
    sqs: 'readings',
    fifo: 'readings.fifo/g',
    kafka: 'readings/0',
  };
  return reports.map((report, n) => ({
    lineage: lineage[kind],
    position: kind === 'sqs' ? unorderedPositionOf(`id-${5 + n}`) : positionOf(String(5 + n)),
    arrival: at(1, n),
    partitionKey: kind === 'fifo' ? 'g' : PUMP,
    data: Buffer.from(typeof report === 'string' ? report : JSON.stringify({ of: report })),
  }));
}

/** A scene in which nothing can be appended to the logs of some machines' groups. */
function begin(kind: Kind, stuck: readonly string[] = []) {
  const scene = new Scene(pipelineOf(SOURCES[kind]));
  const refused = new Set(stuck.map((machine) => groupLog('readings', 1, groupOf(hashOf(machine), 16))));
  const ports = scene.refusing((call, name) => call === 'log.append' && refused.has(name));
  const take = (records: readonly SourceRecord[], through = scene.ports) =>
    processHandler(through, scene.pipeline)(SHAPES[kind].eventOf(records) as never, INVOCATION);
  return {
    scene,
    take,
    stuck: (records: readonly SourceRecord[]) => take(records, ports as typeof scene.ports),
  };
}

const countersOf = (scene: Scene, machine: string) => scene.groupOf(machine).counters.applied;

it('puts machines into groups of their own', () => {
  expect(new Set([PUMP, OVEN, DRILL].map((machine) => groupOf(hashOf(machine), 16))).size).toBe(3);
});

describe.each(KINDS)('a record of %s that is expanded', (kind) => {
  it('is taken in child by child, each by its own key and event time', async () => {
    const { scene, take } = begin(kind);
    const records = recordsOf(kind, [
      [reading(PUMP, 1), reading(OVEN, 2), reading(PUMP, 3)],
      [reading(OVEN, 70)],
    ]);
    expect(await take(records)).toEqual({ batchItemFailures: [] });
    expect([PUMP, OVEN].map((machine) => countersOf(scene, machine))).toEqual([2, 2]);
    expect(scene.groupOf(OVEN).keys.get(OVEN)?.maxEventTime).toBe(at(0, 70));
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 2, applied: 4, duplicate: 0 });
  });

  it('comes again as a whole where a group of one of its children stopped, and only that child is then taken in', async () => {
    const { scene, take, stuck } = begin(kind, [OVEN]);
    const records = recordsOf(kind, [
      [reading(PUMP, 1)],
      [reading(PUMP, 2), reading(OVEN, 3), reading(DRILL, 4), reading(PUMP, 5)],
    ]);
    const identifier = SHAPES[kind].identifierOf(records[1] as SourceRecord);
    const answer = kind === 'fifo' ? 'g-6' : identifier;
    const { batchItemFailures } = await stuck(records);
    expect(batchItemFailures).toHaveLength(1);
    if (kind !== 'fifo') expect(batchItemFailures).toEqual([{ itemIdentifier: answer }]);
    expect([PUMP, OVEN, DRILL].map((machine) => scene.entriesOf(machine).length)).toEqual([1, 0, 1]);
    expect(await take(records.slice(1))).toEqual({ batchItemFailures: [] });
    expect([PUMP, OVEN, DRILL].map((machine) => countersOf(scene, machine))).toEqual([3, 1, 1]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 5, duplicate: 3 });
  });

  it('that comes again, or twice in a batch, adds nothing', async () => {
    const { scene, take } = begin(kind);
    const records = recordsOf(kind, [
      [reading(PUMP, 1), reading(PUMP, 1)],
      [reading(PUMP, 2), reading(OVEN, 2)],
    ]);
    await take([...records, ...(kind === 'sqs' ? records : [])]);
    await take(records);
    expect([PUMP, OVEN].map((machine) => countersOf(scene, machine))).toEqual([3, 1]);
  });

  it('into none counts as filtered, and each of its children is filtered by itself', async () => {
    const { scene, take } = begin(kind);
    const records = recordsOf(kind, [[], [reading(PUMP, 1, { note: 'test' }), reading(PUMP, 2)]]);
    expect(await take(records)).toEqual({ batchItemFailures: [] });
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 2, applied: 1, filtered: 2 });
  });

  it('whose children are refused is kept once, with which children were', async () => {
    const { scene, take } = begin(kind);
    const future = { at: at(1e6) };
    const report = [reading(PUMP, 1), reading(PUMP, 2, future), reading(PUMP, 3), reading(PUMP, 4, future)];
    const [record] = recordsOf(kind, [report]) as [SourceRecord];
    await take([record]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, poison: 2 });
    expect(countersOf(scene, PUMP)).toBe(2);
    const [kept] = [...scene.ports.objects.stored].filter(([name]) => name.startsWith(POISON_PREFIX));
    const body = kept?.[1].body as Uint8Array;
    const data = Buffer.from(record.data).toString('base64');
    expect(Buffer.from(body).toString().split(data)).toHaveLength(2);
    expect(readRefused(body)).toEqual(
      [1, 3].map((child) =>
        expect.objectContaining({ position: record.position, member: 0, child, code: 'future', data }),
      ),
    );
    // By the time that it is refused a child may have no key: it is counted in the group of its record's partition key.
    const groupKey = kind === 'sqs' ? record.position : record.partitionKey;
    const listed = scene.entriesOf(groupKey).flatMap((entry) => decodeLedger(entry).poison);
    expect(listed.map(({ position }) => subPlaceOf(position))).toEqual(
      [1, 3].map((child) => ({ position: record.position, member: 0, child })),
    );
  });

  it('is poison where what expands it throws', async () => {
    const { scene, take } = begin(kind);
    await take(recordsOf(kind, ['{"of": null}', '{}', 'null', [reading(PUMP, 1)]]));
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 1, poison: 3 });
    expect(new Set(scene.refused().map(({ code }) => code))).toEqual(new Set(['expand']));
  });
});

describe('the position of a record', () => {
  const million = 1_000_000n;

  it('is its source’s × 10^12 + its member × 10^6 + its child in the logs, and its source’s alone in what is noted', async () => {
    const { scene, take } = begin('kinesis');
    const records = recordsOf('kinesis', [
      [reading(PUMP, 1)],
      [reading(OVEN, 1), reading(PUMP, 2), reading(PUMP, 3)],
    ]);
    await take(records);
    const lineage = 'readings/shardId-000000000000';
    expect(scene.groupOf(PUMP).positions.get(lineage)?.position).toBe(String(6n * million * million + 2n));
    expect(scene.groupOf(OVEN).positions.get(lineage)?.position).toBe(String(6n * million * million));
    expect(await scene.ports.progress.read(lineage)).toBe('6');
  });

  it('is as wide where the source is not expanded', async () => {
    const scene = new Scene(pipelineOf(kinesis<Reading>()));
    const record = scene.put(PUMP, at(0, 1));
    await scene.process([record]);
    expect(scene.groupOf(PUMP).positions.get(record.lineage)?.position).toBe('1000000000000');
  });
});

describe('what expands records', () => {
  const outcomeOf = (expand: (record: never) => unknown) => {
    const source = {
      position: '1' as Position,
      lineage: 's',
      arrival: at(1),
      partitionKey: '',
      data: Buffer.from('{}'),
    };
    return decodeRecord(pipelineOf(kinesis().expand(expand as never)), source);
  };
  const poison = (reason: string) => ({ outcome: 'poison', poison: { code: 'expand', reason } });

  it.each([
    ['no list', () => 'many', 'it answers with string, not with a list of records'],
    ['null', () => null, 'it answers with null, not with a list of records'],
    ['a set', () => new Set([1]), 'it answers with object, not with a list of records'],
    ['a promise', async () => [], 'it answers with a promise, for which nobody waits'],
    ['too many', () => new Array(1_000_001), 'a record must have at most 1000000 children: it has 1000001'],
  ])('that answers with %s makes its record poison', (_, expand, reason) => {
    expect(outcomeOf(expand)).toEqual(poison(reason));
  });

  it('may do so again, and maps and filters what comes of it; too many children of children are poison, too', () => {
    const source = kinesis<{ of: number[][] }>()
      .expand(({ of }) => of)
      .expand((numbers) => numbers)
      .map((n) => reading(PUMP, n, n === 2 ? { note: 'test' } : {}) as Reading);
    const {
      applied,
      filtered,
      poison: refused,
    } = tryPipeline(pipelineOf(source), [{ of: [[1, 2], [], [3, 'x']] }, { of: [[4], null, [5]] }]);
    expect({ applied, filtered }).toEqual({ applied: 4, filtered: 1 });
    expect(refused.map(({ at, child, code }) => ({ at, child, code }))).toEqual([
      { at: 0, child: 3, code: 'event-time' },
      { at: 1, child: 1, code: 'expand' },
    ]);
    const thousand = new Array(1_001).fill(0);
    const squared = kinesis()
      .expand(() => thousand)
      .expand(() => thousand)
      .map(() => reading(PUMP, 1, { note: 'test' }) as Reading);
    const record = {
      position: '1' as Position,
      lineage: 's',
      arrival: at(1),
      partitionKey: '',
      data: Buffer.from('{}'),
    };
    expect(decodeRecord(pipelineOf(squared), record)).toEqual(
      poison('a record must have at most 1000000 children: it has 1000001'),
    );
  });
});
