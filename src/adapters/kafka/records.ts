import { loggable } from '../../core/loggable.ts';
import { positionOf } from '../../core/position.ts';
import { type EpochMillis, isInstant } from '../../core/time.ts';
import { isTopic } from '../../pipeline/source.ts';
import { onlySource, type SourceRecord } from '../../ports/source.ts';

/** The event that Lambda hands to a consumer of a topic, of Amazon MSK or of any other cluster. */
export interface KafkaEvent {
  /** The cluster's ARN, where it is one of Amazon MSK. */
  readonly eventSourceArn?: string;
  /** `host:port,host:port`, as the mapping has them. */
  readonly bootstrapServers?: string;
  /** By topic and partition (`topic-0`), in the order of their offsets. */
  readonly records: { readonly [partition: string]: readonly KafkaRecord[] };
}

interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since the epoch: by the producer's clock (`CREATE_TIME`), or the broker's (`LOG_APPEND_TIME`). */
  readonly timestamp: number;
  readonly timestampType?: string;
  /** Base64, as the value. */
  readonly key?: string | null;
  /** Null for a tombstone. */
  readonly value?: string | null;
}

/** How a partition is told where it is read on. */
export interface KafkaItem {
  readonly partition: string;
  readonly offset: number;
}

/**
 * The records of each partition, which is a lineage. Tombstones are left out: they have no content to take in.
 *
 * @throws TypeError when the event is not of that form
 */
export function recordsOf(event: KafkaEvent): readonly SourceRecord[] {
  if (typeof event?.records !== 'object' || event.records === null) {
    throw loggable(
      new TypeError('Cannot read the event as it must be a Kafka event: it has no object "records"'),
    );
  }
  return Object.values(event.records).flatMap((records) => {
    if (!Array.isArray(records)) {
      throw loggable(
        new TypeError('Cannot read a partition as it must be of a Kafka event: it is no list of records'),
      );
    }
    return records.flatMap(recordOf);
  });
}

/**
 * The topic that the records of an event are of, as `<cluster>/<topic>`; undefined for an event without records. The cluster is
 * told by its ARN, or one that has none by its servers; what names neither, as only what somebody made by hand does, is of none.
 *
 * @throws RangeError when its records are of several topics
 */
export function sourceOf({ eventSourceArn, bootstrapServers, records }: KafkaEvent): string | undefined {
  const cluster = eventSourceArn ?? bootstrapServers?.split(',').toSorted().join();
  if (!cluster) return undefined;
  return onlySource(
    Object.values(records)
      .flat()
      .map(({ topic }) => `${cluster}/${topic}`),
  );
}

function recordOf({ topic, partition, offset, timestamp, key, value }: KafkaRecord): readonly SourceRecord[] {
  if (
    !isTopic(topic) ||
    !isOrdinal(partition) ||
    !isOrdinal(offset) ||
    typeof timestamp !== 'number' ||
    !isText(key) ||
    !isText(value)
  ) {
    throw loggable(
      new TypeError(
        'Cannot read a record as it must be of a Kafka event: its "topic", "partition", "offset", "timestamp", "key" or "value" is of another form',
      ),
    );
  }
  if (typeof value !== 'string') return [];
  return [
    {
      lineage: `${topic}/${partition}`,
      position: positionOf(String(offset)),
      // Without one that is an instant, which is up to the producer, any event time lies in the future: the record is
      // refused, where an error would hold up its partition.
      arrival: (isInstant(timestamp) ? timestamp : 0) as EpochMillis,
      partitionKey: Buffer.from(key ?? '', 'base64').toString(),
      data: Buffer.from(value, 'base64'),
    },
  ];
}

const isOrdinal = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const isText = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === 'string';

/** Lambda goes on in each partition from the offset named. */
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
