/**
 * What must and must not compile, as `tsc` sees it: this file is compiled, never run. What a user is told of the lines
 * that must not is in `definition-errors.test.ts`.
 */
import * as v from 'valibot';
import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import {
  type Aggregate,
  bucket,
  collect,
  count,
  type Duration,
  definePipeline,
  first,
  kinesis,
  last,
  max,
  mean,
  min,
  type Pane,
  type Pipeline,
  range,
  rolling,
  sliding,
  sum,
  table,
  tumbling,
} from '../src/index.ts';

interface Reading {
  readonly machineId: string;
  readonly celsius: number;
  readonly measuredAt: number;
  readonly unit: 'C' | 'F';
  readonly place: { readonly floor: number };
  readonly note?: string;
}
type PaneOf<P> = P extends Pipeline<infer Panes> ? Panes : never;

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
    orNull: rolling({ count: 10 }, { note: last((reading) => reading.note ?? null) }),
  },
});
expectTypeOf<PaneOf<typeof fields>['window']>().toEqualTypeOf<
  'unknown' | 'text' | 'optional' | 'lambda' | 'lambdaOfNone' | 'lambdaOfDate' | 'counted' | 'orNull'
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
expectTypeOf(kinesis<Reading>().map((reading) => reading.celsius).map)
  .parameter(0)
  .parameter(0)
  .toEqualTypeOf<number>();

// An aggregate of one's own, typed by its record.
const longest: Aggregate<{ readonly note: string }, number, number, number> = {
  signature: 'longest(note)',
  identity: 0,
  select: (record) => record.note.length,
  lift: (value) => value,
  combine: (earlier, later) => Math.max(earlier, later),
  lower: (greatest) => greatest,
};
export const own = definePipeline('own', kinesis<{ id: string; note: string }>(), {
  key: (record) => record.id,
  eventTime: () => 0,
  windows: { minute: tumbling({ size: '1m' }, { longest }) },
});
export const ownOfAnother = definePipeline('own', kinesis<{ id: string }>(), {
  key: (record) => record.id,
  eventTime: () => 0,
  // @ts-expect-error an aggregate of records that have a note
  windows: { minute: tumbling({ size: '1m' }, { longest }) },
});
