import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  DescribeStreamSummaryCommand,
  type KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import type { Pipeline } from 'millrace';
import { kinesisProducer } from 'millrace/producer';
import { paneLines } from '../../src/commands/panes.ts';
import { createTally } from '../../src/commands/tally.ts';
import { connect, disconnect } from '../../src/local/resources.ts';
import { type LocalRuntime, startLocal } from '../../src/local/runtime.ts';
import { byHash, byRange, hashOf, type Payment, rangeOf } from './pipeline.ts';

const PAYMENTS = new URL('payments.ndjson', import.meta.url);

/** A pane of the window `total`: the sum of a partition after each of its payments. */
export interface Total {
  readonly key: string;
  readonly window: string;
  readonly count: number;
  readonly end: string;
  readonly results: { readonly cents: number; readonly payments: number; readonly isOver: boolean };
}

/** What came of a run. */
export interface Summed {
  readonly totals: readonly Total[];
  /** How many batches were handled, and then delivered again as their answers were lost. */
  readonly repeated: number;
  /** How many shards the stream has had. */
  readonly shards: number;
}

/**
 * Sends all payments while the stream is divided and merged, and every third answer of the handler is lost.
 *
 * @param startServers starts the servers; without it, they run in a thread of their own
 */
export async function sumBy(
  pipeline: Pipeline,
  partitionOf: (payment: Payment) => string,
  startServers?: Parameters<typeof startLocal>[0]['startServers'],
): Promise<Summed> {
  let deliveries = 0;
  let repeated = 0;
  const runtime = await startLocal({
    pipeline,
    telemetry: createTally(pipeline),
    startServers,
    batchSize: 20,
    deliver: (handle) => async (event) => {
      const answer = await handle(event);
      if (deliveries++ % 3 !== 0) return answer;
      repeated++;
      throw new Error('the answer of the handler was lost');
    },
  });
  const clients = connect(runtime.endpoints);
  const producer = kinesisProducer({
    stream: runtime.names.stream,
    slices: pipeline.groups,
    endpoint: runtime.endpoints.kinesis,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    // Small parcels, so that there are many.
    linger: '1ms',
  });
  try {
    const payments = readPayments();
    for (const [at, payment] of payments.entries()) {
      await producer.send({ key: partitionOf(payment), data: JSON.stringify(payment) });
      if (at % 50 === 49) await producer.flush();
      if (at === 400) await divide(clients.kinesis, runtime.names.stream);
      if (at === 800) await merge(clients.kinesis, runtime.names.stream);
    }
    await producer.close();
    const totals = await totalsOf(runtime, payments.length);
    const { Shards = [] } = await clients.kinesis.send(
      new ListShardsCommand({ StreamName: runtime.names.stream }),
    );
    return { totals, repeated, shards: Shards.length };
  } finally {
    disconnect(clients);
    await runtime.close();
  }
}

export const readPayments = (): readonly Payment[] =>
  readFileSync(PAYMENTS, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Divides the first shard of the stream in the middle of its hash keys, as UpdateShardCount would. */
async function divide(kinesis: KinesisClient, StreamName: string): Promise<void> {
  await kinesis.send(
    new SplitShardCommand({
      StreamName,
      ShardToSplit: 'shardId-000000000000',
      NewStartingHashKey: String(2n ** 126n),
    }),
  );
  await untilActive(kinesis, StreamName);
}

/** Merges the second half of the divided shard with the shard beside it. */
async function merge(kinesis: KinesisClient, StreamName: string): Promise<void> {
  await kinesis.send(
    new MergeShardsCommand({
      StreamName,
      ShardToMerge: 'shardId-000000000003',
      AdjacentShardToMerge: 'shardId-000000000001',
    }),
  );
  await untilActive(kinesis, StreamName);
}

async function untilActive(kinesis: KinesisClient, StreamName: string): Promise<void> {
  for (;;) {
    const { StreamDescriptionSummary } = await kinesis.send(new DescribeStreamSummaryCommand({ StreamName }));
    if (StreamDescriptionSummary?.StreamStatus === 'ACTIVE') return;
  }
}

/** Waits until the bucket has the total after each payment. */
async function totalsOf({ s3, names, projected }: LocalRuntime, payments: number): Promise<readonly Total[]> {
  for (;;) {
    await projected();
    const panes: Total[] = [];
    for await (const line of paneLines(s3, names.bucket)) panes.push(JSON.parse(line));
    const totals = panes.filter(({ window }) => window === 'total');
    if (totals.length >= payments) return totals;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [pipeline, partitionOf] of [
    [byRange, rangeOf],
    [byHash, hashOf],
  ] as const) {
    const { totals, repeated, shards } = await sumBy(pipeline, partitionOf);
    console.log(
      `${pipeline.name}: ${totals.length} payments over ${shards} shards, ${repeated} batches handled twice`,
    );
    for (const key of [...new Set(totals.map((total) => total.key))].sort()) {
      const own = totals.filter((total) => total.key === key).sort((a, b) => a.count - b.count);
      const over = own.find(({ results }) => results.isOver);
      const dollars = ((own.at(-1)?.results.cents ?? 0) / 100).toFixed(2);
      console.log(
        `  ${key}: $${dollars} in ${own.length} payments${over ? `, over the threshold at ${over.end}` : ''}`,
      );
    }
  }
}
