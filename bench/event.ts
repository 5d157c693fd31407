import { freshPositions, keyName, type Stream } from './data.ts';
import type { SentReading } from './fold.ts';

/** What Lambda hands to a consumer of a stream with the records `[from, to)`. */
export function eventOf(stream: Stream, from: number, to: number): string {
  const positions = freshPositions(from, to);
  return JSON.stringify({
    Records: positions.map((sequenceNumber, place) => {
      const record = from + place;
      const key = keyName(stream.key[record] as number);
      const sent: SentReading = {
        key,
        at: stream.at[record] as number,
        value: stream.value[record] as number,
      };
      return {
        kinesis: {
          kinesisSchemaVersion: '1.0',
          partitionKey: key,
          sequenceNumber,
          data: Buffer.from(JSON.stringify(sent)).toString('base64'),
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
