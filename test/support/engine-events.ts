import type { DynamoDBStreamEvent, KinesisStreamEvent } from 'aws-lambda';
import type { SourceRecord } from '../../src/ports/source.ts';
import { STATE_KEY } from '../../src/wiring/names.ts';

/** The event that Lambda makes of a shard's records. */
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

/** The event that DynamoDB Streams makes of entries appended to some logs. */
export const wakeUpOf = (logs: readonly string[]): DynamoDBStreamEvent => ({
  Records: logs.map((log, at) => ({
    eventID: String(at),
    eventName: 'INSERT',
    eventSource: 'aws:dynamodb',
    dynamodb: { Keys: { [STATE_KEY.partition]: { S: log }, [STATE_KEY.sort]: { N: '1' } } },
  })),
});
