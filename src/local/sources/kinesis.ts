import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  type KinesisClient,
  PutRecordCommand,
  ResourceInUseException,
} from '@aws-sdk/client-kinesis';
import { kinesisArrivals } from '../../adapters/kinesis/arrivals.ts';
import { s3Objects } from '../../adapters/s3/objects.ts';
import { millis } from '../../core/time.ts';
import { MAPPINGS } from '../../wiring/mappings.ts';
import { lanesOf } from '../over.ts';
import { quoted } from '../shell.ts';
import { openFailures } from './failures.ts';
import { type EventSource, startEventSource, streamArn } from './kinesis-events.ts';
import { MAX_PUT_BYTES, openStreamFeed } from './kinesis-feed.ts';
import type { OpenSource } from './source.ts';

/** What stacks deploy, but batches are a tenth as large and gather for no time, as someone is watching. */
const MAPPING = {
  ...MAPPINGS.kinesis,
  batchSize: MAPPINGS.kinesis.batchSize / 10,
  batchingWindow: millis('0s'),
};

/** A Kinesis stream on the server of the run, which keeps all records: it is read anew by every run. */
export const openKinesis: OpenSource = async ({ pipeline, names, endpoints, clients, ...settings }) => {
  const { stream } = names;
  const { kinesis } = clients;
  await createStream(kinesis, stream, lanesOf(pipeline.source));
  let events: EventSource | undefined;
  return {
    place: {
      service: 'Kinesis',
      resource: `stream ${stream}`,
      endpoint: endpoints.kinesis,
      mostBytes: `${MAX_PUT_BYTES.toLocaleString('en')} with the key`,
      environment: { AWS_ENDPOINT_URL_KINESIS: endpoints.kinesis },
      commands: (last) => [
        ...(last
          ? [
              `aws --endpoint-url ${endpoints.kinesis} kinesis put-record --stream-name ${stream} --partition-key ${quoted(last.partitionKey)} --cli-binary-format raw-in-base64-out --data ${quoted(last.text)}   # AWS CLI 2`,
            ]
          : []),
        `aws --endpoint-url ${endpoints.kinesis} kinesis describe-stream-summary --stream-name ${stream}`,
      ],
    },
    arn: streamArn(stream),
    arrivals: kinesisArrivals(kinesis, stream, settings.progress, settings.clock),
    async openFeed() {
      const feed = await openStreamFeed(kinesis, stream);
      return {
        ...feed,
        get resumed() {
          return feed.resumed;
        },
        async flush() {
          await feed.flush();
          events?.wake();
        },
        async handled() {
          await events?.reached(feed.positions);
        },
      };
    },
    async put(PartitionKey, Data) {
      await kinesis.send(new PutRecordCommand({ StreamName: stream, PartitionKey, Data }));
      events?.wake();
    },
    async consume(handle, { onError }) {
      const { batchSize = MAPPING.batchSize, clock, dataDirectory } = settings;
      const failures = openFailures({
        objects: s3Objects(clients.s3, names.failuresBucket),
        directory: dataDirectory,
        streamArn: streamArn(stream),
        clock,
      });
      const mapping = { ...MAPPING, ...settings.mapping, batchSize };
      events = await startEventSource(kinesis, stream, handle, { mapping, failures, clock, onError });
      return events;
    },
    async close() {},
  };
};

/** Creates a stream unless it exists, and waits until it is ready. */
export async function createStream(kinesis: KinesisClient, stream: string, shards = 1): Promise<void> {
  try {
    await kinesis.send(new CreateStreamCommand({ StreamName: stream, ShardCount: shards }));
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
  const status = async () => {
    const { StreamDescriptionSummary: found } = await kinesis.send(
      new DescribeStreamSummaryCommand({ StreamName: stream }),
    );
    return found?.StreamStatus;
  };
  while ((await status()) !== 'ACTIVE') await delay(5);
}
