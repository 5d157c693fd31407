import type { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { unpackRecords } from '../../src/adapters/kinesis/kpl.ts';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import { kinesisSender } from '../../src/producer/kinesis.ts';
import { type Producer, type ProducerSettings, producerFor } from '../../src/producer.ts';

/** What a stream does with a request, or with one of its entries. */
export type Fault = 'none' | 'throttled' | 'call refused' | 'answer lost' | 'entry refused';

export interface StoredRecord {
  readonly shard: string;
  readonly hashKey: bigint;
  readonly partitionKey: string;
  readonly data: Uint8Array;
}

/** The hash keys of a shard, the last one included. */
interface Shard {
  readonly name: string;
  readonly first: bigint;
  readonly last: bigint;
}

export const HASH_KEYS = 1n << 128n;

/** A stream in memory, which takes PutRecords as Kinesis does and fails as it is told. */
export class FakeStream {
  readonly stored: StoredRecord[] = [];
  readonly entries: number[] = [];
  #shards: Shard[];
  #generation = 0;
  readonly #nextFault: () => Fault;

  constructor(shards: number, nextFault: () => Fault = () => 'none') {
    this.#nextFault = nextFault;
    this.#shards = [];
    this.reshard(shards);
  }

  /** Closes all shards, and opens others in their places. */
  reshard(shards: number): void {
    const edge = (at: number) => (BigInt(at) * HASH_KEYS) / BigInt(shards);
    this.#generation++;
    this.#shards = Array.from({ length: shards }, (_, at) => ({
      name: `${this.#generation}/${at}`,
      first: edge(at),
      last: edge(at + 1) - 1n,
    }));
  }

  get client(): KinesisClient {
    const send = async ({ input }: PutRecordsCommand) => {
      await new Promise((answered) => setImmediate(answered));
      const fault = this.#nextFault();
      if (fault === 'call refused') throw named('ProvisionedThroughputExceededException', 400);
      const entries = input.Records ?? [];
      this.entries.push(entries.length);
      const Records = entries.map(({ PartitionKey = '', ExplicitHashKey, Data = new Uint8Array() }) => {
        const refused = fault === 'throttled' || (fault === 'entry refused' && this.#nextFault() !== 'none');
        if (refused)
          return { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'slow down' };
        const hashKey = BigInt(ExplicitHashKey ?? -1);
        const { name: shard } = this.#shards.find(
          ({ first, last }) => hashKey >= first && hashKey <= last,
        ) as Shard;
        this.stored.push({ shard, hashKey, partitionKey: PartitionKey, data: Data });
        return { ShardId: shard, SequenceNumber: String(this.stored.length) };
      });
      if (fault === 'answer lost') throw named('TimeoutError', undefined);
      return { FailedRecordCount: Records.filter(({ ErrorCode }) => ErrorCode).length, Records };
    };
    return { send } as unknown as KinesisClient;
  }

  /** All records, taken apart. */
  get members(): readonly { readonly shard: string; readonly key: string; readonly text: string }[] {
    return this.stored.flatMap(({ shard, partitionKey, data }) =>
      (unpackRecords(data) ?? [{ partitionKey, data }]).map((member) => ({
        shard,
        key: member.partitionKey,
        text: Buffer.from(member.data).toString(),
      })),
    );
  }
}

const named = (name: string, httpStatusCode: number | undefined): Error =>
  Object.assign(new Error(`${name} of the test`), { name, $metadata: { httpStatusCode } });

export interface Scene {
  readonly producer: Producer;
  readonly clock: ReturnType<typeof memoryClock>;
  /** Lets time pass until the work is done. */
  during<Result>(work: Promise<Result>): Promise<Result>;
}

export function sceneOf(
  stream: FakeStream,
  {
    slices = 4,
    random = () => 0.5,
    ...settings
  }: ProducerSettings & { readonly slices?: number; readonly random?: () => number } = {},
): Scene {
  const clock = memoryClock(0 as EpochMillis);
  const producer = producerFor(kinesisSender(stream.client, 'readings', slices), settings, { clock, random });
  return {
    producer,
    clock,
    async during(work) {
      let isDone = false;
      const done = () => {
        isDone = true;
      };
      work.then(done, done);
      await clock.turn();
      while (!isDone) {
        clock.pass(50 as Millis);
        await clock.turn();
      }
      return work;
    },
  };
}
