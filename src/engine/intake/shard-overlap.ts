import { after, type EpochMillis, millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import type { BatchKey } from '../group/batch-key.ts';
import { groupOf, hashOf } from '../group/key-group.ts';

/** How many records of a batch are looked at. */
const SAMPLE = 64;

/** For how long the key groups of a shard's last batch count as that shard's. */
const REMEMBERED = millis('1m');

/** How often an environment says that records are misaligned. */
const SAID_AGAIN_AFTER = millis('1h');

/** How the records of a batch are spread over key groups. */
export class Spread {
  readonly #touched: ReadonlyMap<number, unknown>;
  /** How many key groups there are. */
  readonly all: number;
  #sampled = 0;
  #strays = 0;

  /** @param touched by the key groups that the batch touches */
  constructor(touched: ReadonlyMap<number, unknown>, all: number) {
    this.#touched = touched;
    this.all = all;
  }

  /** The key groups that the batch touches. */
  get groups(): readonly number[] {
    return [...this.#touched.keys()];
  }

  /** Whether it looks at more records. */
  get looksOn(): boolean {
    return this.#sampled < SAMPLE;
  }

  /** Looks at a record, which costs a digest for a key that is no partition key. */
  add({ text, hash }: BatchKey, partitionKey: string): void {
    this.#sampled++;
    if (text === partitionKey) return;
    if (groupOf(hash, this.all) !== groupOf(hashOf(partitionKey), this.all)) this.#strays++;
  }

  /** Whether most records are of another key group than that of their partition key. */
  get isStray(): boolean {
    return 2 * this.#strays > this.#sampled;
  }
}

/** The key groups of a shard's last batch, and when that was. */
interface Touched {
  readonly at: EpochMillis;
  readonly groups: ReadonlySet<number>;
}

/**
 * Notices, in one environment, that the shards of a stream share key groups, as records have other partition
 * keys than their keys. Every batch of every shard then touches every group: each is a write, and of writers that
 * meet in a group all but one lose, and write again.
 *
 * Either sign alone is harmless. A producer may choose shards by the keys' hashes and not by partition keys; and
 * shards whose records are by their keys share groups while a shard splits.
 */
export class ShardOverlap {
  readonly #telemetry: Telemetry;
  readonly #ofRanges: boolean;
  readonly #shards = new Map<string, Touched>();
  #saidAt: EpochMillis | undefined;

  constructor({ source }: Pipeline, telemetry: Telemetry) {
    this.#telemetry = telemetry;
    this.#ofRanges = source.lineage.ofHashRange === true;
  }

  /** Takes note of a batch, and says so where it is misaligned. */
  see([first]: readonly SourceRecord[], { groups, all, isStray }: Spread, now: EpochMillis): void {
    if (!this.#ofRanges || first === undefined) return;
    for (const [shard, { at }] of this.#shards) if (after(at, REMEMBERED) <= now) this.#shards.delete(shard);
    this.#shards.delete(first.lineage);
    const others = [...this.#shards.values()];
    this.#shards.set(first.lineage, { at: now, groups: new Set(groups) });
    const shared = groups.filter((group) => others.some((other) => other.groups.has(group)));
    if (!isStray || shared.length === 0 || 2 * shared.length < groups.length) return;
    this.#telemetry.count('misaligned', 1);
    if (this.#saidAt !== undefined && after(this.#saidAt, SAID_AGAIN_AFTER) > now) return;
    this.#saidAt = now;
    const aligned = Math.max(1, Math.round(all / this.#shards.size));
    this.#telemetry.warn(
      `Records are misaligned, as their partition keys are not their keys: a batch of one shard touched ${groups.length} of ${all} key groups, of which other shards touch ${shared.length}, where ${Math.min(aligned, groups.length)} would do; send each record with its key as partition key`,
    );
  }
}
