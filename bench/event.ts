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
