import { describe, expect, it } from 'vitest';
import { Inputs } from '../../src/core/select.ts';
import type { Millis } from '../../src/core/time.ts';
import * as millrace from '../../src/index.ts';
import { lambdaHandler, projectHandler } from '../../src/lambda.ts';
import type { Window } from '../../src/pipeline/windows.ts';
import type { DeliveryMapping, SimulateOptions, TryOptions } from '../../src/testing.ts';
import { readPages } from './pages.ts';

type Given = { readonly [option: string]: unknown };

const PAGE = readPages().get('docs/options.md') ?? '';

/** The rows of the tables under a heading, up to the next heading. */
function rowsUnder(heading: string, page = PAGE): string[][] {
  const [, section = ''] = page.split(new RegExp(`^#+ ${heading}$`, 'm'));
  const [text = ''] = section.split(/^#/m);
  const lines = text.split('\n').filter((line) => /^\| (all|`)/.test(line));
  return lines.map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
}

const namesIn = (cell = ''): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);

/** The default that a cell writes as code; none where it says it in words. */
const defaultIn = (cell = ''): unknown =>
  /^`.*`$/.test(cell) ? JSON.parse(cell.slice(1, -1).replaceAll("'", '"')) : undefined;

/** The options that a function knows, as it says itself of one that it does not know. */
function optionsOf(make: (options: Given) => unknown): string[] {
  try {
    make({ 'no such': 1 });
  } catch (error) {
    const [, known = ''] = /as (?:the only option is|the options are) (.*)$/.exec(String(error)) ?? [];
    return known.split(', ').toSorted();
  }
  throw new Error('Whatever takes options must refuse those that it does not know');
}

const count = { n: millrace.count() };
const signatureOf = (window: Window<never>): string =>
  window.operator({ allowedLateness: 0 as Millis, inputs: new Inputs(), window: 0 }).signature;

/** All that a definition holds, but for its functions. */
const pipelineOf = (options: Given) => {
  const pipeline = millrace.definePipeline('example', millrace.kinesis({ id: () => 'id' }), {
    key: () => 'key',
    eventTime: () => 0,
    windows: { minute: millrace.tumbling({ size: '1m' }, count) },
    ...options,
  });
  const { rules, version, groups, maxFutureSkew, maxPast, idWithin } = pipeline;
  const signatures = rules.windows.map(({ operator }) => operator.signature);
  return JSON.stringify({ time: rules.time, signatures, version, groups, maxFutureSkew, maxPast, idWithin });
};

const windowWith =
  (make: (options: never, of: typeof count) => Window<never>, required: Given) => (options: Given) =>
    signatureOf(make({ ...required, ...options } as never, count));

const written =
  (make: (options: never) => unknown, required: Given = {}) =>
  (options: Given) =>
    JSON.stringify(make({ ...required, ...options } as never));

const FIRST = millrace.definePipeline('first', millrace.kinesis(), {
  key: () => 'key',
  eventTime: () => 0,
  windows: { minute: millrace.tumbling({ size: '1m' }, count) },
});

/** What takes options: how it is made, to be compared by text. */
const MAKERS: { readonly [heading: string]: (options: Given) => string } = {
  definePipeline: pipelineOf,
  kinesis: written(millrace.kinesis),
  sqs: written(millrace.sqs),
  kafka: written(millrace.kafka, { topic: 'readings' }),
  rabbitmq: written(millrace.rabbitmq, { queue: 'readings' }),
  dynamodbStream: written(millrace.dynamodbStream, { table: 'orders' }),
  panesOf: (options) => {
    const { revisions, begin } = millrace.panesOf(FIRST, undefined, options as object);
    return JSON.stringify({ revisions, begin });
  },
  bucket: written(millrace.bucket),
  notify: written(millrace.notify, { to: 'sns' }),
  stream: written(millrace.stream, { to: 'kinesis' }),
  push: written(millrace.push),
  sink: written(millrace.sink, { name: 'own', deliver: () => {} }),
  rolling: windowWith(millrace.rolling, { count: 2 }),
  batches: windowWith(millrace.batches, { count: 2 }),
  tumbling: windowWith(millrace.tumbling, { size: 'week' }),
  cumulate: windowWith(millrace.cumulate, { size: 'week', step: '1d' }),
  sliding: windowWith(millrace.sliding, { size: '2m', slide: '1m' }),
  trailing: windowWith(millrace.trailing, { size: '1m' }),
  session: windowWith(millrace.session, { gap: '1m' }),
  running: windowWith(millrace.running, {}),
};

/** The same functions, whatever they are given. */
const loose = millrace as unknown as {
  readonly [Name in keyof typeof millrace]: (...given: readonly unknown[]) => { readonly signature: string };
};

const AGGREGATES = {
  sum: (options: Given) => loose.sum('x', options),
  mean: (options: Given) => loose.mean('x', options),
  min: (options: Given) => loose.min('x', options),
  max: (options: Given) => loose.max('x', options),
  range: (options: Given) => loose.range('x', options),
  variance: (options: Given) => loose.variance('x', options),
  stddev: (options: Given) => loose.stddev('x', options),
  covariance: (options: Given) => loose.covariance('x', 'y', options),
  correlation: (options: Given) => loose.correlation('x', 'y', options),
  weightedMean: (options: Given) => loose.weightedMean('x', 'w', options),
  slope: (options: Given) => loose.slope('x', options),
  forecast: (options: Given) => loose.forecast('x', { ahead: '1m', ...options }),
  ewma: (options: Given) => loose.ewma('x', { halfLife: '1m', ...options }),
  derivative: (options: Given) => loose.derivative('x', options),
  integral: (options: Given) => loose.integral('x', options),
  timeWeightedMean: (options: Given) => loose.timeWeightedMean('x', options),
  rate: (options: Given) => loose.rate('x', options),
  quantile: (options: Given) => loose.quantile('x', 0.5, options),
  distinct: (options: Given) => loose.distinct('x', options),
  topK: (options: Given) => loose.topK('x', 3, options),
  countBy: (options: Given) => loose.countBy('x', options),
  first: (options: Given) => loose.first('x', options),
  last: (options: Given) => loose.last('x', options),
  minBy: (options: Given) => loose.minBy('x', 'y', options),
  maxBy: (options: Given) => loose.maxBy('x', 'y', options),
  collect: (options: Given) => loose.collect('x', options),
  anomaly: (options: Given) => loose.anomaly('x', options),
  ewmaBand: (options: Given) => loose.ewmaBand('x', { halfLife: '1m', ...options }),
};

describe('docs/options.md', () => {
  it.each(Object.entries({ lambdaHandler, projectHandler }))('names all options of %s', (heading, make) => {
    const named = rowsUnder(heading).flatMap(([option]) => namesIn(option));
    expect(named.toSorted()).toEqual(optionsOf((options) => make(FIRST, options)));
  });

  it('has everything that a definition is made of', () => {
    const decoders = ['json', 'jsonLines', 'jsonTexts', 'cloudWatchLogs', 'gzip', 'base64'];
    const others = ['SelectError', 'count', 'derive', 'defineAggregate', 'table', ...decoders];
    const named = [...Object.keys(MAKERS), ...Object.keys(AGGREGATES), ...others];
    expect(named.toSorted()).toEqual(Object.keys(millrace).toSorted());
  });

  it.each(Object.entries(MAKERS))('names all options of %s, with their defaults', (heading, make) => {
    const rows = rowsUnder(heading);
    expect(rows.flatMap(([option]) => namesIn(option)).toSorted()).toEqual(optionsOf(make));
    for (const [option = '', cell] of rows) {
      const [name = ''] = namesIn(option);
      const value = defaultIn(cell);
      if (value !== undefined) expect(make({ [name]: value }), name).toBe(make({}));
    }
  });

  it.each(Object.entries(AGGREGATES))('names all options of %s, with their defaults', (name, make) => {
    const rows = rowsUnder('Aggregates').filter(([of = '']) => of === 'all' || namesIn(of).includes(name));
    expect(rows.flatMap(([, option]) => namesIn(option)).toSorted()).toEqual(optionsOf(make));
    for (const [, option, cell] of rows) {
      const [named = ''] = namesIn(option);
      const value = defaultIn(cell);
      if (value !== undefined) expect(make({ [named]: value }).signature, named).toBe(make({}).signature);
    }
  });

  it('names all options of tests', () => {
    const tried: { readonly [Option in keyof TryOptions]-?: true } = { arrivals: true, close: true };
    const simulated: { readonly [Option in keyof SimulateOptions]-?: true } = {
      arrivals: true,
      seeds: true,
      first: true,
    };
    const delivered: { readonly [Option in keyof DeliveryMapping]-?: true } = {
      source: true,
      batchSize: true,
      batchingWindow: true,
      reportBatchItemFailures: true,
      filters: true,
      partitionKey: true,
      arrival: true,
      bisect: true,
      retries: true,
      maxAge: true,
      visibilityTimeout: true,
      maxReceives: true,
    };
    const optionsUnder = (heading: string) => rowsUnder(heading).flatMap(([option]) => namesIn(option));
    expect(optionsUnder('tryPipeline')).toEqual(Object.keys(tried));
    expect(optionsUnder('simulate')).toEqual(Object.keys(simulated));
    expect(optionsUnder('deliver')).toEqual(Object.keys(delivered));
  });
});
