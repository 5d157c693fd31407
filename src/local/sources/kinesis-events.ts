import { setTimeout as delay } from 'node:timers/promises';
import { type KinesisClient, ListShardsCommand, type _Record as StreamRecord } from '@aws-sdk/client-kinesis';
import type { KinesisStreamRecord } from 'aws-lambda';
import type { EpochMillis } from '../../core/time.ts';
import type { RunClock } from '../clock.ts';
import { type ShardMachine, Shards, type StreamItem, type StreamMapping } from '../mapping/stream.ts';
import { drain, type GivenUpStep, outcomeOf, steadyTime } from './drain.ts';
import type { Failures } from './failures.ts';
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
const AFTER_ERROR_MILLIS = 5_000;

/**
 * Stands in for Lambda's event source mapping of a Kinesis stream, by the rules of `ShardMachine`, from the
 * oldest record on. What it gives up goes to the failures bucket.
 *
 * The mapping keeps no checkpoint but of what it gave up: when it is started again it delivers everything after that
 * again, which must change nothing.
 */
export async function startEventSource(
  client: KinesisClient,
  stream: string,
  consume: Handle,
  { mapping, failures, clock, onError }: EventSourceOptions,
): Promise<EventSource> {
  const stopping = new AbortController();
  const done = new Map<string, bigint>();
  const waiting = new Set<() => void>();
  let wakeUp = new AbortController();
  const following = new Map<string, Promise<void>>();

  const pause = async (): Promise<void> => {
    const { signal } = wakeUp;
    await delay(POLL_MILLIS, undefined, { signal: AbortSignal.any([signal, stopping.signal]) }).catch(
      () => undefined,
    );
  };

  const shards = new Shards<Item>(mapping);

  const eventOf = (shard: string, batch: readonly Item[]): unknown => {
    const event = { Records: batch.map(({ record }) => eventRecord(stream, shard, record)) };
    return JSON.parse(JSON.stringify(event));
  };

  /** Puts what was given up into the failures bucket, however often it takes. */
  const giveUp = async (shard: string, step: GivenUpStep<StreamItem>, event: unknown): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        return await failures.put(shard, step, event);
      } catch (error) {
        onError(error);
        await delay(AFTER_ERROR_MILLIS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };

  const drainShard = (shard: string, machine: ShardMachine<Item>): Promise<void> =>
    drain(machine, {
      invoke: (batch) => outcomeOf(consume(eventOf(shard, batch)), onError),
      giveUp: (step) => {
        const batch = step.batch.map(({ stamp, ...item }) => ({ ...item, arrival: stamp }));
        return giveUp(shard, { ...step, batch }, eventOf(shard, step.batch));
      },
      reached: ({ identifier }) => {
        done.set(shard, BigInt(identifier));
        for (const check of waiting) check();
      },
      signal: stopping.signal,
    });

  const follow = async (shard: string, machine: ShardMachine<Item>): Promise<void> => {
    let last = failures.last(shard);
    if (last !== undefined) done.set(shard, BigInt(last));
    while (!stopping.signal.aborted) {
      try {
        while (!shards.isReadable(shard) && !stopping.signal.aborted) await pause();
        for await (const records of readShard(client, stream, shard, mapping.batchSize, last)) {
          last = records.at(-1)?.SequenceNumber ?? last;
          machine.offer(
            records.map((record) => itemOf(record, clock)),
            steadyTime(),
          );
          await drainShard(shard, machine);
          if (records.length === 0) await pause();
          if (stopping.signal.aborted) return;
        }
        shards.end(shard);
        return await discover();
      } catch (error) {
        onError(error);
        await delay(AFTER_ERROR_MILLIS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };

  const discover = async (): Promise<void> => {
    const { Shards: found = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
    for (const { ShardId = '', ParentShardId, AdjacentParentShardId } of found) {
      if (following.has(ShardId)) continue;
      const parents = [ParentShardId, AdjacentParentShardId].filter((parent) => parent !== undefined);
      following.set(ShardId, follow(ShardId, shards.open(ShardId, parents)));
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
      await Promise.all(following.values());
    },
  };
}

interface EventSourceOptions {
  readonly mapping: StreamMapping;
  readonly failures: Failures;
  readonly clock: Pick<RunClock, 'now'>;
  readonly onError: (error: unknown) => void;
}

/** A record as the mapping has it. */
interface Item extends StreamItem {
  readonly identifier: string;
  /** Its arrival by the run's clock. That of the mapping is by the clock that the mapping goes by. */
  readonly stamp: EpochMillis;
  readonly record: StreamRecord;
}

/** What an event has for each record beside its data, roughly. */
const ENVELOPE_BYTES = 700;

function itemOf(record: StreamRecord, clock: Pick<RunClock, 'now'>): Item {
  const stamp = record.ApproximateArrivalTimestamp?.getTime() as EpochMillis;
  return {
    identifier: record.SequenceNumber as string,
    stamp,
    arrival: (steadyTime() - Math.max(0, clock.now() - stamp)) as EpochMillis,
    bytes: Math.ceil(((record.Data?.length ?? 0) * 4) / 3) + ENVELOPE_BYTES,
    record,
  };
}

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';

/** The ARN of a stream, as events name it. */
export const streamArn = (stream: string): string => `arn:aws:kinesis:${REGION}:${ACCOUNT}:stream/${stream}`;

const eventRecord = (stream: string, shard: string, record: StreamRecord): KinesisStreamRecord => ({
  eventID: `${shard}:${record.SequenceNumber}`,
  eventName: 'aws:kinesis:record',
  eventVersion: '1.0',
  eventSource: 'aws:kinesis',
  eventSourceARN: streamArn(stream),
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
