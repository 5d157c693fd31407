import { setTimeout as delay } from 'node:timers/promises';
import { type KinesisClient, ListShardsCommand, type _Record as StreamRecord } from '@aws-sdk/client-kinesis';
import type { KinesisStreamRecord } from 'aws-lambda';
import type { BatchAnswer } from '../../handlers.ts';
import { readShard } from './kinesis-shard.ts';
import type { Handle } from './source.ts';

export interface EventSource {
  /** Looks for records now instead of at the next poll. */
  wake(): void;
  /** Settles once every shard has been read, and the handler has answered for it, up to its position. */
  reached(positions: ReadonlyMap<string, string>): Promise<void>;
  /** Lets the batches under way end, and starts no others. */
  stop(): Promise<void>;
}

const POLL_MILLIS = 200;
const FIRST_RETRY_MILLIS = 50;
const LAST_RETRY_MILLIS = 5_000;

/**
 * Stands in for Lambda's event source mapping of a Kinesis stream. One batch per shard is in flight, from the
 * oldest record on. After a partial failure, the batch is delivered again from the lowest position that the
 * handler names; after an error, the whole batch is delivered again. This goes on for ever.
 *
 * The mapping keeps no checkpoint: when it is started again it delivers everything again, which must change
 * nothing.
 */
export async function startEventSource(
  client: KinesisClient,
  stream: string,
  consume: Handle,
  { batchSize, onError }: { readonly batchSize: number; readonly onError: (error: unknown) => void },
): Promise<EventSource> {
  const stopping = new AbortController();
  const done = new Map<string, bigint>();
  const waiting = new Set<() => void>();
  let wakeUp = new AbortController();
  const shards = new Map<string, Promise<void>>();

  const pause = async (): Promise<void> => {
    const { signal } = wakeUp;
    await delay(POLL_MILLIS, undefined, { signal: AbortSignal.any([signal, stopping.signal]) }).catch(
      () => undefined,
    );
  };

  const deliver = async (shard: string, records: readonly StreamRecord[]): Promise<void> => {
    let pending = records;
    for (let retry = FIRST_RETRY_MILLIS; pending.length > 0 && !stopping.signal.aborted; ) {
      try {
        const event = { Records: pending.map((record) => eventRecord(stream, shard, record)) };
        const next = firstToRetry(pending, await consume(JSON.parse(JSON.stringify(event))));
        if (next > 0) retry = FIRST_RETRY_MILLIS;
        pending = pending.slice(next);
      } catch (error) {
        onError(error);
      }
      const last = records.at(records.length - pending.length - 1);
      if (last && pending.length < records.length) done.set(shard, BigInt(last.SequenceNumber as string));
      for (const check of waiting) check();
      if (pending.length === 0) return;
      await delay(retry, undefined, { signal: stopping.signal }).catch(() => undefined);
      retry = Math.min(2 * retry, LAST_RETRY_MILLIS);
    }
  };

  const follow = async (shard: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        for await (const records of readShard(client, stream, shard, batchSize)) {
          await deliver(shard, records);
          if (records.length === 0) await pause();
          if (stopping.signal.aborted) return;
        }
        return await discover();
      } catch (error) {
        onError(error);
        await delay(LAST_RETRY_MILLIS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };

  const discover = async (): Promise<void> => {
    const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
    for (const { ShardId } of Shards) {
      const shard = ShardId as string;
      if (!shards.has(shard)) shards.set(shard, follow(shard));
    }
  };
  await discover();

  return {
    wake() {
      wakeUp.abort();
      wakeUp = new AbortController();
    },
    reached: (positions) =>
      new Promise((resolve) => {
        const check = () => {
          for (const [shard, position] of positions) if ((done.get(shard) ?? -1n) < BigInt(position)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    async stop() {
      stopping.abort();
      await Promise.all(shards.values());
    },
  };
}

/** The index of the first record to deliver again; the length of the batch when all of it is done. */
function firstToRetry(records: readonly StreamRecord[], response: BatchAnswer): number {
  const named = new Set<unknown>(
    (response.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier),
  );
  if (named.size === 0) return records.length;
  // A name that is not in the batch fails the whole batch.
  return Math.max(
    0,
    records.findIndex(({ SequenceNumber }) => named.has(SequenceNumber as string)),
  );
}

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';

const eventRecord = (stream: string, shard: string, record: StreamRecord): KinesisStreamRecord => ({
  eventID: `${shard}:${record.SequenceNumber}`,
  eventName: 'aws:kinesis:record',
  eventVersion: '1.0',
  eventSource: 'aws:kinesis',
  eventSourceARN: `arn:aws:kinesis:${REGION}:${ACCOUNT}:stream/${stream}`,
  awsRegion: REGION,
  invokeIdentityArn: `arn:aws:iam::${ACCOUNT}:role/millrace-local`,
  kinesis: {
    kinesisSchemaVersion: '1.0',
    partitionKey: record.PartitionKey as string,
    sequenceNumber: record.SequenceNumber as string,
    data: Buffer.from(record.Data as Uint8Array).toString('base64'),
    approximateArrivalTimestamp: (record.ApproximateArrivalTimestamp as Date).getTime() / 1_000,
  },
});
