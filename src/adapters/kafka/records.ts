import { loggable } from '../../core/loggable.ts';
import { positionOf } from '../../core/position.ts';
import { type EpochMillis, isInstant } from '../../core/time.ts';
import { isTopic } from '../../pipeline/sources/kafka.ts';
import { type ColumnRecord, onlySource, SourceColumns, type SourceRecord } from '../../ports/source.ts';

/** The event that Lambda passes to a consumer of a topic, from Amazon MSK or any other cluster. */
export interface KafkaEvent {
  /** The cluster's ARN, if it is a cluster of Amazon MSK. */
  readonly eventSourceArn?: string;
  /** `host:port,host:port`, as the event source mapping has them. */
  readonly bootstrapServers?: string;
  /** The records by topic and partition (`topic-0`), in the order of their offsets. */
  readonly records: { readonly [partition: string]: readonly KafkaRecord[] };
}

interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /**
   * Milliseconds since the epoch, by the producer's clock (`CREATE_TIME`) or the broker's
   * (`LOG_APPEND_TIME`).
   */
  readonly timestamp: number;
  readonly timestampType?: string;
  /** In Base64, as the value is. */
  readonly key?: string | null;
  /** Null for a tombstone. */
  readonly value?: string | null;
}

/** Tells Lambda from where it is to read a partition again. */
export interface KafkaItem {
  readonly partition: string;
  readonly offset: number;
}

/**
 * Returns the records of an event. Each partition is a lineage. Tombstones are left out, as they have no
 * content to take in.
 *
 * @throws TypeError when the event does not have that form
 */
export function recordsOf(event: KafkaEvent): readonly ColumnRecord[] {
  if (typeof event?.records !== 'object' || event.records === null) {
    throw loggable(
      new TypeError('Cannot read the event as it must be a Kafka event: it has no object "records"'),
    );
  }
  const partitions = Object.values(event.records);
  if (!partitions.every(Array.isArray)) {
    throw loggable(
      new TypeError('Cannot read a partition as it must be of a Kafka event: it is no list of records'),
    );
  }
  const records = partitions.flat();
  const columns = new SourceColumns(records.length, 'base64');
  let before: KafkaRecord | undefined;
  let lineage = '';
  for (const record of records) {
    const { topic, partition, offset, timestamp, key, value } = checked(record, before);
    if (!isOfPartition(record, before)) lineage = `${topic}/${partition}`;
    before = record;
    if (typeof value !== 'string') continue;
    // A producer may send a timestamp that is no instant. With 0 instead, any event time lies in the
    // future, so that the record is refused, where an error would hold up its partition.
    const arrival = (isInstant(timestamp) ? timestamp : 0) as EpochMillis;
    columns.add(lineage, positionOf(String(offset)), arrival, key ?? '', value, 'base64');
  }
  return columns.records;
}

/** Lets go of an event whose records were read, as nothing of them refers to it. */
export function letGo({ records }: KafkaEvent): void {
  for (const partition of Object.values(records)) (partition as KafkaRecord[]).length = 0;
}

/**
 * Returns the topic of an event's records, as `<cluster>/<topic>`; undefined for an event without records. A
 * cluster is named by its ARN or, where it has none, by its servers. An event that names neither, as only one
 * made by hand does, has no topic.
 *
 * @throws RangeError when the records are from several topics
 */
export function sourceOf({ eventSourceArn, bootstrapServers, records }: KafkaEvent): string | undefined {
  const cluster = eventSourceArn ?? bootstrapServers?.split(',').toSorted().join();
  if (!cluster) return undefined;
  const topics: string[] = [];
  for (const partition of Object.values(records)) {
    for (const { topic } of partition) if (topic !== topics.at(-1)) topics.push(topic);
  }
  return onlySource(topics.map((topic) => `${cluster}/${topic}`));
}

/** Tells whether a record is of the partition of another. */
const isOfPartition = ({ topic, partition }: KafkaRecord, other: KafkaRecord | undefined): boolean =>
  other !== undefined && topic === other.topic && partition === other.partition;

/** @param before the record before, which was checked */
function checked(record: KafkaRecord, before: KafkaRecord | undefined): KafkaRecord {
  const { topic, partition, offset, timestamp, key, value } = record;
  if (
    !(isOfPartition(record, before) || (isTopic(topic) && isOrdinal(partition))) ||
    !isOrdinal(offset) ||
    typeof timestamp !== 'number' ||
    !isText(key) ||
    !isText(value)
  ) {
    throw loggable(
      new TypeError(
        'Cannot read a record as it must be of a Kafka event: its "topic", "partition", "offset", ' +
          '"timestamp", "key" or "value" is of another form',
      ),
    );
  }
  return record;
}

const isOrdinal = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const isText = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === 'string';

/**
 * Returns, for each partition, the first record to redeliver. Lambda reads the partition again from its
 * offset.
 */
export function responseOf(again: readonly SourceRecord[]): {
  readonly batchItemFailures: readonly { readonly itemIdentifier: KafkaItem }[];
} {
  const lowest = new Map<string, SourceRecord>();
  for (const record of again) if (!lowest.has(record.lineage)) lowest.set(record.lineage, record);
  return {
    batchItemFailures: [...lowest.values()].map(({ lineage, position }) => ({
      itemIdentifier: { partition: lineage.replace('/', '-'), offset: Number(position) },
    })),
  };
}
