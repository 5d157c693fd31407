import { describe, expect, it } from 'vitest';
import {
  bucket,
  definePipeline,
  kinesis,
  max,
  notify,
  push,
  sink,
  stream,
  table,
  tumbling,
} from '../../src/index.ts';
import { serviceOf } from '../../src/pipeline/services.ts';
import { atOnce, bySink, NO_MESSAGES } from '../../src/pipeline/sinks.ts';

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
}

const readings = definePipeline('readings', kinesis<Reading>(), {
  key: ({ machine }) => machine,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { hottest: max('celsius') }) },
});

const deliver = () => {};
const all = { windows: undefined, when: undefined };
const told = { ...all, message: undefined };

describe('a sink that sends messages', () => {
  it('sends every pane as it is, unless it is told otherwise', () => {
    expect(notify({ to: 'sns' })).toEqual({
      kind: 'notify',
      name: 'notify',
      ...told,
      to: 'sns',
      from: 'now',
      maxAge: undefined,
      limit: undefined,
    });
    expect(stream({ to: 'kinesis' })).toEqual({
      kind: 'stream',
      name: 'stream',
      ...told,
      to: 'kinesis',
      from: 'now',
    });
    expect(push()).toEqual({ kind: 'push', name: 'push', ...told });
    expect(sink({ name: 'search', deliver })).toEqual({
      kind: 'sink',
      name: 'search',
      ...all,
      from: 'now',
      deliver,
    });
  });

  it('keeps what it is told', () => {
    const [when, message] = [() => true, () => 'hot'];
    const options = { name: 'pager', windows: ['minute'], when, message, maxAge: '2m', limit: 9 } as const;
    expect(notify({ to: 'sns-fifo', ...options })).toEqual({
      kind: 'notify',
      to: 'sns-fifo',
      from: 'now',
      ...options,
      maxAge: 120_000,
    });
    expect(stream({ to: 'sqs', from: 'beginning', when })).toMatchObject({ from: 'beginning', when });
    expect(sink({ name: 'search', deliver, from: 'beginning' })).toMatchObject({ from: 'beginning' });
  });

  it.each([
    [
      () => notify({ to: 'email' as never }),
      RangeError,
      'Cannot make the sink notify() with to "email" as it must be "sns" or "sns-fifo" or "eventbridge"',
    ],
    [
      () => stream({ to: 'kafka' as never }),
      RangeError,
      'Cannot make the sink stream() with to "kafka" as it must be "kinesis" or "sqs" or "sqs-fifo"',
    ],
    [
      () => stream({ to: 'sqs', from: 'then' as never }),
      RangeError,
      'Cannot make the sink stream() with from "then" as it must be "now" or "beginning"',
    ],
    [
      () => sink({ name: 'own', deliver, from: 'then' as never }),
      RangeError,
      'Cannot make the sink sink() with from "then" as it must be "now" or "beginning"',
    ],
    [
      () => notify({ to: 'sns', limit: 0 }),
      RangeError,
      'Cannot notify with a limit of 0 as it must be a whole number from 1 to 1,000,000 messages a minute',
    ],
    [() => notify({ to: 'sns', limit: 1.5 }), RangeError, 'Cannot notify with a limit of 1.5 as'],
    [() => notify({ to: 'sns', limit: 1_000_001 }), RangeError, 'Cannot notify with a limit of 1000001 as'],
    [
      () => notify({ to: 'sns', maxAge: '0s' }),
      RangeError,
      'Cannot notify of panes with maxAge "0s" as it must be longer than that',
    ],
    [
      () => notify({ to: 'sns', name: 'Pager' }),
      RangeError,
      'Cannot name a sink "Pager" as names must be 1 to 40 lower-case letters, digits and hyphens, a letter first',
    ],
    [
      () => push({ windows: [] }),
      TypeError,
      'Cannot make the sink push() as windows must be a list with at least one name',
    ],
    [
      () => push({ windows: 'minute' as never }),
      TypeError,
      'Cannot make the sink push() as windows must be a list with at least one name',
    ],
    [
      () => push({ when: 'hot' as never }),
      TypeError,
      'Cannot make the sink push() as when must be a function: it is string',
    ],
    [
      () => push({ message: 'hot' as never }),
      TypeError,
      'Cannot make the sink push() as message must be a function: it is string',
    ],
    [
      () => sink({ name: 'own' } as never),
      TypeError,
      'Cannot make the sink sink() as deliver must be a function: it is undefined',
    ],
    [
      () => sink({ name: 'own', deliver, message: deliver } as never),
      TypeError,
      'Cannot make the sink sink() with "message" as the options are name, windows, when, from, deliver',
    ],
    [
      () => push({ limit: 3 } as never),
      TypeError,
      'Cannot make the sink push() with "limit" as the options are name, windows, when, message',
    ],
  ])('is refused where an option breaks its rule: %s', (make, error, message) => {
    expect(make).toThrow(error);
    expect(make).toThrow(message);
  });

  it('is one of several in a pipeline, each under a name of its own', () => {
    const named = readings.to(table(), notify({ to: 'sns' }), notify({ to: 'sns', name: 'pager' }), push());
    expect(named.sinks).toHaveLength(4);
    expect(() => readings.to(stream({ to: 'sqs', name: 'out' }), push({ name: 'out' }))).toThrow(
      new TypeError(
        'Cannot send the panes of "readings" to two sinks "out" as each must have a name of its own: give one another name',
      ),
    );
    expect(() => readings.to(table(), push({ name: 'table' }))).toThrow('to two sinks "table"');
  });

  it('is refused where it asks for a window that the pipeline does not have', () => {
    expect(() => readings.to(push({ windows: ['hour' as 'minute'] }))).toThrow(
      new RangeError(
        'Cannot send the panes of window "hour" of "readings" as it must be one of its windows: they are minute',
      ),
    );
  });

  it('sends in a run that someone watches as it always does', () => {
    const sinks = [notify({ to: 'sns' }), stream({ to: 'sqs' }), push(), sink({ name: 'own', deliver })];
    expect(atOnce([bucket(), ...sinks])).toEqual([bucket({ every: '0s' }), ...sinks]);
  });

  it.each([
    ['sns', notify({ to: 'sns-fifo' })],
    ['eventbridge', notify({ to: 'eventbridge' })],
    ['kinesis', stream({ to: 'kinesis' })],
    ['sqs', stream({ to: 'sqs-fifo' })],
    ['appsync', push()],
    [undefined, sink({ name: 'own', deliver })],
    [undefined, table()],
    [undefined, bucket()],
  ])('is taken by the service %s', (service, one) => {
    expect(serviceOf(one)).toBe(service);
  });

  it('keeps nothing', () => {
    const sinks = [
      table(),
      notify({ to: 'sns' }),
      stream({ to: 'sqs' }),
      push(),
      sink({ name: 'own', deliver }),
    ];
    expect(bySink(sinks, { table: () => 'rows', bucket: () => 'objects', ...NO_MESSAGES })).toEqual({
      table: ['rows'],
      bucket: [],
      notify: [undefined],
      stream: [undefined],
      push: [undefined],
      sink: [undefined],
    });
  });
});
