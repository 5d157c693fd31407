/**
 * What must and must not compile, as `tsc` sees it: this file is compiled, never run. What a user is told of the lines
 * that must not is in `definition-errors.test.ts`.
 */
import * as v from 'valibot';
import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import {
  type Aggregate,
  anomaly,
  batches,
  bucket,
  collect,
  correlation,
  count,
  countBy,
  covariance,
  cumulate,
  type Duration,
  defineAggregate,
  definePipeline,
  derivative,
  derive,
  distinct,
  dynamodbStream,
  ewma,
  ewmaBand,
  first,
  forecast,
  integral,
  kafka,
  kinesis,
  last,
  max,
  maxBy,
  mean,
  min,
  minBy,
  notify,
  type Pane,
  type Pipeline,
  panesOf,
  push,
  quantile,
  range,
  rate,
  rolling,
  running,
  session,
  sink,
  sliding,
  slope,
  sqs,
  stddev,
  stream,
  sum,
  table,
  timeWeightedMean,
  topK,
  trailing,
  tumbling,
  variance,
  weightedMean,
} from '../../src/index.ts';
import type { TableSink } from '../../src/pipeline/sinks.ts';
import type { Window } from '../../src/pipeline/windows.ts';

interface Reading {
  readonly machineId: string;
  readonly celsius: number;
  readonly measuredAt: number;
  readonly unit: 'C' | 'F';
  readonly place: { readonly floor: number };
  readonly note?: string;
}
/** Whether each may stand for the other. */
type Alike<A, B> = [A, B] extends [B, A] ? true : false;
type PaneOf<P> = P extends Pipeline<infer Panes> ? Panes : never;

/** Of an aggregate: all but what it selects. */
const sumOfNumbers = {
  name: 'sum',
  identity: 0,
  lift: (value: number) => value,
  combine: (earlier: number, later: number) => earlier + later,
  lower: (total: number) => total,
};
const setOfTexts = {
  name: 'set',
  identity: new Set<string>(),
  lift: (value: string) => new Set([value]),
  combine: (earlier: Set<string>) => earlier,
  lower: (texts: Set<string>) => texts.size,
};

const steps = {
  key: (reading: Reading) => reading.machineId,
  eventTime: (reading: Reading) => reading.measuredAt,
};

const temperature = definePipeline('temperature', kinesis<Reading>({ shards: 2 }), {
  filter: (reading) => reading.celsius > -273,
  key: (reading) => reading.machineId,
  eventTime: (reading) => reading.measuredAt,
  outOfOrderness: '30s',
  allowedLateness: '5m',
  idleAfter: '1.5m',
  windows: {
    lastTen: rolling({ count: 10 }, { mean: mean('celsius') }),
    fiveMinutes: sliding(
      { size: '5m', slide: '1m' },
      {
        records: count(),
        total: sum('celsius'),
        fahrenheit: mean((reading) => reading.celsius * 1.8 + 32),
        least: min('celsius'),
        most: max('celsius'),
        span: range('celsius'),
        unit: last('unit'),
        place: first('place'),
        floor: first((reading) => reading.place.floor),
        ids: collect((reading) => reading.machineId, { limit: 5 }),
        units: collect('unit'),
      },
    ),
    hourly: tumbling({ size: '1h', offset: '15m' }, { records: count() }),
  },
}).to(table(), bucket());

type TemperaturePane = PaneOf<typeof temperature>;

// A pane is told apart by its window: name, kind and results.
expectTypeOf<TemperaturePane['window']>().toEqualTypeOf<'lastTen' | 'fiveMinutes' | 'hourly'>();
type Five = Extract<TemperaturePane, { window: 'fiveMinutes' }>;
expectTypeOf<Five['kind']>().toEqualTypeOf<'final' | 'late'>();
expectTypeOf<Five['results']['records']>().toEqualTypeOf<number>();
expectTypeOf<Five['results']['total']>().toEqualTypeOf<number>();
expectTypeOf<Five['results']['fahrenheit']>().toEqualTypeOf<number>();
expectTypeOf<Five['results']['least']>().toEqualTypeOf<number>();
expectTypeOf<Five['results']['most']>().toEqualTypeOf<number>();
expectTypeOf<Five['results']['span']>().toEqualTypeOf<number>();
expectTypeOf<Five['results']['unit']>().toExtend<'C' | 'F'>();
expectTypeOf<Five['results']['place']>().toExtend<{ readonly floor: number }>();
expectTypeOf<Five['results']['floor']>().toExtend<number>();
expectTypeOf<Five['results']['ids']>().toExtend<readonly string[]>();
expectTypeOf<Five['results']['units']>().toExtend<readonly ('C' | 'F')[]>();
expectTypeOf<keyof Five['results']>().toEqualTypeOf<
  | 'records'
  | 'total'
  | 'fahrenheit'
  | 'least'
  | 'most'
  | 'span'
  | 'unit'
  | 'place'
  | 'floor'
  | 'ids'
  | 'units'
>();
type Ten = Extract<TemperaturePane, { window: 'lastTen' }>;
expectTypeOf<Ten['kind']>().toEqualTypeOf<'rolling'>();
expectTypeOf<Ten['results']>().toEqualTypeOf<{ mean: number }>();

export function read(pane: TemperaturePane): unknown {
  if (pane.window === 'fiveMinutes') {
    expectTypeOf(pane.results.most).toEqualTypeOf<number>();
    // @ts-expect-error a result that this window does not have
    return pane.results.maxx;
  }
  // @ts-expect-error a result that only another window has
  if (pane.results.most > 90) return pane;
  if (pane.kind === 'rolling') {
    expectTypeOf(pane.window).toEqualTypeOf<'lastTen'>();
    // @ts-expect-error nothing in a pane is written
    pane.count = 1;
  }
  // @ts-expect-error a window that the definition does not have
  return pane.window === 'fiveMinute';
}

// A pipeline of any panes takes one of some; what handlers, stack and tests are given needs no type argument.
const anyPipeline: Pipeline = temperature;
const anyPane: Pane = {} as TemperaturePane;
// @ts-expect-error and not the other way round
const ofReadings: Pipeline<TemperaturePane> = anyPipeline;

export { anyPane, ofReadings };

// What a field name may be.
export const fields = definePipeline('fields', kinesis<Reading>(), {
  ...steps,
  windows: {
    // @ts-expect-error no such field
    unknown: rolling({ count: 10 }, { mean: mean('celsiu') }),
    // @ts-expect-error not a number
    text: rolling({ count: 10 }, { mean: mean('machineId') }),
    // @ts-expect-error perhaps not there
    optional: rolling({ count: 10 }, { note: last('note') }),
    // @ts-expect-error a function that yields no number
    lambda: tumbling({ size: '1m' }, { max: max((reading) => reading.unit) }),
    // @ts-expect-error a function of a field that is not there
    lambdaOfNone: tumbling({ size: '1m' }, { max: max((reading) => reading.fahrenheit) }),
    // @ts-expect-error a function that yields what a commit cannot hold
    lambdaOfDate: tumbling({ size: '1m' }, { at: last(() => new Date(0)) }),
    // @ts-expect-error count() counts records; it reads none of them
    counted: tumbling({ size: '1m' }, { records: count('celsius') }),
    // @ts-expect-error no such field of the place
    nested: rolling({ count: 10 }, { mean: mean('place.flor') }),
    orNull: rolling({ count: 10 }, { note: last((reading) => reading.note ?? null) }),
  },
});
expectTypeOf<PaneOf<typeof fields>['window']>().toEqualTypeOf<
  | 'unknown'
  | 'text'
  | 'optional'
  | 'lambda'
  | 'lambdaOfNone'
  | 'lambdaOfDate'
  | 'counted'
  | 'nested'
  | 'orNull'
>();

// What a duration may be.
export const durations: readonly Duration[] = ['500ms', '30s', '5m', '2h', '1d', '1.5h', `${5}m`];
// @ts-expect-error a number has no unit
export const unitless: Duration = 5;
// @ts-expect-error nor has a text of digits
export const digits: Duration = '5';
// @ts-expect-error a unit that is not one
export const weeks: Duration = '5w';
// @ts-expect-error a word
export const words: Duration = '5 minutes';
// @ts-expect-error no number
export const numberless: Duration = 'm';

// What the steps may be.
const readings = kinesis<Reading>();
const windows = { minute: tumbling({ size: '1m' }, { records: count() }) };
export const wrongSteps = () => {
  // @ts-expect-error a key that is a number
  definePipeline('any', readings, { ...steps, windows, key: ({ celsius }) => celsius });
  // @ts-expect-error a key that answers later
  definePipeline('any', readings, { ...steps, windows, key: async () => 'key' });
  // @ts-expect-error an event time that is an object
  definePipeline('any', readings, { ...steps, windows, eventTime: ({ place }) => place });
  // @ts-expect-error no event time
  definePipeline('any', readings, { key: steps.key, windows });
  // @ts-expect-error no windows
  definePipeline('any', readings, steps);
  // @ts-expect-error a step that does not exist
  definePipeline('any', readings, { ...steps, windows, outOfOrdernes: '5s' });
  // @ts-expect-error without a type, a record is unknown
  definePipeline('any', kinesis(), { ...steps, windows, key: ({ machineId }) => machineId });
};
export const wrongWindows = () => {
  // @ts-expect-error an aggregate that is no aggregate
  definePipeline('any', readings, { ...steps, windows: { one: tumbling({ size: '1m' }, { records: 1 }) } });
  // @ts-expect-error a window without aggregates
  definePipeline('any', readings, { ...steps, windows: { one: tumbling({ size: '1m' }) } });
  // @ts-expect-error a rolling window is of records, not of time
  definePipeline('any', readings, { ...steps, windows: { one: rolling({ size: '1m' }, { n: count() }) } });
  // @ts-expect-error a sliding window slides
  definePipeline('any', readings, { ...steps, windows: { one: sliding({ size: '1m' }, { n: count() }) } });
};
export const wrongSinks = () => {
  // @ts-expect-error no sinks
  definePipeline('any', readings, { ...steps, windows }).to();
  const done = definePipeline('any', readings, { ...steps, windows }).to(table());
  // @ts-expect-error sinks are said once
  done.to(bucket());
};

// A key and an event time may be fields, each of its kind.
interface Event {
  readonly id: string;
  readonly code: number;
  readonly note?: string;
  readonly none: string | null;
  readonly at: Date;
  readonly when: number | string;
  readonly sent?: Date;
  readonly place: { readonly floor: string; readonly since: Date; readonly size: { readonly m: number } };
  readonly maker?: { readonly name: string };
  readonly list: readonly string[];
}
const events = kinesis<Event>();
for (const key of ['id', 'place.floor', 'maker.name'] as const) {
  for (const eventTime of ['at', 'when', 'code', 'place.since', 'place.size.m', 'id'] as const) {
    definePipeline('any', events, { key, eventTime, windows });
    definePipeline('any', events, { key: (event) => event.id, eventTime, windows });
  }
}
export const wrongFields = () => {
  const [key, eventTime] = ['id', 'at'] as const;
  // @ts-expect-error no such field
  definePipeline('any', events, { key: 'ids', eventTime, windows });
  // @ts-expect-error a number
  definePipeline('any', events, { key: 'code', eventTime, windows });
  // @ts-expect-error a date
  definePipeline('any', events, { key: 'at', eventTime, windows });
  // @ts-expect-error an object
  definePipeline('any', events, { key: 'place', eventTime, windows });
  // @ts-expect-error perhaps not there
  definePipeline('any', events, { key: 'note', eventTime, windows });
  // @ts-expect-error perhaps null
  definePipeline('any', events, { key: 'none', eventTime, windows });
  // @ts-expect-error no such field of the place
  definePipeline('any', events, { key: 'place.flor', eventTime, windows });
  // @ts-expect-error a number of the place
  definePipeline('any', events, { key: 'place.size.m', eventTime, windows });
  // @ts-expect-error what all lists have
  definePipeline('any', events, { key, eventTime: 'list.length', windows });
  // @ts-expect-error a function of dates
  definePipeline('any', events, { key, eventTime: 'at.getTime', windows });
  // @ts-expect-error an object
  definePipeline('any', events, { key, eventTime: 'place', windows });
  // @ts-expect-error perhaps not there
  definePipeline('any', events, { key, eventTime: 'sent', windows });
  // @ts-expect-error without a type, a record has no fields
  definePipeline('any', kinesis(), { key: 'id', eventTime: 'at', windows });
  // @ts-expect-error any text
  definePipeline('any', events, { key: 'id' as string, eventTime, windows });
  // @ts-expect-error no function
  definePipeline('any', events, { key, eventTime, windows, filter: 'id' });
};
// They are those of the record that the source makes in the end.
const seen = events.map(({ id, at }) => ({ machine: { id }, at: at.getTime() }));
definePipeline('any', seen, { key: 'machine.id', eventTime: 'at', windows });
// @ts-expect-error what the map left out is gone
definePipeline('any', seen, { key: 'id', eventTime: 'at', windows });
definePipeline(
  'any',
  events.expand(({ id, list }) => list.map((item) => ({ id, item }))),
  {
    key: 'item',
    // @ts-expect-error a child has no such field
    eventTime: 'at',
    windows,
  },
);
definePipeline('any', panesOf(temperature, 'lastTen'), { key: 'key', eventTime: 'start', windows });
const revised = panesOf(temperature, undefined, { revisions: 'all' });
definePipeline('any', revised, { key: 'window', eventTime: 'end', windows });
// @ts-expect-error only the panes of another window have it
definePipeline('any', revised, { key: 'results.unit', eventTime: 'end', windows });
definePipeline('any', dynamodbStream<Event>({ table: 'events' }), {
  key: 'newImage.id',
  eventTime: 'newImage.when',
  windows,
});
// Of a union, what all of its members have.
type Either =
  | { kind: 'one'; id: string; in: { a: string } }
  | { kind: 'two'; id: number; in: { a: string; b: string } };
definePipeline('any', kinesis<Either>(), { key: 'kind', eventTime: 'id', windows });
definePipeline('any', kinesis<Either>(), { key: 'in.a', eventTime: 'id', windows });
// @ts-expect-error a number in the other
definePipeline('any', kinesis<Either>(), { key: 'id', eventTime: 'id', windows });
// @ts-expect-error missing in the other
definePipeline('any', kinesis<Either>(), { key: 'in.b', eventTime: 'id', windows });
export const unions = definePipeline('any', kinesis<Either>(), {
  key: 'kind',
  eventTime: 'id',
  windows: {
    both: tumbling({ size: '1m' }, { a: last('in.a') }),
    skipping: tumbling({ size: '1m' }, { b: distinct('in.b', { invalid: 'skip' }) }),
    // @ts-expect-error missing in the other
    one: tumbling({ size: '1m' }, { b: last('in.b') }),
  },
});

// An event time is a number, a text or a Date.
for (const eventTime of [() => 0, () => '2001-01-01T00:00:00Z', () => new Date(0)]) {
  definePipeline('any', readings, { ...steps, eventTime, windows });
}

// A validator's output is the record: zod, valibot, with what they transform.
const byZod = definePipeline(
  'zod',
  kinesis({ schema: z.object({ id: z.string(), at: z.iso.datetime(), celsius: z.coerce.number() }) }),
  {
    key: (reading) => {
      expectTypeOf(reading).toEqualTypeOf<{ id: string; at: string; celsius: number }>();
      return reading.id;
    },
    eventTime: (reading) => reading.at,
    windows: { minute: tumbling({ size: '1m' }, { mean: mean('celsius'), id: last('id') }) },
  },
);
expectTypeOf<PaneOf<typeof byZod>['results']>().toExtend<{ mean: number; id: string }>();

const byValibot = definePipeline(
  'valibot',
  kinesis({ shards: 2, schema: v.object({ id: v.string(), at: v.pipe(v.string(), v.transform(Number)) }) }),
  {
    key: (reading) => {
      expectTypeOf(reading).toEqualTypeOf<{ id: string; at: number }>();
      return reading.id;
    },
    eventTime: (reading) => reading.at,
    windows: { minute: tumbling({ size: '1m' }, { latest: max('at') }) },
  },
);
expectTypeOf<PaneOf<typeof byValibot>['results']>().toEqualTypeOf<{ latest: number }>();

// What a map yields is the record: from a type, from a validator, and from another map.
const mapped = definePipeline(
  'mapped',
  kinesis({ schema: z.object({ id: z.string(), f: z.number() }) })
    .map(({ id, f }) => ({ machine: id, celsius: ((f - 32) * 5) / 9 }))
    .map((reading) => ({ ...reading, at: new Date(0) })),
  {
    filter: (reading) => reading.celsius > 90,
    key: (reading) => reading.machine,
    eventTime: (reading) => reading.at,
    windows: { two: rolling({ count: 2 }, { mean: mean('celsius') }) },
  },
);
expectTypeOf<PaneOf<typeof mapped>['results']>().toEqualTypeOf<{ mean: number }>();
export const unmapped = kinesis<Reading>()
  .map(({ machineId }) => ({ machineId }))
  // @ts-expect-error what the map left out is gone
  .map((reading) => reading.celsius);

// What expand answers with a list of is the record, on every source.
const expanded = definePipeline(
  'expanded',
  kinesis<{ readonly site: string; readonly of: readonly Reading[] }>()
    .expand(({ site, of }) => of.map((reading) => ({ ...reading, site })))
    .map((reading) => ({ ...reading, fahrenheit: reading.celsius * 1.8 + 32 })),
  {
    filter: (reading) => reading.fahrenheit > 90,
    key: (reading) => `${reading.site}/${reading.machineId}`,
    eventTime: (reading) => reading.measuredAt,
    windows: { two: rolling({ count: 2 }, { mean: mean('fahrenheit') }) },
  },
);
expectTypeOf<PaneOf<typeof expanded>['results']>().toEqualTypeOf<{ mean: number }>();
const lists = { of: [] as Reading[] };
for (const source of [
  sqs<typeof lists>().expand(({ of }) => of),
  sqs<typeof lists>({ fifo: true }).expand(({ of }) => of),
  kafka<typeof lists>({ topic: 'readings' }).expand(({ of }) => of),
]) {
  expectTypeOf(source.map).parameter(0).parameter(0).toEqualTypeOf<Reading>();
}
// @ts-expect-error the record is not the list that it holds
kinesis<{ of: Reading[] }>().expand((readings) => readings.map((reading) => reading));
// @ts-expect-error one child is no list
kinesis<{ of: Reading[] }>().expand(({ of }) => of[0]);
for (const source of [sqs<Reading>(), sqs<Reading>({ fifo: true }), kafka<Reading>({ topic: 'readings' })]) {
  definePipeline('elsewhere', source, {
    key: (reading) => reading.machineId,
    eventTime: (reading) => reading.measuredAt,
    windows: {
      minute: tumbling({ size: '1m' }, { mean: mean('celsius') }),
      // @ts-expect-error no such field
      hour: tumbling({ size: '1h' }, { mean: mean('celsiu') }),
    },
  });
}
// @ts-expect-error a topic must be named
kafka<Reading>({ partitions: 2 });
// @ts-expect-error a table must be named
dynamodbStream<Reading>({ kinds: ['INSERT'] });
// @ts-expect-error no change is of this kind
dynamodbStream<Reading>({ table: 'readings', kinds: ['UPSERT'] });
// @ts-expect-error a removed item has no new image
dynamodbStream<Reading>({ table: 'readings' }).map(({ newImage }) => newImage.celsius);
expectTypeOf(dynamodbStream<Reading>({ table: 'readings' }).map(({ oldImage }) => oldImage).map)
  .parameter(0)
  .parameter(0)
  .toEqualTypeOf<Reading | undefined>();
// @ts-expect-error a stream has one of two modes
kinesis<Reading>({ mode: 'automatic' });
expectTypeOf(kinesis<Reading>().map((reading) => reading.celsius).map)
  .parameter(0)
  .parameter(0)
  .toEqualTypeOf<number>();

// What each window may emit, by what it is asked for.
const n = { n: count() };
type Numbers = { n: number };
/** A window's kinds of panes with results; those without. */
type Shown<W> = W extends Window<never, infer Shape> ? Exclude<Shape, { results: null }>['kind'] : never;
type Bare<W> = W extends Window<never, infer Shape> ? Extract<Shape, { results: null }>['kind'] : never;

const each = definePipeline('each', readings, {
  ...steps,
  windows: {
    rolling: rolling({ count: 3, partial: false }, n),
    batches: batches({ count: 3 }, n),
    running: running({}, n),
    runningUpdate: running({ emit: 'update' }, n),
    trailing: trailing({ size: '1m' }, n),
    calendar: tumbling({ size: '1d', offset: '6h', timeZone: 'Europe/Berlin' }, n),
    months: tumbling({ size: 'month', offset: '6h', timeZone: 'Europe/Berlin' }, n),
    weeks: tumbling({ size: 'week', weekStart: 'sunday' }, n),
    soFar: cumulate({ size: 'month', step: '1d', timeZone: 'Europe/Berlin' }, n),
    soFarEmpty: cumulate({ size: '1d', step: '1h', emitEmpty: true }, n),
    tumblingClose: tumbling({ size: '1m', emit: 'close', emitEmpty: false }, n),
    tumblingRecord: tumbling({ size: '1m', emit: 'record' }, n),
    tumblingEmpty: tumbling({ size: '1m', emitEmpty: true }, n),
    slidingUpdate: sliding({ size: '1m', slide: '10s', offset: '5s', emit: 'update', emitEmpty: true }, n),
    session: session({ gap: '30s' }, n),
    sessionUpdate: session({ gap: '30s', maxDuration: '1h', emit: 'update' }, n),
  },
});
type EachPane = PaneOf<typeof each>;
type Of<Name extends EachPane['window']> = Extract<EachPane, { window: Name }>;
type WithResults<Name extends EachPane['window']> = Exclude<Of<Name>, { results: null }>;

expectTypeOf<Of<'rolling'>['kind']>().toEqualTypeOf<'rolling'>();
expectTypeOf<Of<'batches'>['kind']>().toEqualTypeOf<'final'>();
expectTypeOf<Of<'running'>['kind']>().toEqualTypeOf<'running'>();
expectTypeOf<Of<'runningUpdate'>['kind']>().toEqualTypeOf<'running'>();
expectTypeOf<Of<'trailing'>['kind']>().toEqualTypeOf<'final' | 'late'>();
expectTypeOf<Of<'calendar'>['kind']>().toEqualTypeOf<'final' | 'late'>();
expectTypeOf<Of<'tumblingClose'>['kind']>().toEqualTypeOf<'final' | 'late'>();
expectTypeOf<Of<'tumblingRecord'>['kind']>().toEqualTypeOf<'final' | 'late' | 'early'>();
expectTypeOf<Of<'soFar'>['kind']>().toEqualTypeOf<'final' | 'late' | 'early'>();
expectTypeOf<Of<'soFarEmpty'>['kind']>().toEqualTypeOf<'final' | 'late' | 'early' | 'empty'>();
expectTypeOf<Of<'tumblingEmpty'>['kind']>().toEqualTypeOf<'final' | 'late' | 'empty'>();
expectTypeOf<Of<'slidingUpdate'>['kind']>().toEqualTypeOf<'final' | 'late' | 'early' | 'empty'>();
expectTypeOf<Of<'session'>['kind']>().toEqualTypeOf<'final' | 'late' | 'retracted'>();
expectTypeOf<Of<'sessionUpdate'>['kind']>().toEqualTypeOf<'final' | 'late' | 'early' | 'retracted'>();

// Results are there without a question asked, where every pane of the window has them,
expectTypeOf<
  Of<
    | 'rolling'
    | 'batches'
    | 'running'
    | 'runningUpdate'
    | 'trailing'
    | 'calendar'
    | 'tumblingClose'
    | 'tumblingRecord'
  >['results']
>().toEqualTypeOf<Numbers>();
// and else for those of a kind that has them.
expectTypeOf<Of<'tumblingEmpty'>['results']>().toEqualTypeOf<Numbers | null>();
expectTypeOf<WithResults<'tumblingEmpty'>['kind']>().toEqualTypeOf<'final' | 'late'>();
expectTypeOf<WithResults<'slidingUpdate'>['kind']>().toEqualTypeOf<'final' | 'late' | 'early'>();
expectTypeOf<WithResults<'session'>['kind']>().toEqualTypeOf<'final' | 'late'>();
expectTypeOf<WithResults<'sessionUpdate'>['kind']>().toEqualTypeOf<'final' | 'late' | 'early'>();

export function readEach(pane: EachPane): number | null {
  if (pane.window === 'tumblingRecord') return pane.results.n;
  if (pane.window === 'session') {
    // @ts-expect-error a retracted session has none
    pane.results.n;
    if (pane.kind === 'retracted') {
      expectTypeOf(pane.results).toEqualTypeOf<null>();
      return pane.results;
    }
    return pane.results.n;
  }
  if (pane.window === 'slidingUpdate') {
    // @ts-expect-error nor has an empty window
    pane.results.n;
    return pane.kind === 'empty' ? pane.results : pane.results.n;
  }
  return pane.results?.n ?? null;
}

// What only a run can tell may be anything that it can be told.
export const whenAsked = (emit: 'close' | 'record', emitEmpty: boolean) => {
  const asked = tumbling<Reading, Numbers, typeof emit, boolean>({ size: '1m', emit, emitEmpty }, n);
  const inferred = tumbling({ size: '1m', emit, emitEmpty }, n);
  const ofSession = session({ gap: '1m', emit }, n);
  expectTypeOf<Shown<typeof asked>>().toEqualTypeOf<'final' | 'late' | 'early'>();
  expectTypeOf<Bare<typeof asked>>().toEqualTypeOf<'empty'>();
  expectTypeOf<Shown<typeof inferred>>().toEqualTypeOf<'final' | 'late' | 'early'>();
  expectTypeOf<Bare<typeof inferred>>().toEqualTypeOf<'empty'>();
  expectTypeOf<Shown<typeof ofSession>>().toEqualTypeOf<'final' | 'late' | 'early'>();
  expectTypeOf<Bare<typeof ofSession>>().toEqualTypeOf<'retracted'>();
};

// The gap of a session is a length of time, or a function of the record, whose type is known.
export const gaps = definePipeline('gaps', readings, {
  ...steps,
  windows: {
    byRecord: session(
      {
        gap: (reading) => {
          expectTypeOf(reading.place).toEqualTypeOf<{ readonly floor: number }>();
          return reading.unit === 'C' ? '30s' : `${reading.place.floor}m`;
        },
        maxDuration: '1h',
      },
      { mean: mean('celsius') },
    ),
    // @ts-expect-error no such field
    unknown: session({ gap: (reading) => `${reading.gap}s` }, n),
    // @ts-expect-error a number has no unit
    unitless: session({ gap: (reading) => reading.celsius }, n),
    // @ts-expect-error nor here
    number: session({ gap: 5 }, n),
    // @ts-expect-error a gap that comes later
    promised: session({ gap: async () => '5s' }, n),
  },
});
expectTypeOf<Extract<PaneOf<typeof gaps>, { window: 'byRecord' }>['results']>().toEqualTypeOf<{
  mean: number;
} | null>();

// No window has an option that it does not know, or is told what it cannot be.
export const wrongOptions = [
  // @ts-expect-error
  rolling({ count: 3, size: '1m' }, n),
  // @ts-expect-error
  rolling({ count: 3, partial: 'no' }, n),
  // @ts-expect-error
  batches({ count: 3, partial: false }, n),
  // @ts-expect-error
  batches({}, n),
  // @ts-expect-error
  tumbling({ size: '1m', emitEmtpy: true }, n),
  // @ts-expect-error
  tumbling({ size: '1m', slide: '1m' }, n),
  // @ts-expect-error
  tumbling({ size: '1m', emit: 'often' }, n),
  // @ts-expect-error
  tumbling({ size: '1m', emitEmpty: 1 }, n),
  // @ts-expect-error
  tumbling({ size: '1d', timeZone: 1 }, n),
  // @ts-expect-error
  tumbling({ emit: 'record' }, n),
  // @ts-expect-error
  sliding({ size: '1d', slide: '1h', timeZone: 'Europe/Berlin' }, n),
  // @ts-expect-error
  sliding({ size: '1m', slide: '10s', emits: 'record' }, n),
  // @ts-expect-error
  trailing({ size: '1m', emit: 'record' }, n),
  // @ts-expect-error
  trailing({}, n),
  // @ts-expect-error
  session({ gap: '1m', emitEmpty: true }, n),
  // @ts-expect-error
  session({ maxDuration: '1h' }, n),
  // @ts-expect-error
  running({ emit: 'close' }, n),
  // @ts-expect-error
  running({ count: 3 }, n),
];
// @ts-expect-error
export const wrongSource = kinesis({ shard: 2 });

// What each aggregate yields.
const yields = definePipeline('yields', readings, {
  ...steps,
  windows: {
    numbers: tumbling(
      { size: '1m' },
      {
        count: count(),
        sum: sum('place.floor'),
        mean: mean('place.floor'),
        weighted: weightedMean('celsius', 'place.floor'),
        least: min('celsius'),
        most: max('celsius'),
        range: range('celsius'),
        variance: variance('celsius', { of: 'population' }),
        stddev: stddev('celsius'),
        covariance: covariance('celsius', 'place.floor', { of: 'population' }),
        correlation: correlation('celsius', (reading) => reading.place.floor),
        ewma: ewma('celsius', { halfLife: '5m' }),
        slope: slope('celsius', { per: '1h' }),
        forecast: forecast('celsius', { ahead: '5m' }),
        derivative: derivative('celsius'),
        integral: integral('celsius', { per: '1h' }),
        overTime: timeWeightedMean('celsius'),
        rate: rate('celsius'),
        distinct: distinct('unit'),
        median: quantile('celsius', 0.5),
      },
    ),
    others: tumbling(
      { size: '1m' },
      {
        quantiles: quantile('celsius', [0.5, 0.99], { error: 0.02 }),
        coldest: minBy('celsius', 'unit'),
        hottest: maxBy('celsius', (reading) => reading.place),
        first: first('unit'),
        last: last((reading) => reading.place.floor),
        floors: collect('place.floor'),
        top: topK('unit', 3),
        topBy: topK('unit', 3, { by: 'celsius' }),
        units: countBy('unit'),
        anomaly: anomaly('celsius', { threshold: 4 }),
        band: ewmaBand('celsius', { halfLife: '1h' }),
        relative: derive({ mean: mean('celsius'), sd: stddev('celsius') }, ({ mean, sd }) => sd / mean),
        told: derive({ unit: last('unit'), n: count() }, ({ unit, n }) => (n > 1 ? unit : null)),
      },
    ),
  },
});
type Yields<Name extends string> = Extract<PaneOf<typeof yields>, { window: Name }>['results'];
expectTypeOf<Yields<'numbers'>>().toEqualTypeOf<{ [Name in keyof Yields<'numbers'>]: number }>();
expectTypeOf<Yields<'numbers'>['median']>().toEqualTypeOf<number>();
type Others = Yields<'others'>;
expectTypeOf<Others['quantiles']>().toEqualTypeOf<readonly [number, number]>();
expectTypeOf<Alike<Others['coldest'], 'C' | 'F'>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Others['hottest']['floor'], number>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Others['first'], 'C' | 'F'>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Others['last'], number>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Others['floors'], readonly number[]>>().toEqualTypeOf<true>();
expectTypeOf<
  Alike<
    Others['top'],
    readonly { readonly value: 'C' | 'F'; readonly count: number; readonly error: number }[]
  >
>().toEqualTypeOf<true>();
expectTypeOf<Others['units']>().toEqualTypeOf<{
  readonly counts: { readonly [text: string]: number };
  readonly other: number;
}>();
expectTypeOf<Others['anomaly']>().toEqualTypeOf<{
  readonly isAnomaly: boolean;
  readonly score: number;
  readonly value: number;
  readonly mean: number;
  readonly stddev: number;
}>();
expectTypeOf<Others['band']>().toEqualTypeOf<{
  readonly isAnomaly: boolean;
  readonly score: number;
  readonly value: number;
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}>();
expectTypeOf<Others['relative']>().toEqualTypeOf<number>();
expectTypeOf<Alike<Others['told'], 'C' | 'F' | null>>().toEqualTypeOf<true>();

// A list of quantiles whose length only a run can tell yields such a list.
export const someQuantiles = (wanted: readonly number[]) => {
  const aggregate = quantile<Reading, readonly number[]>('celsius', wanted);
  expectTypeOf(aggregate.lower).returns.toEqualTypeOf<readonly number[]>();
};

// A path goes through nested objects; what may be missing is for those alone that say what becomes of it then.
interface Flight {
  readonly id: string;
  readonly delay?: number;
  readonly engine?: {
    readonly celsius: number;
    readonly maker: { readonly name: string; readonly mark?: string };
  };
  readonly 'gate.no': number;
}
const flights = kinesis<Flight>();
const flightSteps = { key: (flight: Flight) => flight.id, eventTime: () => 0 };
const paths = definePipeline('paths', flights, {
  ...flightSteps,
  windows: {
    right: tumbling(
      { size: '1m' },
      {
        throughOptional: mean('engine.celsius'),
        deep: last('engine.maker.name'),
        dotted: max('gate.no'),
        skipped: mean('delay', { invalid: 'skip' }),
        kept: sum('delay', { invalid: 'keep' }),
        lambda: min((flight) => flight.delay, { invalid: 'skip' }),
        firstMark: first('engine.maker.mark', { invalid: 'skip' }),
        lastDelay: last((flight) => flight.delay, { invalid: 'skip' }),
        latest: maxBy('delay', 'engine.maker.mark', { invalid: 'skip' }),
        marks: collect('engine.maker.mark', { invalid: 'skip' }),
        top: topK('engine.maker.mark', 2, { invalid: 'skip' }),
        topBy: topK('engine.maker.mark', 2, { by: (flight) => flight.delay, invalid: 'skip' }),
        // @ts-expect-error a weight is a number
        topByText: topK('id', 2, { by: 'id' }),
        byMark: countBy('engine.maker.mark', { invalid: 'skip' }),
        odd: anomaly('delay', { invalid: 'skip' }),
        oddBand: ewmaBand('delay', { halfLife: '1m', invalid: 'keep' }),
        delays: quantile('delay', 0.9, { invalid: 'skip' }),
      },
    ),
    // @ts-expect-error no such field on the way's end
    end: tumbling({ size: '1m' }, { x: mean('engine.kelvin') }),
    // @ts-expect-error nor on the way
    way: tumbling({ size: '1m' }, { x: mean('motor.celsius') }),
    // @ts-expect-error an object is no number
    whole: tumbling({ size: '1m' }, { x: mean('engine.maker') }),
    // @ts-expect-error a text is no number
    text: tumbling({ size: '1m' }, { x: mean('engine.maker.name') }),
    // @ts-expect-error perhaps not there
    optional: tumbling({ size: '1m' }, { x: mean('delay') }),
    // @ts-expect-error perhaps not there, and poison unless told
    told: tumbling({ size: '1m' }, { x: mean('delay', { invalid: 'poison' }) }),
    // @ts-expect-error perhaps not there, in a function
    lambda: tumbling({ size: '1m' }, { x: mean((flight) => flight.delay) }),
    // @ts-expect-error perhaps not there, at the end of a path
    mark: tumbling({ size: '1m' }, { x: last('engine.maker.mark') }),
    // @ts-expect-error what is no plain value cannot be kept
    kept: tumbling({ size: '1m' }, { x: last('delay', { invalid: 'keep' }) }),
    // @ts-expect-error nor can what chooses one
    chosen: tumbling({ size: '1m' }, { x: maxBy('delay', 'id', { invalid: 'keep' }) }),
    // @ts-expect-error a word for it that there is not
    word: tumbling({ size: '1m' }, { x: mean('delay', { invalid: 'ignore' }) }),
    // @ts-expect-error an option that there is not
    option: tumbling({ size: '1m' }, { x: mean('delay', { onInvalid: 'skip' }) }),
  },
});
type Right = Extract<PaneOf<typeof paths>, { window: 'right' }>['results'];
expectTypeOf<
  Right['throughOptional' | 'dotted' | 'skipped' | 'kept' | 'lambda' | 'delays']
>().toEqualTypeOf<number>();
expectTypeOf<Alike<Right['deep'], string>>().toEqualTypeOf<true>();
// All records may have been passed over: then there is nothing.
expectTypeOf<Alike<Right['firstMark'], string | null>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Right['lastDelay'], number | null>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Right['latest'], string | null>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Right['marks'], readonly string[]>>().toEqualTypeOf<true>();
expectTypeOf<Alike<Right['top'][number]['value'], string>>().toEqualTypeOf<true>();
expectTypeOf<Right['byMark']['counts']>().toEqualTypeOf<{ readonly [text: string]: number }>();
expectTypeOf<null>().toExtend<Right['odd']>();
expectTypeOf<NonNullable<Right['odd']>['score']>().toEqualTypeOf<number>();
// Where nothing is passed over there is always a value.
expectTypeOf<Right['oddBand']['upper']>().toEqualTypeOf<number>();

// An aggregate of one's own is typed by its record, its value and its partial.
const longest = defineAggregate<{ readonly note: string }, 'note', number, number>({
  name: 'longest',
  select: 'note',
  identity: 0,
  lift: (note) => note.length,
  combine: (earlier, later) => Math.max(earlier, later),
  lower: (greatest) => greatest,
});
expectTypeOf(longest).toExtend<Aggregate<{ readonly note: string }, number>>();
const own = definePipeline('own', kinesis<{ id: string; note: string; size?: number }>(), {
  key: (record) => record.id,
  eventTime: () => 0,
  windows: {
    minute: tumbling(
      { size: '1m' },
      {
        longest,
        inPlace: defineAggregate({
          name: 'span',
          select: (record) => {
            expectTypeOf(record.note).toEqualTypeOf<string>();
            return record.note.length;
          },
          identity: null as null | { least: number; most: number },
          lift: (length, time) => {
            expectTypeOf<Alike<typeof length, number>>().toEqualTypeOf<true>();
            expectTypeOf(time).toExtend<number>();
            return { least: length, most: length };
          },
          combine: (earlier, later) => later ?? earlier,
          lower: (span) => (span === null ? 'none' : span.most - span.least),
        }),
        sizes: defineAggregate({
          name: 'sizes',
          select: 'size',
          invalid: 'skip',
          identity: 0,
          lift: (size) => {
            expectTypeOf<Alike<typeof size, number>>().toEqualTypeOf<true>();
            return size;
          },
          combine: (earlier, later) => earlier + later,
          lower: (total) => [total],
        }),
      },
    ),
    // @ts-expect-error no such field
    field: tumbling({ size: '1m' }, { x: defineAggregate({ ...sumOfNumbers, select: 'sise' }) }),
    // @ts-expect-error perhaps not there
    optional: tumbling({ size: '1m' }, { x: defineAggregate({ ...sumOfNumbers, select: 'size' }) }),
    // @ts-expect-error a text, where numbers are lifted
    text: tumbling({ size: '1m' }, { x: defineAggregate({ ...sumOfNumbers, select: 'note' }) }),
    // @ts-expect-error what a commit cannot hold
    partial: tumbling({ size: '1m' }, { x: defineAggregate({ ...setOfTexts, select: 'note' }) }),
  },
});
type Own = Extract<PaneOf<typeof own>, { window: 'minute' }>['results'];
expectTypeOf<Own['longest']>().toEqualTypeOf<number>();
expectTypeOf<Own['inPlace']>().toEqualTypeOf<number | 'none'>();
expectTypeOf<Alike<Own['sizes'], number[]>>().toEqualTypeOf<true>();
export const ownOfAnother = definePipeline('own', kinesis<{ id: string }>(), {
  key: (record) => record.id,
  eventTime: () => 0,
  // @ts-expect-error an aggregate of records that have a note
  windows: { minute: tumbling({ size: '1m' }, { longest }) },
});

export const costly = definePipeline('costly', kinesis<{ id: string }>(), {
  key: (record) => record.id,
  eventTime: () => 0,
  // @ts-expect-error true or false
  costly: 'yes',
  windows: { day: sliding({ size: '1d', slide: '1s' }, { n: count() }) },
});

// A sink that looks at panes knows those of the pipeline that it is given to.
interface Alerts<Panes> extends TableSink {
  readonly takes?: (pane: Panes) => void;
  readonly when: (pane: Panes) => boolean;
}
declare function alerts<Panes>(options: Pick<Alerts<Panes>, 'when'>): Alerts<Panes>;
const watched = definePipeline('watched', kinesis<Reading>(), {
  key: (reading) => reading.machineId,
  eventTime: (reading) => reading.measuredAt,
  windows: {
    minute: tumbling({ size: '1m' }, { hottest: max('celsius') }),
    ten: rolling({ count: 10 }, { n: count() }),
  },
});
export const alerting = watched.to(
  bucket(),
  alerts({
    when: (pane) => {
      expectTypeOf(pane).toEqualTypeOf<PaneOf<typeof watched>>();
      return pane.window === 'minute' && pane.results.hottest > 90;
    },
  }),
);
expectTypeOf(alerting).toEqualTypeOf<Pipeline<PaneOf<typeof watched>>>();
// @ts-expect-error no window of that name
watched.to(alerts({ when: (pane) => pane.window === 'hour' }));
// @ts-expect-error no such result of that window
watched.to(alerts({ when: (pane) => pane.window === 'ten' && pane.results.hottest > 90 }));
declare const ofAnother: Alerts<Pane<'hour', 'final', { mean: number }>>;
// @ts-expect-error a sink of another pipeline's panes
watched.to(ofAnother);
// A sink that sends messages knows the panes of the windows that it names.
export const telling = watched.to(
  notify({
    to: 'sns',
    windows: ['minute'],
    when: (pane) => {
      expectTypeOf(pane.window).toEqualTypeOf<'minute'>();
      return pane.results.hottest > 90;
    },
    message: (pane) => ({ machine: pane.key, celsius: pane.results.hottest.toFixed(1) }),
  }),
  stream({ to: 'kinesis', when: (pane) => pane.window === 'ten' && pane.results.n > 9 }),
  push({
    windows: ['minute', 'ten'],
    message: (pane) => (pane.window === 'ten' ? pane.results.n : pane.results.hottest),
  }),
  sink({
    name: 'own',
    windows: ['ten'],
    deliver(panes, { ids }) {
      expectTypeOf(panes[0]?.results).toEqualTypeOf<{ n: number } | undefined>();
      expectTypeOf(ids).toEqualTypeOf<readonly string[]>();
    },
  }),
);
expectTypeOf(telling).toEqualTypeOf<Pipeline<PaneOf<typeof watched>>>();
// @ts-expect-error no window of that name
watched.to(notify({ to: 'sns', windows: ['hour'] }));
// @ts-expect-error no such result of the windows that it names
watched.to(notify({ to: 'sns', windows: ['minute'], when: (pane) => pane.results.n > 9 }));
// @ts-expect-error no such result of that window
watched.to(stream({ to: 'sqs', message: (pane) => (pane.window === 'ten' ? pane.results.hottest : 0) }));
// @ts-expect-error no such field of a pane
watched.to(push({ message: (pane) => pane.begin }));
// @ts-expect-error no such result of the windows that it names
watched.to(sink({ name: 'own', windows: ['ten'], deliver: (panes) => void panes[0]?.results.hottest }));
// @ts-expect-error no such topic
watched.to(notify({ to: 'sqs' }));
// @ts-expect-error a stream has no limit
watched.to(stream({ to: 'sqs', limit: 3 }));
// @ts-expect-error a sink of the author's has a name
watched.to(sink({ deliver: () => {} }));

// A cluster is one of MSK or some brokers, each with its ways to authenticate.
kafka<Reading>({ topic: 'readings', cluster: { msk: 'arn', auth: { scram: 'arn', key: 'arn' } } });
// @ts-expect-error
kafka<Reading>({ topic: 'readings', cluster: { msk: 'arn', auth: { plain: 'arn' } } });
// @ts-expect-error
kafka<Reading>({ topic: 'readings', cluster: { brokers: ['one:9092'], auth: 'iam' } });
// @ts-expect-error
kafka<Reading>({ topic: 'readings', cluster: {} });
