import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { flights } from '../../../functions/flights/pipeline.ts';
import { processHandler } from '../../../src/handlers.ts';
import {
  count,
  definePipeline,
  dynamodbStream,
  max,
  type Pipeline,
  sqs,
  sum,
  tumbling,
} from '../../../src/index.ts';
import type { Source } from '../../../src/pipeline/source.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { groupLogPrefix } from '../../../src/wiring/names.ts';
import { type Reading, Scene } from '../scene.ts';

interface Order {
  readonly customer: string;
  readonly total: number;
}

const orders = definePipeline(
  'orders',
  dynamodbStream<Order>({ table: 'orders' }).expand(({ newImage, changedAt }) =>
    newImage ? [{ ...newImage, changedAt }] : [],
  ),
  {
    key: ({ customer }) => customer,
    eventTime: ({ changedAt }) => changedAt,
    windows: { minute: tumbling({ size: '1m' }, { orders: count(), total: sum('total') }) },
  },
) as Pipeline;

const readingsOf = (source: Source<Reading>): Pipeline =>
  definePipeline('readings', source, {
    key: ({ machine }) => machine,
    eventTime: ({ at }) => at,
    windows: { minute: tumbling({ size: '1m' }, { hottest: max('celsius') }) },
  }) as Pipeline;

/** A source's events as Lambda documents them, and what a handler is to count of each. */
interface Events {
  readonly pipeline: Pipeline;
  readonly good: string;
  readonly counted: object;
  readonly poison: string;
  readonly poisoned: object;
  readonly empty: string;
  /** A key of the good event, and the records that the answer names where the log of its group cannot be written. */
  readonly stuck: string;
  readonly again: readonly number[];
  /** The records that the answer names where none is in. */
  readonly all: readonly number[];
  /** What an answer holds beside the failures. */
  readonly more?: object;
}

const EVENTS: { readonly [source: string]: Events } = {
  kinesis: {
    pipeline: flights as Pipeline,
    good: 'kinesis-flights',
    counted: { received: 12, applied: 12 },
    poison: 'kinesis-poison',
    poisoned: { received: 6, poison: 4 },
    empty: 'kinesis-empty',
    stuck: 'HNL',
    again: [1],
    all: [0],
  },
  dynamodb: {
    pipeline: orders,
    good: 'dynamodb-orders',
    counted: { received: 5, applied: 4, filtered: 1 },
    poison: 'dynamodb-poison',
    poisoned: { received: 3, applied: 1, poison: 2 },
    empty: 'dynamodb-empty',
    stuck: 'bob',
    again: [1],
    all: [0],
    more: { state: {} },
  },
  sqs: {
    pipeline: readingsOf(sqs<Reading>()),
    good: 'sqs-readings',
    counted: { received: 5, applied: 5 },
    poison: 'sqs-poison',
    poisoned: { received: 4, applied: 1, poison: 3 },
    empty: 'sqs-empty',
    stuck: 'press',
    again: [0, 4],
    all: [0, 1, 2, 3, 4],
  },
  fifo: {
    pipeline: readingsOf(sqs<Reading>({ fifo: true })),
    good: 'fifo-readings',
    counted: { received: 5, applied: 5 },
    poison: 'fifo-poison',
    poisoned: { received: 4, applied: 1, poison: 3 },
    empty: 'fifo-empty',
    stuck: 'saw',
    // The last is in, and comes again as it follows in the same message group.
    again: [2, 4],
    all: [0, 1, 2, 3, 4],
  },
};

const eventOf = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/events/${name}.json`, import.meta.url), 'utf8')) as {
    readonly Records: readonly Readonly<Record<string, Readonly<Record<string, string>>>>[];
  };

/** How an answer names a record. */
function nameAt(name: string, at: number): unknown {
  const { kinesis, dynamodb, messageId } = eventOf(name).Records[at] ?? {};
  return messageId ?? kinesis?.['sequenceNumber'] ?? dynamodb?.['SequenceNumber'];
}

describe.each(Object.entries(EVENTS))('an event of %s', (_, events) => {
  const { pipeline, good, stuck, again, all, more = {} } = events;

  async function answerTo(
    name: string,
    refuses: (call: string, log: string) => boolean = () => false,
    left = 60_000,
    owned = false,
  ) {
    const scene = new Scene(pipeline);
    const ports: Ports = scene.refusing(refuses);
    const answer = await processHandler(
      ports,
      pipeline,
      owned,
    )(eventOf(name), { getRemainingTimeInMillis: () => left });
    return { answer, counted: scene.ports.telemetry.counted };
  }

  const failed = (records: readonly number[] = []) => ({
    batchItemFailures: records.map((at) => ({ itemIdentifier: nameAt(good, at) })),
    ...more,
  });

  it('that is all taken in is answered by no failure', async () => {
    const { answer, counted } = await answerTo(good);
    expect(answer).toEqual(failed());
    expect(counted).toMatchObject(events.counted);
  });

  it('of which some is not in is answered by what must come again', async () => {
    const log = new Scene(pipeline).logOf(stuck);
    const { answer } = await answerTo(good, (call, name) => call === 'log.append' && name === log);
    expect(answer).toEqual(failed(again));
  });

  it('of which nothing is in is answered so that all of it comes again', async () => {
    const { answer } = await answerTo(
      good,
      (call, name) => call === 'log.append' && name.startsWith(groupLogPrefix(pipeline.name)),
    );
    expect(answer).toEqual(failed(all));
  });

  it('fails as a whole where the definition cannot be read', async () => {
    await expect(answerTo(good, (call) => call === 'log.latest')).rejects.toThrow();
  });

  it('without records is answered by no failure', async () => {
    expect((await answerTo(events.empty)).answer).toEqual(failed());
  });

  it('with records that are wrong in themselves is answered by no failure, as these are kept', async () => {
    const { answer, counted } = await answerTo(events.poison);
    expect(answer).toEqual(failed());
    expect(counted).toMatchObject(events.poisoned);
  });

  it('for which too little time is left is answered so that all of it comes again', async () => {
    const { answer, counted } = await answerTo(good, undefined, 1_000);
    expect(answer).toEqual(failed(all));
    expect(counted.applied).toBe(0);
  });

  it('that the handler owns has the same answers', async () => {
    const log = new Scene(pipeline).logOf(stuck);
    const refuses = (call: string, name: string) => call === 'log.append' && name === log;
    for (const name of [good, events.poison, events.empty]) {
      expect(await answerTo(name, undefined, 60_000, true)).toEqual(await answerTo(name));
      expect(await answerTo(name, refuses, 60_000, true)).toEqual(await answerTo(name, refuses));
      expect(await answerTo(name, undefined, 1_000, true)).toEqual(await answerTo(name, undefined, 1_000));
    }
  });

  it('stays as it is, unless the handler owns it', async () => {
    const event = eventOf(good);
    await processHandler(new Scene(pipeline).ports, pipeline)(event, {
      getRemainingTimeInMillis: () => 60_000,
    });
    expect(event).toEqual(eventOf(good));
  });
});

it('an event of two streams is refused whoever owns it, and stays as it is', async () => {
  const { pipeline, good } = EVENTS['kinesis'] as Events;
  for (const owned of [false, true]) {
    const { Records } = eventOf(good);
    const event = {
      Records: [...Records, { ...Records[0], eventSourceARN: 'arn:aws:kinesis:us-east-1:1:stream/other' }],
    };
    const handler = processHandler(new Scene(pipeline).ports, pipeline, owned);
    await expect(handler(event, { getRemainingTimeInMillis: () => 60_000 })).rejects.toThrow('of one source');
    expect(event.Records).toHaveLength(13);
  }
});

it.each(['kinesis', 'sqs', 'dynamodb'])(
  'an event of %s is empty once the handler that owns it has read it',
  async (name) => {
    const { pipeline, good, more = {} } = EVENTS[name] as Events;
    const event = eventOf(good);
    const handler = processHandler(new Scene(pipeline).ports, pipeline, true);
    const answer = handler(event, { getRemainingTimeInMillis: () => 60_000 });
    expect(event.Records).toEqual([]);
    expect(await answer).toEqual({ batchItemFailures: [], ...more });
  },
);
