import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { LIMITS } from '../ports/limits.ts';
import { cacheBytes } from '../wiring/memory.ts';
import type { Counts } from './counts.ts';
import type { Intake } from './lineages.ts';
import type { Load } from './load.ts';
import type { Rehearsal } from './rehearsal.ts';

/** A bound, and how much of it a pipeline uses under a load. */
export interface Limit {
  readonly name: string;
  readonly uses: number;
  readonly most: number;
  readonly unit: string;
  /** What to do where it is used up. */
  readonly remedy: string;
}

const MIB = 1_048_576;
/** What one partition of a table takes a second, and one shard of a stream, as AWS documents it. */
const PARTITION_WRITES = 1_000;
const SHARD_RECORDS = 1_000;
const MOST_PANES = 1_000;

/** Lists the bounds that a load comes nearest to. */
export function limitsOf(
  pipeline: Pipeline,
  { recordsPerSecond, bytes, keys, memory: megabytes }: Load,
  { batch, batches, most, lineages }: Intake,
  { groups, keysOfGroup, weight, memory, handler, panesOfRecord }: Rehearsal,
  counts: Counts,
): readonly Limit[] {
  const perKey = weight / Math.max(1, keysOfGroup);
  const shards = byKind<Pipeline['source'], readonly Limit[]>(pipeline.source, {
    kinesis: ({ shards, stream }) =>
      'arn' in stream || stream.mode === 'on-demand'
        ? []
        : [
            {
              name: 'records a shard',
              uses: recordsPerSecond / shards,
              most: SHARD_RECORDS,
              unit: 'a second',
              remedy: 'more shards, or pack records',
            },
            {
              name: 'bytes a shard',
              uses: (recordsPerSecond * bytes) / shards / MIB,
              most: 1,
              unit: 'MB a second',
              remedy: 'more shards',
            },
          ],
    sqs: () => [],
    fifo: () => [
      {
        name: 'messages a FIFO queue',
        uses: recordsPerSecond,
        most: 3_000,
        unit: 'a second',
        remedy: 'high throughput, or a stream',
      },
    ],
    kafka: () => [],
    rabbitmq: () => [],
    dynamodb: () => [],
    panes: () => [],
  });
  return [
    {
      name: 'room for keys',
      uses: keys,
      most: Math.floor((groups * LIMITS.newKeys) / perKey),
      unit: 'keys',
      remedy: 'more groups: millrace rescale',
    },
    {
      name: 'state of a group',
      uses: weight / MIB,
      most: LIMITS.newKeys / MIB,
      unit: 'MB at worst',
      remedy: 'more groups: millrace rescale',
    },
    {
      // Past it an environment reads groups anew for each batch, which no plan counts.
      name: 'groups in memory',
      uses: (memory * groups) / lineages / MIB,
      most: cacheBytes('handler', megabytes) / MIB,
      unit: 'MB of an environment',
      remedy: 'more memory, or more shards',
    },
    {
      name: 'panes a record',
      uses: panesOfRecord,
      most: MOST_PANES,
      unit: 'panes',
      remedy: 'slide or step by more',
    },
    {
      name: 'write units a group',
      uses: handler.rate * handler.writeUnits,
      most: PARTITION_WRITES,
      unit: 'a second',
      remedy: 'more groups, or a longer batching window',
    },
    {
      name: 'records a batch',
      uses: batch,
      most,
      unit: 'records',
      remedy: 'a shorter batching window, or more shards',
    },
    {
      name: 'time of the handler',
      uses: counts.seconds.handler / Math.max(1, Math.min(lineages, batches * 60)),
      most: 1,
      unit: 's a second and lineage, estimated',
      remedy: 'more shards, or more memory',
    },
    ...shards,
  ];
}
