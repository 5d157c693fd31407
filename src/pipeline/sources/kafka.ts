import { checkOptions } from '../../core/options.ts';
import { type Cluster, checkCluster } from '../cluster.ts';
import {
  type AnyOptions,
  type AnySource,
  groupsFor,
  type Identified,
  isCount,
  sourceOf,
} from './any-source.ts';

export interface KafkaSource<out Rec> extends AnySource<true> {
  readonly kind: 'kafka';
  readonly topic: string;
  readonly partitions: number;
  /** Where the topic is; undefined where the definition leaves it out, as only a stack needs it. */
  readonly cluster: Cluster | undefined;
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): KafkaSource<Next>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(expand: (record: Rec) => readonly Child[], options?: Identified<Child>): KafkaSource<Child>;
}

interface KafkaOptions<Rec> extends AnyOptions<Rec> {
  readonly topic: string;
  /**
   * The number of partitions of the topic, which sets the default of `groups` and how many of them Lambda reads
   * at once. Default 1.
   */
  readonly partitions?: number;
  /** Where the topic is. A stack needs it, a run on this machine does not. */
  readonly cluster?: Cluster;
}

/**
 * Reads a Kafka topic of JSON records, from Amazon MSK or any other cluster, with `partitions` partitions
 * (default 1).
 *
 * @throws RangeError when `topic` is not 1 to 249 letters, digits, dots, hyphens and underscores, or
 * `partitions` is not a whole number from 1 to 1,024; RangeError or TypeError for a `cluster` that no event source
 * mapping could read; TypeError for an unknown option
 *
 * @example
 * ```ts
 * import { kafka } from 'millrace';
 *
 * interface Reading {
 *   celsius: number;
 * }
 *
 * export const readings = kafka<Reading>({
 *   topic: 'readings',
 *   partitions: 6,
 *   cluster: { msk: 'arn:aws:kafka:eu-central-1:123456789012:cluster/plant/2f6a-1' },
 * });
 * ```
 */
export function kafka<Rec = unknown>(options: KafkaOptions<Rec>): KafkaSource<Rec> {
  checkOptions('read a topic', options, ['topic', 'partitions', 'cluster', 'schema', 'id', 'decode']);
  const { topic, partitions = 1, cluster } = options;
  if (!isTopic(topic)) {
    throw new RangeError(
      `Cannot read a topic "${topic}" as topics must be 1 to 249 letters, digits, dots, hyphens and ` +
        'underscores, but not "." or ".."',
    );
  }
  if (!isCount(partitions)) {
    throw new RangeError(
      `Cannot read a topic of ${partitions} partitions as partitions must be a whole number from 1 to 1,024`,
    );
  }
  if (cluster !== undefined) checkCluster(cluster);
  const groups = groupsFor(partitions);
  const lineage = {
    ordered: true,
    retention: undefined,
    beginsAnew: true as const,
    notesProgress: false,
    namedByProducers: false,
  } as const;
  return sourceOf({ kind: 'kafka', lineage, groups, topic, partitions, cluster }, options);
}

/** Says whether Kafka allows a topic of this name. */
export const isTopic = (topic: unknown): boolean =>
  typeof topic === 'string' && /^(?!\.\.?$)[a-zA-Z0-9._-]{1,249}$/.test(topic);
