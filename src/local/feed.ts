import { createHash } from 'node:crypto';
import {
  type KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
  type PutRecordsRequestEntry,
} from '@aws-sdk/client-kinesis';
import { readShard } from './shard.ts';

/** Kinesis' bounds on one PutRecords call, and on one record: its data and its partition key. */
const MAX_CALL_RECORDS = 500;
const MAX_CALL_BYTES = 5 * 1_048_576;
const MAX_RECORD_BYTES = 1_048_576;

/** Sends records to a stream, in order, each at most once: also across a restart. */
export interface Feed {
  /** @returns whether the stream holds the record already, which is next in the input */
  holds(partitionKey: string, data: Uint8Array): boolean;
  /** @returns whether the stream takes a record of this size */
  send(partitionKey: string, data: Uint8Array): Promise<boolean>;
  flush(): Promise<void>;
  /** Records that the stream held at first, and those of the input among them. */
  readonly held: number;
  readonly resumed: number;
  /** Per shard, the position of the last record that the stream holds. */
  readonly positions: ReadonlyMap<string, string>;
}

/**
 * A feed that goes on where an earlier one stopped: a stream keeps the order of each shard, so what it holds of a
 * shard is what the input began with.
 *
 * @throws Error where it looks for a record, when the stream holds other records than the input began with
 */
export async function openFeed(client: KinesisClient, stream: string): Promise<Feed> {
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
  const shards = await Promise.all(
    Shards.map((shard) => readHeld(client, stream, shard.ShardId as string, shard)),
  );
  const positions = new Map(shards.flatMap(({ shard, end }) => (end === undefined ? [] : [[shard, end]])));
  let batch: PutRecordsRequestEntry[] = [];
  let batchBytes = 0;
  let resumed = 0;

  const flush = async (): Promise<void> => {
    for (let left = batch; left.length > 0; ) {
      const { Records = [] } = await client.send(
        new PutRecordsCommand({ StreamName: stream, Records: left }),
      );
      const refused = left.filter((_, at) => Records[at]?.ErrorCode !== undefined);
      for (const { ShardId, SequenceNumber } of Records)
        if (ShardId && SequenceNumber) positions.set(ShardId, SequenceNumber);
      left = refused;
    }
    batch = [];
    batchBytes = 0;
  };

  return {
    flush,
    held: shards.reduce((total, { digests }) => total + digests.length, 0),
    get resumed() {
      return resumed;
    },
    positions,
    holds(partitionKey, data) {
      if (bytesOf(partitionKey, data) > MAX_RECORD_BYTES) return false;
      const hash = BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);
      const held = shards.find(({ first, last }) => hash >= first && hash <= last);
      if (held === undefined || held.skipped === held.digests.length) return false;
      held.skip(data);
      resumed++;
      return true;
    },
    async send(partitionKey, data) {
      const bytes = bytesOf(partitionKey, data);
      if (bytes > MAX_RECORD_BYTES) return false;
      if (batch.length === MAX_CALL_RECORDS || batchBytes + bytes > MAX_CALL_BYTES) await flush();
      batch.push({ PartitionKey: partitionKey, Data: data });
      batchBytes += bytes;
      return true;
    },
  };
}

const bytesOf = (partitionKey: string, data: Uint8Array): number =>
  data.length + Buffer.byteLength(partitionKey);

/** What a shard holds already: a digest of each record. */
async function readHeld(
  client: KinesisClient,
  stream: string,
  shard: string,
  {
    HashKeyRange,
  }: {
    HashKeyRange?: { StartingHashKey: string | undefined; EndingHashKey: string | undefined } | undefined;
  },
) {
  const digests: number[] = [];
  let end: string | undefined;
  for await (const records of readShard(client, stream, shard)) {
    if (records.length === 0) break;
    for (const { Data, SequenceNumber } of records) {
      digests.push(digestOf(Data as Uint8Array));
      end = SequenceNumber;
    }
  }
  return {
    first: BigInt(HashKeyRange?.StartingHashKey ?? 0),
    last: BigInt(HashKeyRange?.EndingHashKey ?? 0),
    shard,
    end,
    digests,
    skipped: 0,
    skip(data: Uint8Array) {
      if (digestOf(data) !== digests[this.skipped++]) {
        throw new Error(
          `Cannot go on as the stream must hold what the input begins with: record ${this.skipped} of ${shard} is another`,
        );
      }
    },
  };
}

/** 48 bits, as a number. */
const digestOf = (data: Uint8Array): number => createHash('md5').update(data).digest().readUIntBE(0, 6);
