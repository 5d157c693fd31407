import type { KinesisStreamBatchResponse, KinesisStreamEvent, KinesisStreamRecord } from 'aws-lambda';
import { loggable } from '../../core/loggable.ts';
import { positionOf } from '../../core/position.ts';

import { isInstant } from '../../core/time.ts';
import { onlySource, type SourceRecord } from '../../ports/source.ts';

/**
 * The records of the event that Lambda hands to a Kinesis consumer.
 *
 * @throws TypeError when the event is not of that form
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
 * The stream that the records of an event are of, by its ARN; undefined for an event without records.
 *
 * @throws RangeError when they are of several
 */
export const sourceOf = ({ Records }: KinesisStreamEvent): string | undefined =>
  onlySource(Records.map(({ eventSourceARN }) => streamArnOf(eventSourceARN)));

/** A consumer with a throughput of its own is called by the stream's ARN and its own name: `…/consumer/name:1`. */
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
        'Cannot read a record as it must be of a Kinesis event: it lacks "kinesis.data", "kinesis.partitionKey", "eventID" or "eventSourceARN"',
      ),
    );
  }
  // Seconds, with the milliseconds behind the point.
  const arrival = Math.round(kinesis.approximateArrivalTimestamp * 1_000);
  if (!isInstant(arrival)) {
    throw loggable(
      new TypeError(
        'Cannot read a record as "kinesis.approximateArrivalTimestamp" must be seconds since the epoch',
      ),
    );
  }
  return {
    lineage: lineages.of(eventSourceARN, eventID),
    position: positionOf(kinesis.sequenceNumber),
    arrival,
    partitionKey: kinesis.partitionKey,
    data: Buffer.from(kinesis.data, 'base64'),
  };
}

/** The lineages of an event's records. Most are that of the record before, as the same text: it need not be compared. */
class Lineages {
  #source: string | undefined;
  /** What ids of the shard's records begin with. */
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

/** Sequence numbers compare within one shard of one stream. */
export const lineageOf = (stream: string, shard: string): string => `${stream}/${shard}`;

/** Lambda goes on from the lowest sequence number named; none means that all is done. */
export const responseOf = ([lowest]: readonly SourceRecord[]): KinesisStreamBatchResponse => ({
  batchItemFailures: lowest ? [{ itemIdentifier: lowest.position }] : [],
});
