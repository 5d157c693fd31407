import type { KinesisStreamBatchResponse, KinesisStreamEvent, KinesisStreamRecord } from 'aws-lambda';
import { loggable } from '../../core/loggable.ts';
import { positionOf } from '../../core/position.ts';

import { isInstant } from '../../core/time.ts';
import { onlySource, type SourceRecord } from '../../ports/source.ts';
import { unpackRecords } from './kpl.ts';

/**
 * Returns the records of the event that Lambda passes to a Kinesis consumer.
 *
 * @throws TypeError when the event does not have that form
 */
export function recordsOf(event: KinesisStreamEvent): readonly SourceRecord[] {
  if (!Array.isArray(event?.Records)) {
    throw loggable(
      new TypeError('Cannot read the event as it must be a Kinesis event: it has no list "Records"'),
    );
  }
  const lineages = new Lineages();
  return event.Records.map((record) => recordOf(record, lineages));
}

/**
 * Returns the ARN of the stream of an event's records; undefined for an event without records.
 *
 * @throws RangeError when the records are from several streams
 */
export const sourceOf = ({ Records }: KinesisStreamEvent): string | undefined =>
  onlySource(Records.map(({ eventSourceARN }) => streamArnOf(eventSourceARN)));

/**
 * Returns the ARN of the stream. A consumer with enhanced fan-out is called with its own name after it:
 * `…/consumer/name:1`.
 */
function streamArnOf(arn: string): string {
  const end = arn.indexOf('/consumer/');
  return end < 0 ? arn : arn.slice(0, end);
}

function recordOf(
  { kinesis, eventID, eventSourceARN }: KinesisStreamRecord,
  lineages: Lineages,
): SourceRecord {
  if (
    typeof kinesis?.data !== 'string' ||
    typeof kinesis.partitionKey !== 'string' ||
    typeof eventID !== 'string' ||
    typeof eventSourceARN !== 'string'
  ) {
    throw loggable(
      new TypeError(
        'Cannot read a record as it must be of a Kinesis event: it lacks "kinesis.data", ' +
          '"kinesis.partitionKey", "eventID" or "eventSourceARN"',
      ),
    );
  }
  // The timestamp is in seconds, with the milliseconds behind the point.
  const arrival = Math.round(kinesis.approximateArrivalTimestamp * 1_000);
  if (!isInstant(arrival)) {
    throw loggable(
      new TypeError(
        'Cannot read a record as "kinesis.approximateArrivalTimestamp" must be seconds since the epoch',
      ),
    );
  }
  const data = Buffer.from(kinesis.data, 'base64');
  const record = {
    lineage: lineages.of(eventSourceARN, eventID),
    position: positionOf(kinesis.sequenceNumber),
    arrival,
    partitionKey: kinesis.partitionKey,
    data,
  };
  const members = membersOf(data);
  return members === undefined ? record : { ...record, members };
}

/** Returns the records that a producer packed into one; undefined for an ordinary record. */
export const membersOf = (data: Uint8Array): SourceRecord['members'] => unpackRecords(data);

/**
 * Returns the lineages of an event's records. Most records have the lineage of the record before, which is
 * then the same text and so quick to compare.
 */
class Lineages {
  #source: string | undefined;
  /** The beginning of the ids of the shard's records. */
  #shard = '';
  #lineage = '';

  of(source: string, id: string): string {
    if (source !== this.#source || !id.startsWith(this.#shard)) {
      const shard = id.slice(0, id.indexOf(':'));
      this.#source = source;
      this.#shard = `${shard}:`;
      const stream = streamArnOf(source);
      this.#lineage = lineageOf(stream.slice(stream.lastIndexOf('/') + 1), shard);
    }
    return this.#lineage;
  }
}

/** Names the lineage of a shard, as sequence numbers only compare within one shard of one stream. */
export const lineageOf = (stream: string, shard: string): string => `${stream}/${shard}`;

/**
 * Returns the first record to redeliver. Lambda continues from its sequence number; without one, the whole
 * batch is done.
 */
export const responseOf = ([lowest]: readonly SourceRecord[]): KinesisStreamBatchResponse => ({
  batchItemFailures: lowest ? [{ itemIdentifier: lowest.position }] : [],
});
