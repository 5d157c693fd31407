import { describe, expect, it } from 'vitest';
import { rabbitArrivals } from '../../../src/adapters/rabbitmq/arrivals.ts';
import {
  placeById,
  type RabbitEvent,
  recordsOf,
  sourceOf,
  UnsettledError,
} from '../../../src/adapters/rabbitmq/records.ts';
import { type EpochMillis, millis } from '../../../src/core/time.ts';
import { readRefused } from '../../../src/engine/intake/poison.ts';
import { processHandler, sweepHandler } from '../../../src/handlers.ts';
import { count, definePipeline, rabbitmq, tumbling } from '../../../src/index.ts';
import { POISON_PREFIX } from '../../../src/wiring/names.ts';
import { at, NOON, Scene } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };
const BROKER = 'arn:aws:mq:eu-central-1:123456789012:broker:plant:b-9bcfa592-423a-4942';

interface Sent {
  readonly id?: string | null;
  readonly text: string;
}

/** The event that Lambda makes of messages of a queue, with what AWS documents of each. */
const eventOf = (messages: readonly Sent[], queue = 'readings::/'): RabbitEvent => ({
  eventSource: 'aws:rmq',
  eventSourceArn: BROKER,
  rmqMessagesByQueue: {
    [queue]: messages.map(({ id = null, text }) => ({
      basicProperties: {
        contentType: 'text/plain',
        contentEncoding: null,
        headers: { site: { bytes: [110] } },
        deliveryMode: 1,
        messageId: id,
        timestamp: 'Jan 1, 1970, 12:33:41 AM',
        bodySize: text.length,
      },
      redelivered: false,
      data: Buffer.from(text).toString('base64'),
    })),
  },
});

const textOf = (machine: string, time: number, celsius = 20): string =>
  JSON.stringify({ machine, at: time, celsius });

interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
}

const readings = (id: Parameters<typeof rabbitmq<Reading>>[0]['id'] = 'messageId') =>
  definePipeline('readings', rabbitmq<Reading>({ queue: 'readings', id }), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
  });

const byId = { placedBy: 'messageId' } as const;
const byContent = { placedBy: 'content' } as const;

describe('a message of a RabbitMQ queue', () => {
  it('is known by its id, arrives with the invocation, and holds its bytes', () => {
    const [record, ...others] = recordsOf(eventOf([{ id: 'one', text: '{"°C": 20}' }]), at(3), byId);
    expect(others).toEqual([]);
    expect(record).toMatchObject({
      lineage: 'readings%3A%3A%2F',
      ...placeById('one'),
      arrival: at(3),
      data: Buffer.from('{"°C": 20}'),
      unidentified: undefined,
    });
  });

  it.each(['pump/7', 'é', 'a b', '../b', 'a'.repeat(200), '0'])('has a position for the id "%s"', (id) => {
    const [record] = recordsOf(eventOf([{ id, text: '{}' }]), NOON, byId);
    expect(record).toMatchObject({ position: expect.stringMatching(/^id-[\w-]{43}$/), partitionKey: id });
    expect(record?.position).not.toBe(
      recordsOf(eventOf([{ id: 'one', text: '{}' }]), NOON, byId)[0]?.position,
    );
  });

  it('shows in no position what its producer wrote, as an id may be a key', () => {
    const { position } = placeById('pump');
    expect(position).not.toContain('pump');
  });

  it.each([null, undefined, ''])('without an id (%j) is told by its bytes, and marked', (id) => {
    const sent = [
      { id, text: '{"a": 1}' },
      { id, text: '{"a": 2}' },
    ] as readonly Sent[];
    const [a, b] = recordsOf(eventOf(sent), NOON, byId);
    expect([a?.unidentified, b?.unidentified]).toEqual([true, true]);
    expect(a?.position).not.toBe(b?.position);
    expect(recordsOf(eventOf(sent), at(9), byId)[0]?.position).toBe(a?.position);
  });

  it('is known by its bytes alone where the definition says so', () => {
    const sent = ['one', 'two', null].map((id) => ({ id, text: '{"a": 1}' }));
    const records = recordsOf(eventOf(sent), NOON, byContent);
    expect(new Set(records.map(({ position }) => position)).size).toBe(1);
    expect(records.some(({ unidentified }) => unidentified)).toBe(false);
  });

  it('is never taken for one whose id is its content', () => {
    const text = '{"a": 1}';
    const [lacking] = recordsOf(eventOf([{ text }]), NOON, byId);
    expect(lacking?.position).not.toBe(placeById(text).position);
  });

  it.each([undefined, null, 7, ['e30=']])('is refused when its data is %j', (data) => {
    const event = { ...eventOf([]), rmqMessagesByQueue: { 'readings::/': [{ data }] } };
    expect(() => recordsOf(event as never, NOON, byId)).toThrow(
      new TypeError('Cannot read a message as it must be of a RabbitMQ event: it lacks "data"'),
    );
  });
});

describe('an event of a RabbitMQ queue', () => {
  it.each([undefined, null, {}, { eventSourceArn: BROKER }, { rmqMessagesByQueue: {} }])(
    'that is %j is refused',
    (event) => {
      expect(() => recordsOf(event as never, NOON, byId)).toThrow(
        new TypeError(
          'Cannot read the event as it must be a RabbitMQ event: it lacks "eventSourceArn" or the object "rmqMessagesByQueue"',
        ),
      );
    },
  );

  it('is refused when a queue holds no list', () => {
    const event = { eventSourceArn: BROKER, rmqMessagesByQueue: { 'readings::/': {} } };
    expect(() => recordsOf(event as never, NOON, byId)).toThrow(
      new TypeError('Cannot read a queue as it must be of a RabbitMQ event: it is no list of messages'),
    );
  });

  it('may hold several queues, whose messages come one queue after the other', () => {
    const [one, other] = [eventOf([{ id: 'one', text: '1' }]), eventOf([{ text: '2' }], 'other::/')];
    const rmqMessagesByQueue = { ...one.rmqMessagesByQueue, ...other.rmqMessagesByQueue };
    expect(recordsOf({ ...one, rmqMessagesByQueue }, NOON, byId)).toMatchObject([
      { lineage: 'readings%3A%3A%2F', data: Buffer.from('1'), unidentified: undefined },
      { lineage: 'other%3A%3A%2F', data: Buffer.from('2'), unidentified: true },
    ]);
  });

  it('names broker, queue and virtual host as its source', () => {
    expect(sourceOf(eventOf([{ text: '{}' }], 'a/b::plant'))).toBe(`${BROKER}/a%2Fb%3A%3Aplant`);
    expect(sourceOf(eventOf([]))).toBeUndefined();
  });
});

describe('a handler of a RabbitMQ queue', () => {
  const scene = () => {
    const made = new Scene(readings());
    return { made, handle: processHandler(made.ports, made.pipeline) };
  };

  it('answers once all of a batch is committed, and for a batch without messages', async () => {
    const { made, handle } = scene();
    const event = eventOf([{ id: 'one', text: textOf('pump', at(0)) }]);
    expect(await handle(event, INVOCATION)).toEqual({ batchItemFailures: [] });
    expect(await handle(eventOf([]), INVOCATION)).toEqual({ batchItemFailures: [] });
    expect(made.ports.telemetry.counted).toMatchObject({ received: 1, applied: 1 });
  });

  it('throws where a group cannot be committed, and knows what was in when all comes again', async () => {
    const made = new Scene(readings());
    const messages = ['pump', 'oven', 'drill', 'saw'].map((machine) => ({
      id: machine,
      text: textOf(machine, at(0)),
    }));
    let refused = 0;
    const ports = made.refusing(
      (call, name) => call === 'log.append' && name.endsWith('/2') && refused++ < 1,
    );
    const handle = processHandler(ports, made.pipeline);
    const failure = await handle(eventOf(messages), INVOCATION).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnsettledError);
    expect((failure as Error).message).toMatch(
      /^Cannot acknowledge the messages of a batch as all of them must be committed: [123] of 4 are not, so all are delivered again$/,
    );
    expect(await handle(eventOf(messages), INVOCATION)).toEqual({ batchItemFailures: [] });
    expect(made.ports.telemetry.counted).toMatchObject({ received: 8, applied: 4 });
    expect(made.ports.telemetry.counted.duplicate).toBeGreaterThan(0);
  });

  it('throws whole and at once where no time remains', async () => {
    const { handle } = scene();
    const event = eventOf([{ id: 'one', text: textOf('pump', at(0)) }]);
    await expect(handle(event, { getRemainingTimeInMillis: () => 0 })).rejects.toThrow(UnsettledError);
  });

  it('refuses a message without an id once, however often it comes, and holds up no other', async () => {
    const { made, handle } = scene();
    const event = eventOf([{ text: textOf('pump', at(0)) }, { id: 'one', text: textOf('pump', at(0)) }]);
    for (let times = 0; times < 3; times++) {
      expect(await handle(event, INVOCATION)).toEqual({ batchItemFailures: [] });
    }
    expect(made.ports.telemetry.counted).toMatchObject({ applied: 1, poison: 1, duplicate: 4 });
    const kept = [...made.ports.objects.stored].filter(([name]) => name.startsWith(POISON_PREFIX));
    const lines = kept.flatMap(([, { body }]) => readRefused(body));
    expect(lines.map(({ code, reason }) => ({ code, reason }))).toEqual([
      { code: 'no-id', reason: 'the record has no id by which it is known when it comes again' },
    ]);
  });

  it('counts a record once by an id of its own, whatever the ids of its messages', async () => {
    const made = new Scene(readings(({ celsius }) => `${celsius}`));
    const handle = processHandler(made.ports, made.pipeline);
    const sent = (id: string | null, celsius: number) => ({ id, text: textOf('pump', at(0), celsius) });
    await handle(eventOf([sent('one', 20), sent('two', 20), sent(null, 21)]), INVOCATION);
    await handle(eventOf([sent('three', 21), sent('one', 22)]), INVOCATION);
    expect(made.ports.telemetry.counted).toMatchObject({ applied: 3, duplicate: 2, poison: 0 });
  });

  it('refuses what is malformed by its own code, id or not', async () => {
    const { made, handle } = scene();
    await handle(eventOf([{ text: '{' }, { id: 'one', text: '{' }, { id: 'two', text: '{}' }]), INVOCATION);
    expect(made.ports.telemetry.counted).toMatchObject({ applied: 0, poison: 3 });
  });

  // Events:  12:00            12:01 … the consumer is down … 12:30
  it('lets no time pass by a message that may have waited', async () => {
    const { made, handle } = scene();
    await handle(eventOf([{ id: 'one', text: textOf('pump', at(0)) }]), INVOCATION);
    made.ports.clock.pass(millis('30m'));
    await handle(eventOf([{ id: 'two', text: textOf('pump', at(0, 1)) }]), INVOCATION);
    expect(made.ports.telemetry.counted).toMatchObject({ applied: 2, late: 0 });
    // Once a sweep sees that nothing waits, the key has been silent.
    made.ports.clock.pass(millis('10m'));
    const arrivals = { frontier: async (now: EpochMillis) => now };
    const sweep = sweepHandler({ ...made.ports, arrivals }, made.pipeline);
    expect(await sweep({}, INVOCATION)).toMatchObject({ open: 0, panes: 1 });
  });
});

describe('what waits on a RabbitMQ queue', () => {
  const gaugeOf = (value?: number) => ({
    latest: async () => (value === undefined ? undefined : { at: at(-3), value }),
  });

  it('is nothing, as of a minute before the queue was last without messages', async () => {
    expect(await rabbitArrivals(gaugeOf(0)).frontier(NOON)).toBe(at(-4));
  });

  it.each([1, undefined])('cannot be told when the number of its messages is %s', async (messages) => {
    expect(await rabbitArrivals(gaugeOf(messages)).frontier(NOON)).toBeUndefined();
  });
});
