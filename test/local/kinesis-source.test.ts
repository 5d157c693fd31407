import { type KinesisClient, PutRecordCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import type { KinesisStreamEvent } from 'aws-lambda';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { millis } from '../../src/core/time.ts';
import { connect, disconnect } from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { createStream } from '../../src/local/sources/kinesis.ts';
import { startEventSource } from '../../src/local/sources/kinesis-events.ts';
import { MAPPINGS } from '../../src/wiring/mappings.ts';

const MIDDLE = String(2n ** 127n);
const STREAM = 'readings';

it('hands over what a divided shard holds before what its children hold, also where a batch fails meanwhile', async () => {
  const servers = await startServers({});
  const clients = connect(servers.endpoints);
  const { kinesis }: { readonly kinesis: KinesisClient } = clients;
  try {
    await createStream(kinesis, STREAM);
    const ends = new Map<string, string>();
    const put = async (records: readonly string[]) => {
      for (const record of records) {
        const { ShardId = '', SequenceNumber = '' } = await kinesis.send(
          new PutRecordCommand({ StreamName: STREAM, PartitionKey: 'pump', Data: Buffer.from(record) }),
        );
        ends.set(ShardId, SequenceNumber);
      }
    };
    await put(['0', '1', '2']);
    await kinesis.send(
      new SplitShardCommand({
        StreamName: STREAM,
        ShardToSplit: 'shardId-000000000000',
        NewStartingHashKey: MIDDLE,
      }),
    );
    await createStream(kinesis, STREAM);
    await put(['3', '4']);

    const seen: string[] = [];
    let calls = 0;
    const source = await startEventSource(
      kinesis,
      STREAM,
      async (event) => {
        const { Records } = event as KinesisStreamEvent;
        const texts = Records.map(({ kinesis: { data } }) => Buffer.from(data, 'base64').toString());
        if (texts.includes('1') && calls++ < 2) throw new Error('thrown in this test');
        seen.push(...texts);
        return { batchItemFailures: [] };
      },
      {
        mapping: { ...MAPPINGS.kinesis, batchSize: 1, batchingWindow: millis('0s') },
        failures: { last: () => undefined, put: () => Promise.reject(new Error('nothing is given up')) },
        clock: systemClock(),
        onError: () => {},
      },
    );
    expect(ends.size).toBe(2);
    await source.reached(ends);
    await source.stop();
    expect(seen).toEqual(['0', '1', '2', '3', '4']);
  } finally {
    disconnect(clients);
    await servers.close();
  }
});
