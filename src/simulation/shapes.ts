import type { DynamoDBStreamEvent, KinesisStreamEvent, SQSEvent } from 'aws-lambda';
import type { KafkaEvent } from '../adapters/kafka/records.ts';
import { unpackRecords } from '../adapters/kinesis/kpl.ts';
import { type RabbitEvent, UnsettledError } from '../adapters/rabbitmq/records.ts';
import { millis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { bucket, type Sink, table } from '../pipeline/sinks.ts';
import type { SourceRecord } from '../ports/source.ts';
import { STATE_KEY } from '../wiring/names.ts';
import { carriedChange, changeEvent } from './changes.ts';

export type SourceKind = Pipeline['source']['kind'];

/** The kinds of source to which producers send records. */
export type SentKind = Exclude<SourceKind, 'panes'>;

/** The sinks of each kind that every simulated pipeline delivers to, each of which is audited. */
export const SINKS: { readonly [Kind in Sink['kind']]: readonly Sink[] } = {
  table: [table()],
  bucket: [bucket()],
  notify: [],
  stream: [],
  push: [],
  sink: [],
};

/** How a kind of source cuts batches, writes them as an event, and reads an answer. */
export interface SourceShape {
  /** How many lineages one batch mixes at most. */
  readonly lineages: number;
  /** How many records one batch holds at most. */
  readonly records: number;
  readonly ordered: boolean;
  /** How often a record that fails is delivered before it goes to a dead-letter queue. */
  readonly receives: number;
  /**
   * Returns what Lambda writes to the failures bucket of a batch that it gives up, beside the time; undefined where
   * it never gives one up.
   */
  readonly failureOf?: (batch: readonly SourceRecord[]) => object;
  /** Whether a message that is moved back from a dead-letter queue is the one that it was. */
  readonly keepsIds: boolean;
  /** Whether the noted progress tells what waits. Otherwise the records that are not deleted do. */
  readonly notes: boolean;
  readonly eventOf: (batch: readonly SourceRecord[]) => unknown;
  /** Returns a record as handlers read it from an event, where that is not as it was sent. */
  readonly carried?: (record: SourceRecord) => SourceRecord;
  /** Takes a record's bytes apart, where producers may have packed several records into one. */
  readonly membersOf?: (data: Uint8Array) => SourceRecord['members'] | undefined;
  /** Returns how an answer names a record. */
  readonly identifierOf: (record: SourceRecord) => unknown;
  /** Whether naming a record also redelivers all after it in its lineage. */
  readonly fromNamedOn: boolean;
  /** Whether what a handler throws asks for the whole batch again, as no answer can. */
  readonly asksForAll: (thrown: unknown) => boolean;
}

/** From here on a source's retention is its own affair: schedules of queues stand still for less than that. */
const KEPT_LONG = millis('14d');

/** Longer than any schedule stands still with records under way. */
const BEYOND_OUTAGES = millis('365d');

/**
 * Returns a pipeline whose source keeps its records through every outage of a schedule, as those that it dropped
 * would be no fault of the engine.
 */
export function keepingAll<Panes>(pipeline: Pipeline<Panes>): Pipeline<Panes> {
  const { source } = pipeline;
  const { lineage } = source;
  if (lineage.retention === undefined || lineage.retention >= KEPT_LONG) return pipeline;
  const kept = { ...source, lineage: { ...lineage, retention: BEYOND_OUTAGES } };
  return { ...pipeline, source: kept as typeof source };
}

/** Makes the event that Lambda makes of a shard's records. */
export const kinesisEvent = (records: readonly SourceRecord[]): KinesisStreamEvent => ({
  Records: records.map(({ lineage, position, arrival, partitionKey, data }) => {
    const [stream, shard] = lineage.split('/');
    return {
      eventID: `${shard}:${position}`,
      eventName: 'aws:kinesis:record',
      eventVersion: '1.0',
      eventSource: 'aws:kinesis',
      eventSourceARN: `arn:aws:kinesis:eu-central-1:123456789012:stream/${stream}`,
      awsRegion: 'eu-central-1',
      invokeIdentityArn: 'arn:aws:iam::123456789012:role/test',
      kinesis: {
        kinesisSchemaVersion: '1.0',
        partitionKey,
        sequenceNumber: position,
        data: Buffer.from(data).toString('base64'),
        approximateArrivalTimestamp: arrival / 1_000,
      },
    };
  }),
});

/**
 * Makes the event that Lambda makes of a queue's messages. Those of a FIFO queue have a group and a number.
 */
const sqsEvent =
  (fifo: boolean) =>
  (records: readonly SourceRecord[]): SQSEvent => ({
    Records: records.map((record) => {
      const [queue] = record.lineage.split('/');
      const { position, arrival, partitionKey, data } = record;
      return {
        messageId: messageIdOf(record),
        receiptHandle: 'receipt',
        body: Buffer.from(data).toString(),
        attributes: {
          ApproximateReceiveCount: '1',
          SentTimestamp: String(arrival),
          SenderId: 'sender',
          ApproximateFirstReceiveTimestamp: String(arrival),
          ...(fifo ? { MessageGroupId: partitionKey, SequenceNumber: position } : {}),
        },
        messageAttributes: {},
        md5OfBody: '',
        eventSource: 'aws:sqs',
        eventSourceARN: `arn:aws:sqs:eu-central-1:123456789012:${queue}`,
        awsRegion: 'eu-central-1',
      };
    }),
  });

/** Returns a message's id. Messages of a FIFO queue have an id of their own beside their number. */
const messageIdOf = ({ lineage, position }: SourceRecord): string =>
  lineage.includes('/') ? `${lineage.slice(lineage.indexOf('/') + 1)}-${position}` : position;

const partitionOf = (lineage: string): { readonly topic: string; readonly partition: number } => {
  const at = lineage.lastIndexOf('/');
  return { topic: lineage.slice(0, at), partition: Number(lineage.slice(at + 1)) };
};

/** Makes the event that Lambda makes of several partitions' records, one partition after the other. */
function kafkaEvent(records: readonly SourceRecord[]): KafkaEvent & { readonly eventSource: string } {
  const partitions: Record<string, KafkaEvent['records'][string][number][]> = {};
  for (const { lineage, position, arrival, partitionKey, data } of records) {
    const { topic, partition } = partitionOf(lineage);
    const messages = partitions[`${topic}-${partition}`] ?? [];
    partitions[`${topic}-${partition}`] = messages;
    messages.push({
      topic,
      partition,
      offset: Number(position),
      timestamp: arrival,
      timestampType: 'LOG_APPEND_TIME',
      key: Buffer.from(partitionKey).toString('base64'),
      value: Buffer.from(data).toString('base64'),
    });
  }
  return { eventSource: 'SelfManagedKafka', bootstrapServers: 'broker:9092', records: partitions };
}

/** Makes the event that Lambda makes of messages of a RabbitMQ queue. Ids and redeliveries come as they may. */
function rabbitEvent(records: readonly SourceRecord[]): RabbitEvent {
  const messages = records.map(({ partitionKey, data, unidentified }) => ({
    basicProperties: {
      messageId: unidentified ? null : partitionKey,
      timestamp: 'Jan 1, 1970, 12:33:41 AM',
      bodySize: data.length,
    },
    redelivered: false,
    data: Buffer.from(data).toString('base64'),
  }));
  return {
    eventSource: 'aws:rmq',
    eventSourceArn: 'arn:aws:mq:eu-central-1:123456789012:broker:plant:b-0123',
    rmqMessagesByQueue: { [decodeURIComponent(records[0]?.lineage ?? '')]: messages },
  };
}

/** What holds of every source but those that say otherwise. */
const SAID = { asksForAll: () => false, keepsIds: false };

/** Fewer receives than a real queue allows, so that some messages fail as often. */
const MOST_RECEIVES = 5;

export const SHAPES: { readonly [Kind in SourceKind]: SourceShape } = {
  kinesis: {
    ...SAID,
    lineages: 1,
    records: 10_000,
    receives: Number.POSITIVE_INFINITY,
    ordered: true,
    notes: true,
    failureOf: (batch) => ({ payload: JSON.stringify(kinesisEvent(batch)) }),
    eventOf: kinesisEvent,
    membersOf: unpackRecords,
    identifierOf: ({ position }) => position,
    fromNamedOn: true,
  },
  sqs: {
    ...SAID,
    lineages: 1,
    records: 10_000,
    receives: MOST_RECEIVES,
    ordered: false,
    notes: false,
    eventOf: sqsEvent(false),
    identifierOf: messageIdOf,
    fromNamedOn: false,
  },
  fifo: {
    ...SAID,
    lineages: 10,
    records: 10,
    receives: MOST_RECEIVES,
    ordered: true,
    notes: false,
    eventOf: sqsEvent(true),
    identifierOf: messageIdOf,
    fromNamedOn: false,
  },
  kafka: {
    ...SAID,
    lineages: 4,
    records: 10_000,
    receives: Number.POSITIVE_INFINITY,
    ordered: true,
    notes: false,
    eventOf: kafkaEvent,
    identifierOf: ({ lineage, position }) => {
      const { topic, partition } = partitionOf(lineage);
      return { partition: `${topic}-${partition}`, offset: Number(position) };
    },
    fromNamedOn: true,
  },
  rabbitmq: {
    lineages: 1,
    records: 10_000,
    receives: MOST_RECEIVES,
    keepsIds: true,
    ordered: false,
    notes: false,
    eventOf: rabbitEvent,
    identifierOf: ({ position }) => position,
    fromNamedOn: false,
    asksForAll: (thrown) => thrown instanceof UnsettledError,
  },
  dynamodb: {
    ...SAID,
    lineages: 1,
    records: 10_000,
    receives: Number.POSITIVE_INFINITY,
    ordered: true,
    notes: true,
    failureOf: (batch) => {
      const { shardId, ...event } = changeEvent(batch);
      return { DDBStreamBatchInfo: { shardId }, payload: JSON.stringify(event) };
    },
    eventOf: changeEvent,
    carried: carriedChange,
    identifierOf: ({ position }) => position,
    fromNamedOn: true,
  },
  // A wake-up: what it makes the handler read stands in logs.
  panes: {
    ...SAID,
    lineages: Number.POSITIVE_INFINITY,
    records: Number.POSITIVE_INFINITY,
    receives: Number.POSITIVE_INFINITY,
    ordered: true,
    notes: false,
    eventOf: (batch) => wakeUpOf(batch.map(({ lineage }) => ({ log: lineage, ordinal: 1 }))),
    identifierOf: ({ position }) => position,
    fromNamedOn: true,
  },
};

/** An entry that was appended to a log. */
export interface WokenBy {
  readonly log: string;
  readonly ordinal: number;
}

/** Makes the event that DynamoDB Streams makes of entries that were appended. */
export const wakeUpOf = (entries: readonly WokenBy[]): DynamoDBStreamEvent => ({
  Records: entries.map(({ log, ordinal }, at) => ({
    eventID: String(at),
    eventName: 'INSERT',
    eventSource: 'aws:dynamodb',
    dynamodb: { Keys: { [STATE_KEY.partition]: { S: log }, [STATE_KEY.sort]: { N: String(ordinal) } } },
  })),
});
