import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { flights } from '../../../functions/flights/pipeline.ts';
import { processHandler } from '../../../src/handlers.ts';
import { count, definePipeline, dynamodbStream, type Pipeline, sum, tumbling } from '../../../src/index.ts';
import type { Ports } from '../../../src/ports/index.ts';
import { groupLogPrefix } from '../../../src/wiring/names.ts';
import { Scene } from '../scene.ts';

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

/** A source's events as Lambda documents them, and what a handler is to count of each. */
interface Events {
  readonly pipeline: Pipeline;
  readonly good: string;
  readonly counted: object;
  readonly poison: string;
  readonly poisoned: object;
  readonly empty: string;
  /** A key of the good event, and where its first record stands. */
  readonly stuck: string;
  readonly place: number;
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
    place: 1,
  },
  dynamodb: {
    pipeline: orders,
    good: 'dynamodb-orders',
    counted: { received: 5, applied: 4, filtered: 1 },
    poison: 'dynamodb-poison',
    poisoned: { received: 3, applied: 1, poison: 2 },
    empty: 'dynamodb-empty',
    stuck: 'bob',
    place: 1,
    more: { state: {} },
  },
};

const eventOf = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/events/${name}.json`, import.meta.url), 'utf8')) as {
    readonly Records: readonly Record<string, { readonly [field: string]: string }>[];
  };

const positionAt = (name: string, at: number): string => {
  const { kinesis, dynamodb } = eventOf(name).Records[at] ?? {};
  return kinesis?.['sequenceNumber'] ?? dynamodb?.['SequenceNumber'] ?? '';
};

describe.each(Object.entries(EVENTS))('an event of %s', (_, events) => {
  const { pipeline, good, stuck, place, more = {} } = events;

  async function answerTo(
    name: string,
    refuses: (call: string, log: string) => boolean = () => false,
    left = 60_000,
  ) {
    const scene = new Scene(pipeline);
    const ports: Ports = scene.refusing(refuses);
    const answer = await processHandler(ports, pipeline)(eventOf(name), {
      getRemainingTimeInMillis: () => left,
    });
    return { answer, counted: scene.ports.telemetry.counted };
  }

  const failed = (...positions: readonly string[]) => ({
    batchItemFailures: positions.map((itemIdentifier) => ({ itemIdentifier })),
    ...more,
  });

  it('that is all taken in is answered by no failure', async () => {
    const { answer, counted } = await answerTo(good);
    expect(answer).toEqual(failed());
    expect(counted).toMatchObject(events.counted);
  });

  it('of which some is not in is answered by the first record that is not', async () => {
    const log = new Scene(pipeline).logOf(stuck);
    const { answer } = await answerTo(good, (call, name) => call === 'log.append' && name === log);
    expect(answer).toEqual(failed(positionAt(good, place)));
  });

  it('of which nothing is in is answered by its first record', async () => {
    const { answer } = await answerTo(
      good,
      (call, name) => call === 'log.append' && name.startsWith(groupLogPrefix(pipeline.name)),
    );
    expect(answer).toEqual(failed(positionAt(good, 0)));
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

  it('for which too little time is left is answered by its first record', async () => {
    const { answer, counted } = await answerTo(good, undefined, 1_000);
    expect(answer).toEqual(failed(positionAt(good, 0)));
    expect(counted.applied).toBe(0);
  });
});
