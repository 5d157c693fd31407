import type { KinesisStreamEvent, SQSEvent } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { recordsOf as recordsOfStream } from '../../src/adapters/kinesis/records.ts';
import { recordsOf as recordsOfGroups } from '../../src/adapters/sqs/fifo.ts';
import { recordsOf as recordsOfQueue } from '../../src/adapters/sqs/standard.ts';
import { deliver } from '../../src/testing.ts';

const bodiesOf = (event: unknown) => (event as SQSEvent).Records.map(({ body }) => JSON.parse(body));
const failing = (bad: unknown) => async (event: unknown) => ({
  batchItemFailures: (event as SQSEvent).Records.flatMap(({ body, messageId }) =>
    JSON.parse(body) === bad ? [{ itemIdentifier: messageId }] : [],
  ),
});
const takesAll = async () => undefined;

describe('a handler that records are delivered to', () => {
  it.each([
    ['kinesis', recordsOfStream],
    ['sqs', recordsOfQueue],
    ['fifo', recordsOfGroups],
  ] as const)('gets events that its adapter reads: of %s', async (source, recordsOf) => {
    const texts: string[] = [];
    const { done, batches } = await deliver(
      async (event) => {
        for (const { data } of recordsOf(event as never)) texts.push(Buffer.from(data).toString());
      },
      { source, batchSize: 2 },
      [{ a: 1 }, 'ä', new Uint8Array([123])],
    );
    expect(texts).toEqual(['{"a":1}', '"ä"', '{']);
    expect(batches).toEqual([[0, 1], [2]]);
    expect(done).toEqual([0, 1, 2]);
  });

  it('gets a shard from the lowest record on that it names', async () => {
    const calls: number[] = [];
    const { batches, done } = await deliver(
      async (event) => {
        const { Records } = event as KinesisStreamEvent;
        if (calls.push(Records.length) > 1) return { batchItemFailures: [] };
        return {
          batchItemFailures: [3, 2].map((at) => ({ itemIdentifier: Records[at]?.kinesis.sequenceNumber })),
        };
      },
      { source: 'kinesis', batchSize: 4 },
      [0, 1, 2, 3, 4],
    );
    expect(batches).toEqual([[0, 1, 2, 3], [2, 3], [4]]);
    expect(done).toEqual([0, 1, 2, 3, 4]);
  });

  it('is not asked for answers where the mapping does not report them', async () => {
    const { batches, done } = await deliver(failing('b'), { source: 'sqs', reportBatchItemFailures: false }, [
      'a',
      'b',
    ]);
    expect({ batches, done }).toEqual({ batches: [[0, 1]], done: [0, 1] });
  });

  it('gets a message again after its visibility timeout until it is a dead letter; the others are gone', async () => {
    const { batches, done, dead } = await deliver(failing('b'), { source: 'sqs', maxReceives: 3 }, [
      'a',
      'b',
      'c',
    ]);
    expect(batches).toEqual([[0, 1, 2], [1], [1]]);
    expect({ done, dead }).toEqual({ done: [0, 2], dead: [1] });
  });

  it('gets each message group in order, also where a message of it fails', async () => {
    const seen: unknown[] = [];
    let calls = 0;
    const { done } = await deliver(
      async (event) => {
        if (calls++ === 0) throw new Error('thrown in this test');
        seen.push(...bodiesOf(event));
      },
      { source: 'fifo', batchSize: 3, partitionKey: (record) => String(record).slice(0, 1) },
      ['a1', 'b1', 'a2', 'b2', 'a3', 'a4'],
    );
    for (const group of ['a', 'b']) {
      const ofGroup = seen.filter((record) => String(record).startsWith(group));
      expect(ofGroup).toEqual([...ofGroup].sort());
    }
    expect([...done].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('gets what passes a filter alone', async () => {
    const { batches, filtered } = await deliver(
      takesAll,
      {
        source: 'kinesis',
        filters: [{ data: { site: ['north'] } }, { data: { celsius: [{ numeric: ['>', 20] }] } }],
      },
      [{ site: 'north' }, { site: 'south', celsius: 20 }, { celsius: 21 }, new Uint8Array([255])],
    );
    expect({ batches, filtered }).toEqual({ batches: [[0, 2]], filtered: [1, 3] });
  });

  it('has what it cannot take given up with its payload, and the records after it go on', async () => {
    const { discarded, done } = await deliver(
      async (event) => {
        const [first] = (event as KinesisStreamEvent).Records;
        if (first?.kinesis.sequenceNumber === '0') throw new Error('thrown in this test');
      },
      { source: 'kinesis', batchSize: 1, retries: 1 },
      ['bad', 'good'],
    );
    expect(done).toEqual([1]);
    expect(discarded).toMatchObject([
      { records: [0], object: { body: { requestContext: { approximateInvokeCount: 2 } } } },
    ]);
    const { payload } = discarded[0]?.object.body ?? {};
    expect(
      recordsOfStream(JSON.parse(payload ?? '')).map(({ data }) => Buffer.from(data).toString()),
    ).toEqual(['"bad"']);
  });

  it('is called 10,000 times at most', async () => {
    const throws = async () => {
      throw new Error('thrown in this test');
    };
    await expect(deliver(throws, { source: 'kinesis' }, ['a'])).rejects.toThrow(
      'Cannot deliver on as the handler must take its records at some time: it was called 10,000 times; give retries, maxAge or maxReceives',
    );
  });

  it('is called by settings that Lambda would take', async () => {
    await expect(deliver(takesAll, { source: 'fifo', batchSize: 11 }, [])).rejects.toThrow(
      'Cannot map a queue with a batchSize of 11 as it must be a whole number from 1 to 10',
    );
    await expect(deliver(takesAll, { source: 'sqs', bisects: true } as never, [])).rejects.toThrow(TypeError);
  });
});
