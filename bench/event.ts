import { freshPositions, keyName, type Stream } from './data.ts';
import type { SentReading } from './fold.ts';

/** The JSON of a record, as it is sent. */
export function jsonOf(stream: Stream, record: number): string {
  const sent: SentReading = {
    key: keyName(stream.key[record] as number),
    at: stream.at[record] as number,
    value: stream.value[record] as number,
  };
  return JSON.stringify(sent);
}

/** What Lambda hands to a consumer of a stream with the records `[from, to)`. */
export function eventOf(stream: Stream, from: number, to: number): string {
  const positions = freshPositions(from, to);
  return JSON.stringify({
    Records: positions.map((sequenceNumber, place) => {
      const record = from + place;
      return {
        kinesis: {
          kinesisSchemaVersion: '1.0',
          partitionKey: keyName(stream.key[record] as number),
          sequenceNumber,
          data: Buffer.from(jsonOf(stream, record)).toString('base64'),
          approximateArrivalTimestamp: (stream.arrival[record] as number) / 1_000,
        },
        eventSource: 'aws:kinesis',
        eventVersion: '1.0',
        eventID: `shardId-000000000000:${sequenceNumber}`,
        eventName: 'aws:kinesis:record',
        invokeIdentityArn: 'arn:aws:iam::123456789012:role/bench',
        awsRegion: 'us-east-1',
        eventSourceARN: 'arn:aws:kinesis:us-east-1:123456789012:stream/bench',
      };
    }),
  });
}

/** What Lambda hands to a consumer of a topic with the records `[from, to)`, all of one partition. */
export const topicEventOf = (stream: Stream, from: number, to: number): string =>
  JSON.stringify({
    eventSource: 'aws:kafka',
    eventSourceArn: 'arn:aws:kafka:us-east-1:123456789012:cluster/bench/2f6a-1',
    records: {
      'bench-0': recordsBetween(from, to).map((record) => ({
        topic: 'bench',
        partition: 0,
        offset: record,
        timestamp: stream.arrival[record],
        timestampType: 'LOG_APPEND_TIME',
        key: Buffer.from(keyName(stream.key[record] as number)).toString('base64'),
        value: Buffer.from(jsonOf(stream, record)).toString('base64'),
        headers: [],
      })),
    },
  });

/** What Lambda hands to a consumer of a standard queue with the records `[from, to)`. */
export const queueEventOf = (stream: Stream, from: number, to: number): string =>
  JSON.stringify({
    Records: recordsBetween(from, to).map((record) => ({
      messageId: `059f36b4-87a3-44ab-83d2-${String(record).padStart(12, '0')}`,
      receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a',
      body: jsonOf(stream, record),
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: String(stream.arrival[record]),
        SenderId: '123456789012',
        ApproximateFirstReceiveTimestamp: String(stream.arrival[record]),
      },
      messageAttributes: {},
      md5OfBody: '098f6bcd4621d373cade4e832627b4f6',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:us-east-1:123456789012:bench',
      awsRegion: 'us-east-1',
    })),
  });

const recordsBetween = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, place) => from + place);
