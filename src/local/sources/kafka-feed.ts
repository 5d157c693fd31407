import { createHash } from 'node:crypto';
import type { KafkaClient, SentRecord } from '../servers/index.ts';

/** How many records one request sends, and how many bytes: a broker takes batches of a megabyte by default. */
const MAX_CALL_RECORDS = 500;
export const MAX_SENT_BYTES = 1_000_000;

/** Sends records to a topic in order, each at most once, even across a restart. */
interface TopicFeed {
  /** @returns whether the topic already holds this record, the next one of the input */
  holds(key: string, data: Uint8Array): boolean;
  /** @returns whether the record was taken: false when it is too large */
  send(key: string, data: Uint8Array): Promise<boolean>;
  flush(): Promise<void>;
  /** How many records the topic held when the feed was opened. */
  readonly held: number;
  /** How many of those the input has been found to begin with. */
  readonly resumed: number;
  /** For each partition, the offset after the last record that the topic holds. */
  readonly ends: ReadonlyMap<number, number>;
}

/**
 * Opens a feed that goes on where an earlier one stopped. A topic keeps the order of each partition, so the
 * records that a partition holds must be those that the input began with.
 *
 * @throws Error from `holds`, when the topic holds other records than the input began with
 */
export async function openTopicFeed(
  client: KafkaClient,
  topic: string,
  partitions: readonly number[],
): Promise<TopicFeed> {
  const digests = await digestsIn(client, topic);
  const bounds = [...(await client.bounds(topic))];
  const ends = new Map(bounds.map(([partition, { end }]) => [partition, end]));
  const skipped = new Map<number, number>();
  let batch: SentRecord[] = [];
  let batchBytes = 0;
  let resumed = 0;
  const flush = async (): Promise<void> => {
    const sent = await client.send(topic, batch);
    for (const [partition, offset] of sent) ends.set(partition, offset + 1);
    batch = [];
    batchBytes = 0;
  };
  return {
    flush,
    held: [...digests.values()].reduce((total, { length }) => total + length, 0),
    get resumed() {
      return resumed;
    },
    ends,
    holds(key, data) {
      if (bytesOf(key, data) > MAX_SENT_BYTES) return false;
      const partition = client.partitionOf(key, partitions);
      const at = skipped.get(partition) ?? 0;
      const digest = digests.get(partition)?.[at];
      if (digest === undefined) return false;
      skipped.set(partition, at + 1);
      if (digest !== digestOf(data)) {
        throw new Error(
          `Cannot go on as the topic must hold what the input begins with: record ${at + 1} of partition ${partition} of ${topic} is another`,
        );
      }
      resumed++;
      return true;
    },
    async send(key, data) {
      const bytes = bytesOf(key, data);
      if (bytes > MAX_SENT_BYTES) return false;
      if (batch.length === MAX_CALL_RECORDS || batchBytes + bytes > MAX_SENT_BYTES) await flush();
      batch.push({ partition: client.partitionOf(key, partitions), key, value: data });
      batchBytes += bytes;
      return true;
    },
  };
}

const bytesOf = (key: string, data: Uint8Array): number => data.length + Buffer.byteLength(key);

const READ_BYTES = 8 * 1_048_576;

/** Reads a topic to its end, and keeps a digest of each record, by partition. */
async function digestsIn(client: KafkaClient, topic: string): Promise<ReadonlyMap<number, number[]>> {
  const digests = new Map<number, number[]>();
  const bounds = await client.bounds(topic);
  const next = new Map([...bounds].map(([partition, { first }]) => [partition, first]));
  const isBehind = () => [...bounds].some(([partition, { end }]) => (next.get(partition) as number) < end);
  while (isBehind()) {
    for (const { partition, records, next: to } of await client.fetch(topic, next, READ_BYTES)) {
      next.set(partition, to);
      const kept = digests.get(partition) ?? [];
      digests.set(partition, kept);
      for (const { value } of records) kept.push(digestOf(value ?? Buffer.alloc(0)));
    }
  }
  return digests;
}

/** The first 48 bits of a record's MD5, as a number. */
const digestOf = (data: Uint8Array): number => createHash('md5').update(data).digest().readUIntBE(0, 6);
