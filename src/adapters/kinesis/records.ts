import type { KinesisStreamBatchResponse, KinesisStreamEvent, KinesisStreamRecord } from 'aws-lambda';
import { loggable } from '../../core/loggable.ts';
import { positionOf } from '../../core/position.ts';
import { type EpochMillis, isInstant } from '../../core/time.ts';
import { type ColumnRecord, onlySource, SourceColumns, type SourceRecord } from '../../ports/source.ts';
import { mayBePacked, unpackRecords } from './kpl.ts';

/**
 * Returns the records of the event that Lambda passes to a Kinesis consumer.
 *
 * @throws TypeError when the event does not have that form
 */
export function recordsOf(event: KinesisStreamEvent): readonly ColumnRecord[] {
  if (!Array.isArray(event?.Records)) {
    throw loggable(
      new TypeError('Cannot read the event as it must be a Kinesis event: it has no list "Records"'),
    );
  }
  const columns = new SourceColumns(event.Records.length);
  const lineages = new Lineages();
  for (let place = 0; place < event.Records.length; place++) {
    const { kinesis, eventID, eventSourceARN } = checked(event.Records[place] as KinesisStreamRecord);
    const { from, to } = columns.add(
      lineages.of(eventSourceARN, eventID),
      positionOf(kinesis.sequenceNumber),
      arrivalOf(kinesis),
      kinesis.partitionKey,
      kinesis.data,
      'base64',
    );
    if (mayBePacked(columns.bytes, from)) {
      const members = membersOf(columns.bytes.subarray(from, to));
      if (members !== undefined) columns.members.set(place, members);
    }
  }
  return columns.records;
}

/** Lets go of an event whose records were read, as nothing of them refers to it. */
export function letGo(event: KinesisStreamEvent): void {
  event.Records.length = 0;
}

/**
 * Returns the ARN of the stream of an event's records; undefined for an event without records.
 *
 * @throws RangeError when the records are from several streams
 */
export function sourceOf({ Records }: KinesisStreamEvent): string | undefined {
  const arns: string[] = [];
  for (const { eventSourceARN } of Records) if (eventSourceARN !== arns.at(-1)) arns.push(eventSourceARN);
  return onlySource(arns.map(streamArnOf));
}

/**
 * Returns the ARN of the stream. A consumer with enhanced fan-out is called with its own name after it:
 * `…/consumer/name:1`.
 */
function streamArnOf(arn: string): string {
  const end = arn.indexOf('/consumer/');
  return end < 0 ? arn : arn.slice(0, end);
}

function checked(record: KinesisStreamRecord): KinesisStreamRecord {
  const { kinesis, eventID, eventSourceARN } = record;
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
  return record;
}

function arrivalOf({ approximateArrivalTimestamp }: KinesisStreamRecord['kinesis']): EpochMillis {
  // The timestamp is in seconds, with the milliseconds behind the point.
  const arrival = Math.round(approximateArrivalTimestamp * 1_000);
  if (isInstant(arrival)) return arrival;
  throw loggable(
    new TypeError(
      'Cannot read a record as "kinesis.approximateArrivalTimestamp" must be seconds since the epoch',
    ),
  );
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
    // In V8 this takes half as long as to ask how the id starts.
    if (source !== this.#source || id.indexOf(this.#shard) !== 0) {
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
