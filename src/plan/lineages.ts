import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { MAPPINGS } from '../wiring/mappings.ts';
import type { Load } from './load.ts';

type Source = Pipeline['source'];

/** What a lineage of each kind of source is called, by its length. */
export const LINEAGE_NAMES: { readonly [Kind in Source['kind']]: string } = {
  kinesis: 'arn:aws:kinesis:us-east-1:123456789012:stream/records/shardId-000000000000',
  sqs: 'arn:aws:sqs:us-east-1:123456789012:records',
  fifo: 'arn:aws:sqs:us-east-1:123456789012:records.fifo/group',
  kafka: 'arn:aws:kafka:us-east-1:123456789012:cluster/records/topic-0',
  rabbitmq: 'arn:aws:mq:us-east-1:123456789012:broker/records',
  dynamodb: 'arn:aws:dynamodb:us-east-1:123456789012:table/records/shardId-00000000000000000000-00000000',
  panes: 'records/1/0',
};

/** How Lambda reads a source: side by side from each of its lineages, a batch at a time. */
export interface Intake {
  /** Shards or partitions, each of which has batches of its own; 1 where batches are of the whole source. */
  readonly lineages: number;
  /** The key groups that the records of one lineage fall into. */
  readonly groups: number;
  /** Batches a second, of all lineages together. */
  readonly batches: number;
  /** Records in a batch, on average. */
  readonly batch: number;
  /** The most records that one batch may have. */
  readonly most: number;
}

/** Lambda passes at most this many bytes of JSON, in which a record has its bytes in base64 and a frame. */
const PAYLOAD = 6 * 1_000_000;
const FRAME = 400;

/** How many lineages a source has that tells nothing of how many. */
const SOME = 4;

/** Says how the records of a source come in batches under a load. */
export function batchingOf({ source, groups }: Pick<Pipeline, 'source' | 'groups'>, load: Load): Intake {
  const { batchingWindow, bytes, recordsPerSecond } = load;
  const fits = Math.max(1, Math.floor(PAYLOAD / ((4 / 3) * bytes + FRAME)));
  const [lineages, batchSize, window] = byKind<Source, readonly [number, number, number]>(source, {
    kinesis: ({ shards }) => [shards, MAPPINGS.kinesis.batchSize, batchingWindow],
    sqs: () => [1, MAPPINGS.sqs.batchSize, batchingWindow],
    fifo: () => [1, MAPPINGS.fifo.batchSize, 0],
    kafka: ({ partitions }) => [partitions, MAPPINGS.kafka.batchSize, batchingWindow],
    rabbitmq: () => [1, MAPPINGS.rabbitmq.batchSize, batchingWindow],
    dynamodb: () => [SOME, MAPPINGS.dynamodb.batchSize, batchingWindow],
    panes: () => [1, MAPPINGS.kinesis.batchSize, batchingWindow],
  });
  const most = Math.min(batchSize, fits);
  const rate = recordsPerSecond / lineages;
  // The first record opens the window.
  const batch = Math.min(most, 1 + (rate * window) / 1_000);
  const own = source.lineage.ofHashRange ? Math.max(1, groups / lineages) : groups;
  return { lineages, groups: own, batches: recordsPerSecond / batch, batch, most };
}
