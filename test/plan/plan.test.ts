import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bucket,
  count,
  definePipeline,
  kinesis,
  mean,
  notify,
  table,
  topK,
  tumbling,
} from '../../src/index.ts';
import { loadOf } from '../../src/plan/load.ts';
import { planOf, priced, total } from '../../src/plan/plan.ts';
import { LIST, pricesOf } from '../../src/plan/prices.ts';
import { COST_PAGE, costOf, costsIn, EXAMPLES } from './examples-cost.ts';

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
}

const readings = definePipeline('readings', kinesis<Reading>({ shards: 2, retention: '1d' }), {
  key: ({ machine }) => machine,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { n: count(), celsius: mean('celsius') }) },
}).to(table(), bucket());

describe('a plan', () => {
  it('is the same for the same definition, load and prices', () => {
    expect(planOf(readings)).toEqual(planOf(readings));
  });

  it('bills shards by the hour, whether or not records come', () => {
    const { bill } = priced(readings);
    const idle = bill.idle.filter(({ service }) => service === 'source');
    expect(total(idle)).toBeCloseTo(2 * 730 * 0.015);
    expect(bill.load).toContainEqual(expect.objectContaining({ price: 'kinesisShardHour', units: 1_460 }));
  });

  it('adds up what its lines say', () => {
    const { bill, dollars } = priced(readings);
    expect(dollars.load).toBeCloseTo(bill.load.reduce((sum, line) => sum + line.dollars, 0));
    const month = 730 * 3_600 * 10;
    expect((dollars.perMillion * month) / 1e6).toBeCloseTo(dollars.load - dollars.idle);
  });

  it('goes by the prices that it is given', () => {
    const free = Object.fromEntries(Object.keys(LIST.prices).map((name) => [name, 0]));
    const { dollars } = priced(readings, { prices: pricesOf({ asOf: '2027-01-31', prices: free }) });
    expect(dollars).toEqual({ idle: 0, load: 0, perMillion: 0 });
  });

  it('finds fewer write units a record where more records come in a batch', () => {
    const unitsOf = (recordsPerSecond: number) =>
      priced(readings, { load: { recordsPerSecond, keys: 100 } }).counts.load.writeUnits / recordsPerSecond;
    expect(unitsOf(100)).toBeLessThan(unitsOf(10) / 2);
  });

  it('says by how much a load exceeds what shards take', () => {
    const { limits } = planOf(readings, { load: { recordsPerSecond: 5_000, keys: 50 } });
    expect(limits).toContainEqual(
      expect.objectContaining({ name: 'records a shard', uses: 2_500, most: 1_000 }),
    );
  });

  it("says how much of an environment's memory its groups take", () => {
    const usesOf = (keys: number) =>
      planOf(readings, { load: { keys } }).limits.find(({ name }) => name === 'groups in memory')?.uses ?? 0;
    const share = usesOf(10_000) / usesOf(1_000);
    expect(share).toBeGreaterThan(7);
    expect(share).toBeLessThan(13);
  });

  it('finds records of new keys dearer than those of keys that are there', () => {
    const { dollars, hostile } = planOf(readings, { load: { keys: 10 } });
    const [newKeys] = hostile;
    expect(newKeys?.perMillion).toBeGreaterThan(2 * dollars.perMillion);
  });

  it('goes by real records where it is given some', () => {
    const byUser = definePipeline('by-user', kinesis<Reading & { note: string }>(), {
      key: ({ machine }) => machine,
      eventTime: ({ at }) => at,
      windows: { hour: tumbling({ size: '1h' }, { most: topK('note', 10) }) },
    });
    const values = Array.from({ length: 100 }, (_, n) => [`note ${n} ${'x'.repeat(200)}`]);
    const bytesOf = (real?: typeof values) => planOf(byUser, real ? { values: real } : {}).group.weight;
    expect(bytesOf(values)).toBeGreaterThan(3 * bytesOf());
  });

  it('bills the messages of a sink, and the alarms, dashboards, key and endpoints that it is told of', () => {
    const telling = definePipeline('telling', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: ({ at }) => at,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    }).to(notify({ to: 'eventbridge' }));
    const { bill } = priced(telling, { load: { alarms: 20, dashboards: 1, ownKey: true, endpointZones: 2 } });
    expect(bill.load.map(({ price }) => price)).toEqual(
      expect.arrayContaining(['eventbridgeEvent', 'cloudwatchAlarm', 'cloudwatchDashboard', 'kmsKey']),
    );
    const silent = { ...telling, sinks: [notify({ to: 'sns', when: () => false })] };
    expect(priced(silent).counts.load.messages.get('notify')).toEqual({ requests: 0, messages: 0, bytes: 0 });
    // Those of Kinesis and EventBridge, in two zones.
    expect(bill.idle.find(({ price }) => price === 'endpointHour')?.dollars).toBeCloseTo(4 * 7.3);
  });

  it('says that a function of the definition does not take made-up values', () => {
    const picky = definePipeline('picky', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: ({ at }) => at,
      windows: {
        minute: tumbling({ size: '1m' }, { most: topK(({ machine }) => machine, 3), n: count() }),
      },
    });
    expect(planOf(picky).doubts).toContainEqual(expect.stringContaining('made up'));
  });
});

describe('a load', () => {
  it.each([
    [{ keys: 0 }, 'Cannot plan for keys 0 as it must be a whole number from 1 to 100,000,000'],
    [{ recordsPerSecond: 0 }, 'Cannot plan for recordsPerSecond 0 as it must be a number from 0.001'],
    [{ bytes: 2_000_000 }, 'Cannot plan for bytes 2000000 as it must be a whole number from 1 to 1,048,576'],
    [{ batchingWindow: '6m' }, 'Cannot plan for a batchingWindow of "6m" as Lambda gathers for at most 5m'],
    [{ records: 1 }, 'Cannot plan a pipeline with "records" as the options are'],
  ])('refuses %j', (options, why) => {
    expect(() => loadOf(options as never)).toThrow(why);
  });
});

describe('docs/cost.md', () => {
  it('has of every example what its plan says', () => {
    const written = costsIn(readFileSync(COST_PAGE, 'utf8'));
    expect(written.map(({ pipeline }) => pipeline)).toEqual(EXAMPLES.map(([, { name }]) => name));
    for (const [at, [, pipeline]] of EXAMPLES.entries()) {
      // Another zlib may deflate a little better or worse.
      for (const [column, dollars] of costOf(pipeline).dollars.entries()) {
        const page = written[at]?.dollars[column] as number;
        expect(Math.abs(page - dollars), `${pipeline.name}, column ${column}`).toBeLessThan(
          0.006 + 0.03 * dollars,
        );
      }
    }
  }, 240_000);
});
