import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import { flushing, powertoolsTelemetry } from '../../src/adapters/powertools/telemetry.ts';
import { type EpochMillis, millis } from '../../src/core/time.ts';
import { definePipeline, kinesis, notify, panesOf, rolling, sqs, tumbling } from '../../src/index.ts';
import { MEASURES, METRICS, type Measure, type Zeros, zerosOf } from '../../src/ports/telemetry.ts';

const NAME = 'p'.repeat(40);
const WINDOW = 'w'.repeat(40);

const options = {
  key: ({ id }: { id: string }) => id,
  eventTime: ({ at }: { at: number }) => at,
  windows: { [WINDOW]: tumbling({ size: '1m' }, {}) },
};
const stream = definePipeline(NAME, kinesis<{ id: string; at: number }>(), {
  ...options,
  windows: { ...options.windows, lastTen: rolling({ count: 10 }, {}) },
});
const queue = definePipeline('queue', sqs<{ id: string; at: number }>(), options);
const chained = definePipeline('chained', panesOf(stream, 'lastTen'), {
  key: ({ key }) => key,
  eventTime: ({ end }) => end,
  windows: { minute: tumbling({ size: '1m' }, {}) },
});

/** Returns the metrics that some files of the engine count. */
function countedIn(wing: string, isMeant: (file: string) => boolean = () => true): ReadonlySet<string> {
  const files = readdirSync(`src/engine/${wing}`).filter(isMeant);
  const text = files.map((file) => readFileSync(`src/engine/${wing}/${file}`, 'utf8')).join('\n');
  return new Set([...text.matchAll(/(?:\.count|\baccount)\('(\w+)'/g)].map(([, metric]) => metric as string));
}

const written: string[] = [];
const lines = () => written.flatMap((some) => some.trim().split('\n'));
const published = () => lines().map((line) => JSON.parse(line));

beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockImplementation((some) => written.push(String(some)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
  written.length = 0;
});

describe('zeros are published', () => {
  it('of whatever a function may count', () => {
    const intake = countedIn('intake', (file) => file !== 'sweep.ts');
    // The handler itself counts what it received, and every fault that is logged is counted.
    const counted = new Set([...intake, 'received', 'faults']);
    expect(new Set(zerosOf(stream).process.metrics)).toEqual(counted);
    expect(new Set(zerosOf(queue).process.metrics)).toEqual(
      new Set([...counted].filter((metric) => metric !== 'misaligned')),
    );
    const projected = countedIn('delivery', (file) => file === 'projector.ts');
    expect(new Set(zerosOf(stream).project.metrics)).toEqual(new Set([...projected, 'faults']));
    expect(zerosOf(chained).process.metrics).toEqual(expect.arrayContaining([...projected]));
    // What is left out of messages is counted by its reason.
    const delivered = [...countedIn('delivery'), 'tooLarge', 'unmade', 'faults'];
    const notified = stream.to(notify({ to: 'sns', limit: 10 }));
    expect(new Set(zerosOf(notified).project.metrics)).toEqual(new Set(delivered));
    const swept = countedIn('intake', (file) => file === 'sweep.ts');
    expect(new Set(zerosOf(stream).sweep.metrics)).toEqual(new Set([...swept, 'faults']));
  });

  it('and stand in the table of docs/operations.md', () => {
    const page = readFileSync('docs/operations.md', 'utf8');
    const [, section = ''] = /^## Metrics\n(.*?)^## /ms.exec(page) ?? [];
    const named = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, metric]) => metric);
    expect(new Set(named)).toEqual(
      new Set([...METRICS, ...Object.keys(MEASURES), 'lateForWindow', 'sinkLag', 'deliveryLatency']),
    );
  });

  it('of late records, for each window that may refuse one', () => {
    const { process, sweep, project } = zerosOf(stream);
    expect(process.windows).toEqual([WINDOW]);
    expect([...sweep.windows, ...project.windows]).toEqual([]);
  });

  it('the first time in a minute, however the invocation ends, beside what was counted', async () => {
    const clock = memoryClock(Date.UTC(2026, 0, 5, 12, 0, 59, 999) as EpochMillis);
    const zeros: Zeros = { metrics: ['poison', 'applied'], windows: ['minute', 'hour'] };
    const telemetry = powertoolsTelemetry('readings', clock, zeros);
    const handler = flushing(telemetry, async (fails: boolean) => {
      telemetry.count('applied', 3);
      telemetry.count('conflicts', 1);
      telemetry.countLate('hour', 2);
      if (fails) throw new Error('no');
    });
    for (const fails of [false, true]) {
      await handler(fails).catch(() => {});
      const [minute, hour, all, ...more] = published();
      expect(more).toEqual([]);
      expect(minute).toMatchObject({ pipeline: 'readings', window: 'minute', lateForWindow: 0 });
      expect(hour).toMatchObject({ window: 'hour', lateForWindow: 2 });
      expect(all).toMatchObject({ pipeline: 'readings', poison: 0, applied: 3, conflicts: 1 });
      written.length = 0;

      // In the rest of that minute, only what was counted.
      await flushing(telemetry, async () => {})();
      expect(written).toEqual([]);
      clock.pass(millis('1ms'));
      await flushing(telemetry, async () => {})();
      expect(published().map(({ window, lateForWindow }) => [window, lateForWindow])).toEqual([
        ['minute', 0],
        ['hour', 0],
        [undefined, undefined],
      ]);
      expect(published().at(-1)).toMatchObject({ poison: 0, applied: 0 });
      expect(published().at(-1)).not.toHaveProperty('conflicts');
      clock.pass(millis('119999ms'));
      written.length = 0;
    }
  });

  it('in lines that are bounded, whatever the names', () => {
    const { process, sweep } = zerosOf(stream);
    const { project } = zerosOf(stream.to(notify({ to: 'sns' })));
    const bytes = (zeros: Zeros, measures: readonly Measure[] = []) => {
      written.length = 0;
      const telemetry = powertoolsTelemetry(NAME, memoryClock(0 as EpochMillis), zeros);
      for (const measure of measures) telemetry.measure(measure, 987_654_321);
      telemetry.flush();
      return lines().map((line) => Buffer.byteLength(line));
    };
    for (const [size, most] of [
      [bytes(process), [350, 1_200]],
      [bytes(project), [650]],
      [bytes(sweep, Object.keys(MEASURES) as Measure[]), [700]],
    ] as const) {
      expect(size).toHaveLength(most.length);
      for (const [at, length] of size.entries()) expect(length).toBeLessThanOrEqual(most[at] as number);
    }
  });
});

describe('how long deliveries took is published', () => {
  it.each([1, 99, 100, 101, 5_000])('by sink in one line of at most 100 values, of %i', (count) => {
    const telemetry = powertoolsTelemetry(NAME, memoryClock(0 as EpochMillis));
    for (let took = 1; took <= count; took++)
      telemetry.countDelivery('table', 0 as EpochMillis, (10 * took) as EpochMillis);
    telemetry.countDelivery('bucket', 500 as EpochMillis, 0 as EpochMillis);
    telemetry.flush();
    telemetry.flush();
    const [table, bucket, ...more] = published();
    expect(more).toEqual([]);
    expect(Buffer.byteLength(lines()[0] as string)).toBeLessThanOrEqual(1_500);
    expect(table._aws.CloudWatchMetrics).toMatchObject([
      { Dimensions: [['pipeline', 'sink']], Metrics: [{ Name: 'deliveryLatency', Unit: 'Milliseconds' }] },
    ]);
    expect(bucket).toMatchObject({ pipeline: NAME, sink: 'bucket', deliveryLatency: 0 });
    const values: number[] = [table.deliveryLatency].flat();
    expect(values).toHaveLength(Math.min(100, count));
    for (const [q, most] of [
      [0.5, 0.03],
      [1, 0.011],
    ] as const) {
      const value = values[Math.ceil(q * values.length) - 1] as number;
      expect(Math.abs(value - 10 * Math.ceil(q * count))).toBeLessThanOrEqual(most * 10 * count);
    }
  });
});
