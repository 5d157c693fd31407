import { S3ServiceException } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryClock } from '../../../src/adapters/memory/clock.ts';
import { flushing, powertoolsTelemetry } from '../../../src/adapters/powertools/telemetry.ts';
import { CodecError } from '../../../src/core/codec.ts';
import { loggable } from '../../../src/core/loggable.ts';
import { millis } from '../../../src/core/time.ts';
import { processHandler, projectHandler, sweepHandler } from '../../../src/handlers.ts';
import {
  bucket,
  collect,
  count,
  defineAggregate,
  definePipeline,
  kinesis,
  mean,
  type Pipeline,
  sqs,
  table,
  tumbling,
} from '../../../src/index.ts';
import type { Call } from '../../../src/simulation/gate.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

/** It stands in the key and in the content of each record, and must never be seen outside of stores. */
const SECRET = 'Secret7f3a';
const INVOCATION = { getRemainingTimeInMillis: () => 3_600_000 };

const rules = {
  key: ({ machine }: Reading) => machine,
  eventTime: (reading: Reading) => reading.at,
  groups: 1,
};
const minutes = definePipeline('readings', kinesis<Reading>(), {
  ...rules,
  windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
}).to(table(), bucket({ every: '0s' }));

const written: string[] = [];
beforeEach(() => {
  written.length = 0;
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((some) => written.push(String(some)) > 0);
  }
});
afterEach(() => {
  vi.restoreAllMocks();
});

interface Line {
  readonly message: string;
  readonly error: { readonly name: string; readonly message?: string; readonly stack: readonly string[] };
}

const faults = (): Line[] =>
  written
    .flatMap((some) => some.trim().split('\n'))
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
    .filter(({ level }) => level === 'ERROR');

/** What Lambda's runtime writes of what a handler threw: all that an error shows of itself. */
function writeAsTheRuntime(error: unknown): void {
  const { name, message, stack } = error as Error;
  written.push(`${name} ${message} ${stack}`, JSON.stringify({ ...(error as object) }));
}

/** Calls the three handlers of a pipeline, one after the other, as Lambda would: after a failure again, and each minute. */
async function serve(scene: Scene, ports: Scene['ports'], event: object): Promise<void> {
  const { pipeline } = scene;
  const telemetry = powertoolsTelemetry(pipeline.name, ports.clock);
  const told = { ...ports, telemetry };
  const handle = flushing(telemetry, processHandler(told, pipeline));
  const sweep = flushing(telemetry, sweepHandler(told, pipeline));
  const project = flushing(telemetry, projectHandler(told, pipeline));
  for (let times = 0; times < 3; times++) {
    await handle(event as never, INVOCATION).catch(writeAsTheRuntime);
    ports.clock.pass(millis('2m'));
    await sweep({}, INVOCATION).catch(writeAsTheRuntime);
    await project({}, INVOCATION).catch(writeAsTheRuntime);
  }
}

const sceneOf = (pipeline: Pipeline): Scene => {
  const scene = new Scene(pipeline);
  scene.ports.clock.set(NOON);
  return scene;
};

/** A good record, and one of each kind of poison that quotes its content. */
const recordsOf = (scene: Scene) => [
  scene.put(SECRET, at(0, 1), 20, 0, { note: SECRET }),
  scene.putText(`{"machine":"${SECRET}`, at(0, 2), 0, SECRET),
  scene.putText(`{"machine":"${SECRET}","at":"${SECRET}"}`, at(0, 3), 0, SECRET),
  scene.putText(SECRET, at(0, 4), 0, SECRET),
];

const thrownBy = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error;
  }
};

const service = (message: string) =>
  new S3ServiceException({
    name: 'AccessDenied',
    message,
    $fault: 'client',
    $metadata: { httpStatusCode: 403, requestId: '4442587FB7D0A2F9' },
  });

/** What a store, a library or a function of the author may throw that quotes what it was given. */
const QUOTING: readonly (readonly [string, () => unknown])[] = [
  ['an error', () => new Error(`no room for ${SECRET}`)],
  ['an error that begins as ours do', () => new RangeError(`Cannot take ${SECRET} as it must be short`)],
  ['an error that JSON.parse throws', () => thrownBy(() => JSON.parse(SECRET))],
  [
    'an error that V8 throws',
    () => thrownBy(() => (undefined as unknown as Record<string, unknown>)[SECRET]),
  ],
  ['an answer of a service', () => service(SECRET)],
  ['an error with a cause', () => new Error('no', { cause: new Error(SECRET) })],
  ['an error of ours with a cause', () => new CodecError('Cannot read', { cause: new Error(SECRET) })],
  ['several errors', () => new AggregateError([new Error(SECRET)], SECRET)],
  ['an error with more about it', () => Object.assign(new Error('no'), { code: SECRET, item: SECRET })],
  ['an error whose message looks like frames', () => new Error(`no\n    at ${SECRET} (file:///a.js:1:1)`)],
  ['an error whose name quotes', () => Object.assign(new Error('no'), { name: `of "${SECRET}"` })],
  ['an error without a stack', () => Object.assign(new Error(SECRET), { stack: undefined })],
  ['an error with a stack that is none', () => Object.assign(new Error('no'), { stack: SECRET })],
  ['a text', () => SECRET],
  ['an object', () => ({ name: SECRET, message: SECRET, stack: SECRET })],
  ['nothing', () => undefined],
];

const CALLS: readonly Call[] = [
  'log.append',
  'log.latest',
  'log.after',
  'objects.create',
  'objects.exists',
  'objects.read',
  'rows.put',
  'progress.note',
  'progress.read',
  'arrivals.frontier',
];

describe('nothing of a key or a payload is written', () => {
  it.each(QUOTING)('where any call of a store throws %s', async (_, thrown) => {
    for (const failing of CALLS) {
      for (const first of [1, 4]) {
        const scene = sceneOf(minutes);
        const records = recordsOf(scene);
        let calls = 0;
        const ports = scene.through(async (call, _name, carryOut) => {
          if (call === failing && ++calls >= first) throw thrown();
          return carryOut();
        }) as Scene['ports'];
        await serve(scene, ports, kinesisEvent(records));
      }
    }
    expect(faults().length).toBeGreaterThan(20);
    expect(written.join('\n')).not.toContain(SECRET);
  });

  const failing = ({ note }: Reading): never => {
    throw new Error(`Cannot take ${note}`);
  };
  const later = async (one: unknown): Promise<never> => failing(one as Reading);
  it.each<[string, object]>([
    ['key', { key: failing }],
    ['eventTime', { eventTime: failing }],
    ['filter', { filter: failing }],
    ['a selector', { windows: { m: tumbling({ size: '1m' }, { all: collect(failing as never) }) } }],
  ])('where %s throws', async (_, rule) => {
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      ...rules,
      windows: { m: tumbling({ size: '1m' }, { n: count() }) },
      ...rule,
    }).to(table());
    const scene = sceneOf(pipeline);
    await serve(scene, scene.ports, kinesisEvent(recordsOf(scene)));
    expect(written.join('\n')).not.toContain(SECRET);
    expect(written.join('\n')).toContain('"received"');
  });

  it.each<[string, object]>([
    ['key', { key: later }],
    ['eventTime', { eventTime: later }],
    ['filter', { filter: later }],
    ['map', { source: kinesis<Reading>().map(later) }],
    ['collect', { windows: { m: tumbling({ size: '1m' }, { all: collect(later as never) }) } }],
    ['mean', { windows: { m: tumbling({ size: '1m' }, { all: mean(later as never) }) } }],
    [
      'a schema',
      { source: kinesis({ schema: { '~standard': { version: 1, vendor: 'v', validate: later } } }) },
    ],
  ])('by the runtime where %s throws later, of which nobody waits', async (_, rule) => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const { source = kinesis(), ...own } = rule as { readonly source?: ReturnType<typeof kinesis> };
    const windows = { m: tumbling({ size: '1m' }, { n: count() }) };
    const pipeline = definePipeline('readings', source, { ...rules, windows, ...own } as never).to(table());
    const scene = sceneOf(pipeline as unknown as Pipeline);
    await serve(scene, scene.ports, kinesisEvent(recordsOf(scene)));
    await new Promise(setImmediate);
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(written.join('\n')).not.toContain(SECRET);
    expect(written.join('\n')).toMatch(/answers later|"poison":4/);
  });

  it.each(['lift', 'combine', 'lower'] as const)('where %s of an aggregate throws', async (step) => {
    const throwing = (): never => {
      throw new Error(`Cannot ${step} ${SECRET}`);
    };
    const worst = defineAggregate<Reading, 'celsius', number, number>({
      name: 'worst',
      select: 'celsius',
      identity: 0,
      lift: (celsius: number) => celsius,
      combine: (one: number, other: number) => Math.max(one, other),
      lower: (partial: number) => partial,
      [step]: throwing,
    });
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      ...rules,
      windows: { m: tumbling({ size: '1m' }, { worst }) },
    }).to(table());
    const scene = sceneOf(pipeline);
    const records = [...recordsOf(scene), scene.put(SECRET, at(0, 30)), scene.put(SECRET, at(5))];
    await serve(scene, scene.ports, kinesisEvent(records));
    expect(written.join('\n')).not.toContain(SECRET);
  });

  it('where the message group of a queue, which may be a key, is what cannot be committed', async () => {
    const pipeline = definePipeline('readings', sqs<Reading>({ fifo: true }), {
      ...rules,
      windows: { m: tumbling({ size: '1m' }, { n: count() }) },
    });
    const scene = sceneOf(pipeline);
    const ports = scene.refusing(
      (call, name) => call === 'log.append' && name.startsWith('readings/'),
    ) as Scene['ports'];
    const message = {
      messageId: 'b1d3a5a7-5f5e-4c3e-9f5e-6b0f2d1c8e11',
      body: JSON.stringify({ machine: SECRET, at: at(0, 1), celsius: 20 }),
      eventSourceARN: 'arn:aws:sqs:us-east-1:123456789012:readings.fifo',
      attributes: {
        MessageGroupId: SECRET,
        SequenceNumber: '18850000000000000001',
        SentTimestamp: `${NOON}`,
      },
    };
    await serve(scene, ports, { Records: [message] });
    expect(written.join('\n')).not.toContain(SECRET);
    expect(faults()[0]).toMatchObject({
      message: 'Cannot commit',
      records: [{ lineage: 'readings.fifo', count: 1, first: '18850000000000000001' }],
    });
  });
});

describe('what could not be done is written', () => {
  it('with the log, the lineages and the positions of the records that it is about', async () => {
    const scene = sceneOf(minutes);
    const ports = scene.refusing((call, name) => call === 'log.append' && name === scene.logOf(SECRET));
    await serve(scene, ports as Scene['ports'], kinesisEvent(recordsOf(scene)));
    expect(faults()[0]).toMatchObject({
      message: 'Cannot commit',
      log: scene.logOf(SECRET),
      records: [
        {
          lineage: expect.stringMatching(/^readings\/shardId-/),
          count: 4,
          first: expect.stringMatching(/^\d+$/),
          last: expect.stringMatching(/^\d+$/),
        },
      ],
    });
  });

  it.each<[Call, string, object]>([
    ['progress.note', 'Cannot note progress', { records: [{ count: 1 }] }],
    ['rows.put', 'Cannot project', { log: 'rows/readings' }],
    ['objects.exists', 'Cannot project', { log: 'objects/readings' }],
    ['log.latest', 'Cannot take a batch in', { records: [{ count: 4 }] }],
  ])('with where it happened: %s', async (failing, message, where) => {
    const scene = sceneOf(minutes);
    const ports = scene.refusing((call) => call === failing);
    await serve(scene, ports as Scene['ports'], kinesisEvent(recordsOf(scene)));
    expect(faults()).toContainEqual(expect.objectContaining({ message, ...nested(where) }));
  });

  it('with the log of the group that could not be swept', async () => {
    const scene = sceneOf(minutes);
    let begun = false;
    const ports = scene.through(async (call, name, carryOut) => {
      if (begun && call === 'log.latest' && name === scene.logOf(SECRET)) throw new Error('no answer');
      return carryOut();
    }) as Scene['ports'];
    const telemetry = powertoolsTelemetry('readings', memoryClock(NOON));
    await processHandler({ ...ports, telemetry }, minutes)(kinesisEvent(recordsOf(scene)), INVOCATION);
    begun = true;
    await sweepHandler({ ...ports, telemetry }, minutes)({}, INVOCATION).catch(() => {});
    expect(faults()).toMatchObject([{ message: 'Cannot sweep', log: scene.logOf(SECRET) }]);
  });

  it('with the message of an error of ours, the frames of each, and the chain of causes', () => {
    const cause = new SyntaxError(`Unexpected token in ${SECRET}`);
    powertoolsTelemetry('readings', memoryClock(NOON)).fault(
      'project',
      new CodecError('Cannot read entry 7', { cause }),
    );
    const frame = expect.stringMatching(/^at .*told-errors\.test\.ts:\d+:\d+\)?$/);
    const stack = expect.arrayContaining([frame]);
    expect(faults()).toMatchObject([
      {
        message: 'Cannot project',
        error: {
          name: 'CodecError',
          message: 'Cannot read entry 7',
          stack,
          cause: { name: 'SyntaxError', stack },
        },
      },
    ]);
    expect(written.join('')).not.toContain(SECRET);
  });

  it('with the request of an answer of a service, and the code of the system', () => {
    const telemetry = powertoolsTelemetry('readings', memoryClock(NOON));
    telemetry.fault('project', service(SECRET));
    telemetry.fault(
      'project',
      Object.assign(new Error('connect'), { errno: -111, code: 'ECONNREFUSED', syscall: 'connect' }),
    );
    expect(faults()).toMatchObject([
      { error: { name: 'AccessDenied', status: 403, requestId: '4442587FB7D0A2F9' } },
      { error: { name: 'Error', code: 'ECONNREFUSED' } },
    ]);
  });

  it('by the runtime, of what a handler throws, with the same', async () => {
    const telemetry = powertoolsTelemetry('readings', memoryClock(NOON));
    const cause = new Error(SECRET);
    const handler = flushing(telemetry, async () => {
      throw loggable(new RangeError('Cannot begin', { cause }));
    });
    const thrown = (await handler().catch((error: unknown) => error)) as Error & { cause: object };
    expect(thrown).toBeInstanceOf(Error);
    expect(thrown.name).toBe('RangeError');
    expect(thrown.message).toBe('Cannot begin');
    expect(thrown.stack).toMatch(/^RangeError: Cannot begin\n {4}at .*told-errors\.test\.ts/);
    expect(Object.keys(thrown)).toContain('cause');
    expect(thrown.cause).toMatchObject({ name: 'Error' });
    expect(JSON.stringify({ ...thrown })).not.toContain(SECRET);
  });
});

it.each([
  [new Error(SECRET), 'Error: what it says is left out, as it may quote a record'],
  [service(SECRET), 'AccessDenied: what it says is left out, as it may quote a record'],
  [Object.assign(new Error(SECRET), { errno: -111, code: 'ECONNREFUSED' }), 'Error: ECONNREFUSED'],
])('what a handler throws says why it says nothing: %s', async (cause, said) => {
  const handler = flushing(powertoolsTelemetry('readings', memoryClock(NOON)), () => Promise.reject(cause));
  const thrown = (await handler().catch((error: unknown) => error)) as Error;
  expect(String(thrown)).toBe(said);
  expect(thrown.stack?.split('\n')[0]).toBe(said);
});

/** The same, where a list need only have what is told of each. */
const nested = (where: object): object =>
  Object.fromEntries(
    Object.entries(where).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((each) => expect.objectContaining(each)) : value,
    ]),
  );
