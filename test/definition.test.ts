import { describe, expect, it } from 'vitest';
import { millis } from '../src/core/time.ts';
import {
  bucket,
  count,
  type Duration,
  definePipeline,
  kinesis,
  rolling,
  sliding,
  table,
  tumbling,
} from '../src/index.ts';
import type { Options } from '../src/pipeline/pipeline.ts';
import { pipelineOf } from '../src/pipeline/pipeline-of.ts';
import type { PaneShape } from '../src/pipeline/windows.ts';

interface Reading {
  readonly machineId: string;
  readonly measuredAt: number;
}
type Given = Partial<Options<Reading, { readonly [name: string]: PaneShape }>>;

const minute = () => tumbling({ size: '1m' }, { records: count() });

/** A definition with nothing wrong but what a case puts into it. */
const define = (options: Given = {}, name = 'temperature') =>
  definePipeline(name, kinesis<Reading>(), {
    key: ({ machineId }) => machineId,
    eventTime: ({ measuredAt }) => measuredAt,
    windows: { minute: minute() },
    ...options,
  });

describe('a wrong definition throws when it is made', () => {
  it.each(['', 'Temperature', '1st', '-a', 'a_b', 'a b', 'a/b', 'é', 'a'.repeat(41)])(
    'a pipeline named "%s"',
    (name) => {
      expect(() => define({}, name)).toThrow(
        new RangeError(
          `Cannot name a pipeline "${name}" as names must be 1 to 40 lower-case letters, digits and hyphens, a letter first`,
        ),
      );
    },
  );

  it.each(['', '1st', '-a', '_a', 'a b', 'a/b', 'a.b', 'é', 'a'.repeat(41)])(
    'a window named "%s"',
    (name) => {
      expect(() => define({ windows: { fine: minute(), [name]: minute() } })).toThrow(
        new RangeError(
          `Cannot name a window "${name}" as names must be 1 to 40 letters, digits, hyphens and underscores, a letter first`,
        ),
      );
    },
  );

  it('no windows', () => {
    expect(() => define({ windows: {} })).toThrow(
      new RangeError('Cannot define "temperature" as it must have at least one window'),
    );
  });

  it.each([
    ['key', undefined, 'undefined'],
    ['key', 'machineId', 'string'],
    ['eventTime', 'measuredAt', 'string'],
    ['eventTime', null, 'object'],
  ] as const)('a step "%s" that is %o', (step, value, type) => {
    expect(() => define({ [step]: value })).toThrow(
      new TypeError(`Cannot define "temperature" as ${step} must be a function: it is ${type}`),
    );
  });

  it.each(['outOfOrderness', 'allowedLateness', 'idleAfter', 'maxFutureSkew', 'maxLateness'] as const)(
    'a wrong duration as %s',
    (name) => {
      expect(() => define({ [name]: '5 minutes' as Duration })).toThrow(
        new RangeError(
          'Cannot read "5 minutes" as a duration: it must be a whole number of milliseconds written like "500ms", "30s", "5m", "2h" or "1d"',
        ),
      );
    },
  );

  it.each([
    [
      { allowedLatness: '1m' },
      'Cannot define "wrong" with "allowedLatness" as the options are filter, key, ',
    ],
    [{ filter: 3 }, 'Cannot define "wrong" as filter must be a function: it is number'],
    [{ windows: undefined }, 'Cannot define "wrong" as it must have at least one window'],
    [{ windows: { w: { size: '1m' } } }, 'Cannot define window "w" as it must be made by rolling(), '],
    [
      {
        windows: {
          w: {
            operator: () => rolling<object, never>({ count: 1 }, { n: 5 } as never).operator({} as never),
          },
        },
      },
      'Cannot compute "n" as it must be an aggregate, such as count() or mean(\'field\'): it is number',
    ],
  ])('%j, from someone who did not ask the compiler', (wrong, message) => {
    const right = {
      key: () => 'k',
      eventTime: () => 0,
      windows: { n: rolling({ count: 1 }, { n: count() }) },
    };
    expect(() => definePipeline('wrong', kinesis(), { ...right, ...wrong } as never)).toThrow(message);
  });

  it.each([0, 3, 8_192, -4])('%d key groups', (groups) => {
    const define = () =>
      definePipeline('readings', kinesis<{ k: string }>(), {
        key: (one) => one.k,
        eventTime: () => 0,
        groups,
        windows: { n: rolling({ count: 1 }, { n: count() }) },
      });
    expect(define).toThrow(
      new RangeError(
        `Cannot keep ${groups} key groups as their number must be a power of two from 1 to 4,096`,
      ),
    );
  });

  it.each([0, -1, 1.5, 10_001, Number.NaN])('a rolling window of %d records', (size) => {
    expect(() => rolling({ count: size }, { records: count() })).toThrow(
      new RangeError(`Cannot roll over ${size} records as count must be a whole number from 1 to 10,000`),
    );
  });

  it.each([0, -1, 1.5, 1_025, Number.NaN])('a stream of %d shards', (shards) => {
    expect(() => kinesis({ shards })).toThrow(
      new RangeError(
        `Cannot read a stream of ${shards} shards as shards must be a whole number from 1 to 1,024`,
      ),
    );
  });

  it.each<{ options: { size: Duration; slide: Duration; offset?: Duration }; message: string }>([
    {
      options: { size: '5m', slide: '10m' },
      message: 'Cannot slide by "10m" as slide must be <= size: size is "5m"',
    },
    { options: { size: '5m', slide: '0s' }, message: 'Cannot slide by "0s" as slide must be > 0' },
    { options: { size: '0s', slide: '0s' }, message: 'Cannot slide by "0s" as slide must be > 0' },
    {
      options: { size: '1d', slide: '1s' },
      message: 'Cannot slide by "1s" as size must be <= 2,000 slides: size is "1d"',
    },
    {
      options: { size: '5m', slide: '1m', offset: '60s' },
      message: 'Cannot offset by "60s" as offset must be < slide: slide is "1m"',
    },
  ])('a sliding window: $message', ({ options, message }) => {
    expect(() => sliding(options, { records: count() })).toThrow(new RangeError(message));
  });

  it.each<{ options: { size: Duration; offset?: Duration }; message: string }>([
    {
      options: { size: '5m', offset: '5m' },
      message: 'Cannot offset by "5m" as offset must be < slide: slide is "5m"',
    },
    { options: { size: '0ms' }, message: 'Cannot slide by "0ms" as slide must be > 0' },
  ])('a tumbling window: $message', ({ options, message }) => {
    expect(() => tumbling(options, { records: count() })).toThrow(new RangeError(message));
  });
});

describe('what is just right', () => {
  it.each(['a', 'temperature-2', 'a'.repeat(40)])('a pipeline named "%s"', (name) => {
    expect(define({}, name).name).toBe(name);
  });

  it.each(['a', 'fiveMinutes', 'five-minutes_2', 'A'.repeat(40)])('a window named "%s"', (name) => {
    expect(define({ windows: { [name]: minute() } }).rules.windows[0]?.name).toBe(name);
  });

  it('the largest and the smallest of everything', () => {
    expect(() => [
      rolling({ count: 1 }, { records: count() }),
      rolling({ count: 10_000 }, { records: count() }),
      tumbling({ size: '1ms' }, { records: count() }),
      sliding({ size: '2000s', slide: '1s', offset: '999ms' }, { records: count() }),
      sliding({ size: '7m', slide: '2m' }, { records: count() }),
      kinesis({ shards: 1 }),
      kinesis({ shards: 1_024 }),
    ]).not.toThrow();
  });
});

describe('a definition', () => {
  it('has defaults', () => {
    const { source, sinks, filter, rules, maxFutureSkew } = define();
    expect([source.kind, source.shards, source.steps, sinks, filter]).toEqual([
      'kinesis',
      1,
      [],
      [],
      undefined,
    ]);
    expect(rules.time).toEqual({ outOfOrderness: 0, idleAfter: millis('1m'), maxLateness: undefined });
    expect(maxFutureSkew).toBe(millis('1h'));
    expect(kinesis<Reading>({ shards: 3 }).map((reading) => reading).shards).toBe(3);
  });

  it('keeps what it is told', () => {
    const { rules, maxFutureSkew } = define({
      outOfOrderness: '30s',
      idleAfter: '2m',
      maxLateness: '1d',
      maxFutureSkew: '5m',
    });
    expect(rules.time).toEqual({ outOfOrderness: 30_000, idleAfter: 120_000, maxLateness: 86_400_000 });
    expect(maxFutureSkew).toBe(300_000);
  });

  it('keeps its windows in the order that they were written', () => {
    const { rules } = define({ windows: { second: minute(), first: minute(), third: minute() } });
    expect(rules.windows.map(({ name }) => name)).toEqual(['second', 'first', 'third']);
  });

  it('is left as it is by .to, which may be called again', () => {
    const bare = define();
    const once = bare.to(table());
    const other = bare.to(bucket(), table());
    expect(bare.sinks).toEqual([]);
    expect(once.sinks).toEqual([{ kind: 'table' }]);
    expect(other.sinks).toEqual([{ kind: 'bucket' }, { kind: 'table' }]);
    expect({ ...once, sinks: [] }).toEqual({ ...bare, to: undefined });
  });

  it('reshapes without changing the source that it began from', () => {
    const source = kinesis<Reading>();
    const mapped = source.map(({ machineId }) => machineId).map((id) => id.length);
    expect(source.steps).toHaveLength(0);
    expect(mapped.steps).toHaveLength(2);
  });

  // Stored state is used only where the signature is unchanged: whatever changes what is stored must change it.
  it('signs each window with all that its state depends on', () => {
    const windows = {
      ten: rolling({ count: 10 }, { records: count() }),
      eleven: rolling({ count: 11 }, { records: count() }),
      minute: minute(),
      shifted: tumbling({ size: '1m', offset: '1s' }, { records: count() }),
      often: sliding({ size: '1m', slide: '30s' }, { records: count() }),
      renamed: tumbling({ size: '1m' }, { n: count() }),
      twice: tumbling({ size: '1m' }, { records: count(), n: count() }),
    };
    const signatures = define({ windows }).rules.windows.map(({ operator }) => operator.signature);
    expect(new Set(signatures).size).toBe(signatures.length);
    expect(define({ windows }).rules.windows.map(({ operator }) => operator.signature)).toEqual(signatures);
  });

  it('knows which windows need the order of the source', () => {
    const windows = { ten: rolling({ count: 10 }, { records: count() }), minute: minute() };
    expect(define({ windows }).rules.windows.map(({ operator }) => operator.ordered)).toEqual([true, false]);
  });
});

describe('the pipeline of a module', () => {
  const [one, two] = [define({}, 'one'), define({}, 'two').to(table())];
  const message = (count: string) =>
    `Cannot choose a pipeline as a module must export one, or one as default: it exports ${count}`;

  it('is the only one it exports, whatever else it exports', () => {
    expect(
      pipelineOf({ one, helper: () => 1, nothing: null, text: 'one', number: 1, like: { rules: {} } }),
    ).toBe(one);
  });

  it('is its default', () => {
    expect(pipelineOf({ one, default: two })).toBe(two);
    expect(pipelineOf({ one, two, default: one })).toBe(one);
  });

  it('is the one that it exports under two names', () => {
    expect(pipelineOf({ one, alias: one })).toBe(one);
  });

  it.each([
    { exported: {}, told: 'none' },
    { exported: { default: 'one', helper: {} }, told: 'none' },
    { exported: { one, two }, told: '2' },
  ])('cannot be chosen where it exports $told', ({ exported, told }) => {
    expect(() => pipelineOf(exported)).toThrow(new TypeError(message(told)));
  });
});
