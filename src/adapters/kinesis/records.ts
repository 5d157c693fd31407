import type { KinesisStreamBatchResponse, KinesisStreamEvent, KinesisStreamRecord } from 'aws-lambda';
import { positionOf } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { SourceRecord } from '../../ports/source.ts';

/**
 * The records of the event that Lambda hands to a Kinesis consumer.
 *
 * @throws TypeError when the event is not of that form
 */
export function recordsOf(event: KinesisStreamEvent): readonly SourceRecord[] {
  if (!Array.isArray(event?.Records)) {
    throw new TypeError('Cannot read the event as it must be a Kinesis event: it has no list "Records"');
  }
  return event.Records.map(recordOf);
}

function recordOf(record: KinesisStreamRecord): SourceRecord {
  const { kinesis, eventID, eventSourceARN } = record;
  if (
    typeof kinesis?.data !== 'string' ||
    typeof eventID !== 'string' ||
    typeof eventSourceARN !== 'string'
  ) {
    throw new TypeError(
      'Cannot read a record as it must be of a Kinesis event: it lacks "kinesis.data", "eventID" or "eventSourceARN"',
    );
  }
  return {
    lineage: lineageOf(
      eventSourceARN.slice(eventSourceARN.lastIndexOf('/') + 1),
      eventID.slice(0, eventID.indexOf(':')),
    ),
    position: positionOf(kinesis.sequenceNumber),
    // Seconds, with the milliseconds behind the point.
    arrival: Math.round(kinesis.approximateArrivalTimestamp * 1_000) as EpochMillis,
    partitionKey: kinesis.partitionKey,
    data: Buffer.from(kinesis.data, 'base64'),
  };
}

/** Sequence numbers compare within one shard of one stream. */
export const lineageOf = (stream: string, shard: string): string => `${stream}/${shard}`;

/** Lambda goes on from the lowest sequence number named; none means that all is done. */
export const responseOf = ([lowest]: readonly SourceRecord[]): KinesisStreamBatchResponse => ({
  batchItemFailures: lowest ? [{ itemIdentifier: lowest.position }] : [],
});
