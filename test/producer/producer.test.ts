import type { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { Packer, unpackRecords } from '../../src/adapters/kinesis/kpl.ts';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import { sqsSender } from '../../src/producer/sqs.ts';
import {
  kinesisProducer,
  type ParcelOutcome,
  producerFor,
  type Sender,
  sqsProducer,
} from '../../src/producer.ts';
import { FakeStream, type Fault, sceneOf } from './fake-stream.ts';

const ms = (length: number) => length as Millis;

/** Faults in turn, and the last of them for ever. */
const faults = (...list: readonly Fault[]) => {
  let at = 0;
  return () => list[Math.min(at++, list.length - 1)] as Fault;
};

/** Says whether a promise has settled by now. */
async function hasSettled(work: Promise<unknown>, clock: { turn(): Promise<void> }): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  work.then(note, note);
  await clock.turn();
  return settled;
}

describe('a record', () => {
  it('waits for others that are sent with it', async () => {
    const stream = new FakeStream(1);
    const { producer, clock } = sceneOf(stream, { slices: 1, linger: '100ms' });
    await producer.send({ key: 'a', data: '1' });
    clock.pass(ms(99));
    await producer.send({ key: 'b', data: '2' });
    await clock.turn();
    expect(stream.stored).toHaveLength(0);
    clock.pass(ms(1));
    await clock.turn();
    expect(stream.stored).toHaveLength(1);
    expect(stream.members.map(({ key, text }) => [key, text])).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });

  it('does not wait where a packed record is full', async () => {
    const stream = new FakeStream(1);
    const { producer, clock } = sceneOf(stream, { slices: 1, linger: '1d' });
    for (let at = 0; at < 3; at++) await producer.send({ key: 'a', data: 'x'.repeat(100_000) });
    await clock.turn();
    expect(stream.members).toHaveLength(2);
    expect(producer.progress).toMatchObject({ accepted: 3, taken: 2, settled: 2, buffered: 100_001 });
  });

  it('that is alone is sent as it is', async () => {
    const stream = new FakeStream(1);
    const { producer, during } = sceneOf(stream);
    await producer.send({ key: 'a', data: '1' });
    await during(producer.flush());
    expect(stream.stored).toMatchObject([{ partitionKey: 'a', data: Buffer.from('1') }]);
  });

  it('that is packed already is not packed again', async () => {
    const packer = new Packer();
    packer.add({ partitionKey: 'b', data: Buffer.from('2') });
    packer.add({ partitionKey: 'b', data: Buffer.from('3') });
    const stream = new FakeStream(1);
    const { producer, during } = sceneOf(stream, { slices: 1 });
    const datas = ['0', '1', packer.pack(), '4', '5'];
    for (const data of datas) await producer.send({ key: 'b', data });
    await during(producer.flush());
    expect(stream.members.map(({ text }) => text)).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(stream.stored).toHaveLength(3);
  });

  it('is refused where it is too large, and nothing else is', async () => {
    const stream = new FakeStream(1);
    const { producer, during } = sceneOf(stream);
    await expect(producer.send({ key: 'four', data: Buffer.alloc(1_048_573) })).rejects.toThrow(
      'Cannot send a record to stream readings as it must have at most 1048576 bytes: it has 1048577',
    );
    await producer.send({ key: 'four', data: Buffer.alloc(1_048_572) });
    await during(producer.flush());
    expect(stream.stored).toHaveLength(1);
  });

  it.each(['', 'k'.repeat(257)])('may have a key that no partition key can be', async (key) => {
    const stream = new FakeStream(1);
    const { producer, during } = sceneOf(stream);
    await producer.send({ key, data: '1' });
    await during(producer.flush());
    expect(stream.stored[0]?.partitionKey).toMatch(/^[0-9a-f]{32}$/);
  });

  it('carries the hash key that it was sent by, so that library consumers keep it', async () => {
    const stream = new FakeStream(1);
    const { producer, during } = sceneOf(stream, { slices: 2 });
    for (const key of ['a', 'b', 'c', 'd']) await producer.send({ key, data: '1' });
    await during(producer.flush());
    for (const { hashKey, data } of stream.stored) {
      for (const { explicitHashKey } of unpackRecords(data) ?? [])
        expect(explicitHashKey).toBe(String(hashKey));
    }
  });
});

describe('a sender that is too fast', () => {
  it('waits until there is room', async () => {
    const stream = new FakeStream(1, faults('throttled', 'none'));
    const { producer, clock } = sceneOf(stream, { slices: 1, maxBuffered: 10, linger: '0ms' });
    await producer.send({ key: 'a', data: '123456789' });
    const waiting = producer.send({ key: 'a', data: '1' });
    expect(await hasSettled(waiting, clock)).toBe(false);
    clock.pass(ms(100));
    expect(await hasSettled(waiting, clock)).toBe(true);
  });
});

describe('a slice that is throttled', () => {
  it('rests up to twice as long each time, by full jitter, and leaves the others alone', async () => {
    const stream = new FakeStream(1, faults('throttled'));
    const { producer, clock } = sceneOf(stream, { slices: 1, linger: '0ms', random: () => 0.999 });
    await producer.send({ key: 'a', data: '1' });
    for (const delay of [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]) {
      await clock.turn();
      const { parcels } = producer.progress;
      clock.pass(ms(Math.floor(0.99 * delay)));
      await clock.turn();
      expect(producer.progress.parcels).toBe(parcels);
      clock.pass(ms(Math.ceil(0.01 * delay)));
      await clock.turn();
      expect(producer.progress.parcels).toBe(parcels + 1);
    }
    expect(clock.alarms).toBe(1);
  });

  it('has the producer give up once it has been throttled for too long', async () => {
    const stream = new FakeStream(1, faults('throttled'));
    const { producer, clock, during } = sceneOf(stream, { patience: '1m' });
    await producer.send({ key: 'a', data: '1' });
    await expect(during(producer.flush())).rejects.toThrow(
      'Cannot send to stream readings as it must take records within 60 s: the last answer was ProvisionedThroughputExceededException; records not known to be taken: 1',
    );
    await expect(producer.send({ key: 'b', data: '2' })).rejects.toThrow('Cannot send to stream readings');
    expect(clock.alarms).toBe(0);
  });
});

describe('a producer', () => {
  it('gives up at once where sending again cannot help', async () => {
    const denied = Object.assign(new Error('not for you'), {
      name: 'AccessDeniedException',
      $metadata: { httpStatusCode: 400 },
    });
    const stream = new FakeStream(1, () => {
      throw denied;
    });
    const { producer, clock, during } = sceneOf(stream);
    await producer.send({ key: 'a', data: '1' });
    await expect(during(producer.close())).rejects.toThrow(
      'Cannot send to stream readings as it must take records: not for you; records not known to be taken: 1',
    );
    expect(clock.now()).toBe(0);
  });

  it('leaves no alarm behind that would keep the process alive once it has given up', async () => {
    const answers: ((outcomes: readonly ParcelOutcome[]) => void)[] = [];
    const clock = memoryClock(0 as EpochMillis);
    const sender: Sender = {
      target: 'somewhere',
      maxParcels: 1,
      maxBytes: 10,
      parcelBytes: 1,
      maxRecordBytes: 10,
      bytesOf: ({ data }) => data.length,
      laneOf: (key) => key,
      open: () => ({ bytes: 1, add: () => true }),
      send: () => new Promise((answer) => answers.push(answer)),
    };
    const producer = producerFor(sender, { patience: '1s' }, { clock, random: () => 0.5 });
    const refuse = async () => {
      answers.shift()?.([{ again: 'busy' }]);
      await clock.turn();
    };
    await producer.send({ key: 'a', data: '1' });
    await refuse();
    clock.pass(ms(1_000));
    await producer.send({ key: 'b', data: '1' });
    await refuse();
    await expect(producer.flush()).rejects.toThrow('within 1 s');
    await refuse();
    expect(clock.alarms).toBe(0);
  });

  it('takes nothing after it was closed, and closes twice', async () => {
    const { producer, during } = sceneOf(new FakeStream(1));
    await during(producer.close());
    await during(producer.close());
    await expect(producer.send({ key: 'a', data: '1' })).rejects.toThrow(
      'Cannot send to stream readings as the producer must be open: it was closed',
    );
  });

  it.each([
    [() => kinesisProducer({ stream: 's', slices: 3 }), 'Cannot cut the hash keys into 3 slices'],
    [() => kinesisProducer({ stream: 's', slices: 0.5 }), 'Cannot cut the hash keys into 0.5 slices'],
    [() => kinesisProducer({ stream: 's', linger: '1 s' as '1s' }), 'Cannot read "1 s" as a duration'],
    [() => kinesisProducer({ stream: 's', maxBuffered: 0 }), 'Cannot buffer 0 bytes'],
    [() => kinesisProducer({ stream: 's', shards: 3 } as never), 'Cannot send to a stream with "shards"'],
    [() => sqsProducer({ queueUrl: 'readings' }), 'Cannot send to the queue "readings" as queueUrl must be'],
    [() => sqsProducer({ queueUrl: 'u', groups: 3 } as never), 'Cannot send to a queue with "groups"'],
  ])('is refused where it is told nonsense: %#', (make, message) => {
    expect(make).toThrow(message);
  });
});

describe('a queue', () => {
  interface Taken {
    readonly body: string;
    readonly group: string | undefined;
    readonly deduplication: string | undefined;
  }

  function queueOf(url: string, refusals: readonly (readonly number[])[] = [], senderFault = false) {
    const taken: Taken[] = [];
    const batches: (readonly string[])[] = [];
    const ids = new Set<string | undefined>();
    const client = {
      async send({ input: { Entries = [] } }: SendMessageBatchCommand) {
        const refused = refusals[batches.length] ?? [];
        batches.push(Entries.map(({ MessageBody = '' }) => MessageBody));
        const isRefused = (_: unknown, at: number) => refused.includes(at);
        for (const [at, entry] of Entries.entries()) {
          ids.add(entry.MessageDeduplicationId);
          if (refused.includes(at)) continue;
          taken.push({
            body: entry.MessageBody ?? '',
            group: entry.MessageGroupId,
            deduplication: entry.MessageDeduplicationId,
          });
        }
        return {
          Successful: Entries.filter((_, at) => !refused.includes(at)).map(({ Id }) => ({ Id })),
          Failed: Entries.filter(isRefused).map(({ Id }) => ({ Id, Code: 'Slow', SenderFault: senderFault })),
        };
      },
    } as unknown as SQSClient;
    const clock = memoryClock(0 as EpochMillis);
    const producer = producerFor(sqsSender(client, url, 'run'), {}, { clock, random: () => 0.5 });
    const flush = async () => {
      const work = producer.flush();
      while (!(await hasSettled(work, clock))) clock.pass(ms(50));
      return work;
    };
    return { producer, taken, batches, ids, flush };
  }

  it('takes ten messages a request', async () => {
    const { producer, batches, taken, flush } = queueOf('https://queues/readings');
    for (let at = 0; at < 25; at++) await producer.send({ key: 'a', data: `${at}` });
    await flush();
    expect(taken).toHaveLength(25);
    expect(taken[0]).toMatchObject({ group: undefined, deduplication: undefined });
    expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(10);
  });

  it('that is FIFO keeps the order of each group, and sends what it refused by the same id', async () => {
    const { producer, taken, batches, ids, flush } = queueOf('https://queues/readings.fifo', [[0], [], [0]]);
    for (let at = 0; at < 12; at++) await producer.send({ key: at % 3 ? 'a' : 'a long key', data: `${at}` });
    await flush();
    const ofGroup = (group: string | undefined) =>
      taken.filter((message) => message.group === group).map(({ body }) => Number(body));
    expect(ofGroup('a')).toEqual([1, 2, 4, 5, 7, 8, 10, 11]);
    expect(ofGroup(taken.find(({ body }) => body === '0')?.group)).toEqual([0, 3, 6, 9]);
    expect(ids.size).toBe(12);
    expect(batches.flat()).toHaveLength(14);
  });

  it('that is FIFO knows a record by its own id', async () => {
    const { producer, taken, flush } = queueOf('https://queues/readings.fifo');
    await producer.send({ key: 'a', data: '1', id: 'reading 7' });
    await producer.send({ key: 'b', data: '1', id: 'reading-8' });
    await flush();
    expect(taken.map(({ deduplication }) => deduplication)).toEqual([
      expect.stringMatching(/^[0-9a-f]{64}$/),
      'reading-8',
    ]);
  });

  it.each([
    ['that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['with a control character', '{\u0001}'],
    ['of none', ''],
  ])('takes no message of bytes %s, which it would change or refuse with all others', async (_, data) => {
    const { producer, taken, flush } = queueOf('https://queues/readings');
    await expect(producer.send({ key: 'a', data })).rejects.toThrow(
      'Cannot send a record to queue readings as it must be text in UTF-8, not empty and without control characters',
    );
    await producer.send({ key: 'a', data: '{"where":"\u00fcber 🏭"}\n' });
    await flush();
    expect(taken.map(({ body }) => body)).toEqual(['{"where":"\u00fcber 🏭"}\n']);
  });

  it('that refuses a message for good has the producer give up', async () => {
    const { producer, flush } = queueOf('https://queues/readings', [[0]], true);
    await producer.send({ key: 'a', data: '1' });
    await expect(flush()).rejects.toThrow(
      'Cannot send to queue readings as it must take records: it refused a message as Slow',
    );
  });
});
