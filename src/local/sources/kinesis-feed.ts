import { createHash } from 'node:crypto';
import {
  type KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
  type PutRecordsRequestEntry,
} from '@aws-sdk/client-kinesis';
import { readShard } from './kinesis-shard.ts';

/** The bounds that Kinesis sets on one PutRecords call, and on one record: its data and its partition key. */
const MAX_CALL_RECORDS = 500;
const MAX_CALL_BYTES = 5 * 1_048_576;
export const MAX_PUT_BYTES = 1_048_576;

/** Sends records to a stream in order, each at most once, even across a restart. */
interface StreamFeed {
  /** @returns whether the stream already holds this record, the next one of the input */
  holds(partitionKey: string, data: Uint8Array): boolean;
  /** @returns whether the record was taken: false when it is too large for Kinesis */
  send(partitionKey: string, data: Uint8Array): Promise<boolean>;
  flush(): Promise<void>;
  /** How many records the stream held when the feed was opened. */
  readonly held: number;
  /** How many of those the input has been found to begin with. */
  readonly resumed: number;
  /** For each shard, the position of the last record that the stream holds. */
  readonly positions: ReadonlyMap<string, string>;
}

/**
 * Opens a feed that goes on where an earlier one stopped. A stream keeps the order of each shard, so the
 * records that a shard holds must be those that the input began with.
 *
 * @throws Error from `holds`, when the stream holds other records than the input began with
 */
export async function openStreamFeed(client: KinesisClient, stream: string): Promise<StreamFeed> {
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
  const shards = await Promise.all(
    Shards.map((shard) => readHeld(client, stream, shard.ShardId as string, shard)),
  );
  const positions = new Map(shards.flatMap(({ shard, end }) => (end === undefined ? [] : [[shard, end]])));
  let batch: PutRecordsRequestEntry[] = [];
  let batchBytes = 0;
  let resumed = 0;

  const flush = async (): Promise<void> => {
    for (let unsent = batch; unsent.length > 0; ) {
      const { Records = [] } = await client.send(
        new PutRecordsCommand({ StreamName: stream, Records: unsent }),
      );
      const refused = unsent.filter((_, at) => Records[at]?.ErrorCode !== undefined);
      for (const { ShardId, SequenceNumber } of Records)
        if (ShardId && SequenceNumber) positions.set(ShardId, SequenceNumber);
      unsent = refused;
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
      if (bytesOf(partitionKey, data) > MAX_PUT_BYTES) return false;
      const hash = BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);
      const shard = shards.find(({ first, last }) => hash >= first && hash <= last);
      if (shard === undefined || shard.skipped === shard.digests.length) return false;
      shard.skip(data);
      resumed++;
      return true;
    },
    async send(partitionKey, data) {
      const bytes = bytesOf(partitionKey, data);
      if (bytes > MAX_PUT_BYTES) return false;
      if (batch.length === MAX_CALL_RECORDS || batchBytes + bytes > MAX_CALL_BYTES) await flush();
      batch.push({ PartitionKey: partitionKey, Data: data });
      batchBytes += bytes;
      return true;
    },
  };
}

const bytesOf = (partitionKey: string, data: Uint8Array): number =>
  data.length + Buffer.byteLength(partitionKey);

/** Reads a shard to its end, and keeps a digest of each record. */
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

/** The first 48 bits of a record's MD5, as a number. */
const digestOf = (data: Uint8Array): number => createHash('md5').update(data).digest().readUIntBE(0, 6);
