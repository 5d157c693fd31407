import type { Plain } from '../core/plain.ts';
import { positionOf, unorderedPositionOf } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import { batchKeys } from '../engine/group/batch-key.ts';
import { GroupRecord } from '../engine/group/group.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { LINEAGE_NAMES } from './lineages.ts';

const ENCODER = new TextEncoder();
const NOTHING = ENCODER.encode('');

/** How many texts there are to choose from where an aggregate reads a value that is no number. */
const TEXTS = 50;

/**
 * Makes up records of some keys of a group: each of any of the keys, with walks of three decimals for numbers, and
 * short texts for what an aggregate reads that is no number. The same calls give the same records.
 */
export class Synthetic {
  readonly #pipeline: Pipeline;
  readonly #keys: number;
  readonly #values: readonly (readonly Plain[])[] | undefined;
  readonly #walks: Float64Array;
  readonly #known = batchKeys();
  #made = 0;
  #random = 0x9e3779b9;

  /** @param values the values of real records, one of which each record has in place of what is made up */
  constructor(pipeline: Pipeline, keys: number, values?: readonly (readonly Plain[])[]) {
    this.#pipeline = pipeline;
    this.#keys = keys;
    this.#values = values;
    this.#walks = new Float64Array(keys).fill(20_000);
  }

  /** Returns the next record, of which nothing is known but when it is. A record is of a key that is given, or of any. */
  next(at: EpochMillis, key = Math.floor(this.#draw() * this.#keys)): GroupRecord {
    const { source } = this.#pipeline;
    const { ordered } = source.lineage;
    const number = this.#made++;
    const position = ordered
      ? positionOf(`${FIRST_SEQUENCE}${String(number).padStart(16, '0')}`)
      : unorderedPositionOf(this.#uuid());
    const record = {
      lineage: LINEAGE_NAMES[source.kind],
      position,
      arrival: at,
      partitionKey: '',
      data: NOTHING,
    };
    const id = source.identity === undefined ? undefined : this.#uuid();
    const content = {
      outcome: 'record' as const,
      key: `key-${String(key).padStart(6, '0')}`,
      record: { at, arrival: at, values: this.#valuesOf(key, number) },
      ...(id !== undefined && { id }),
    };
    return new GroupRecord(ordered, record, 0, 0, this.#known.of(content.key), content);
  }

  #valuesOf(key: number, number: number): readonly Plain[] {
    if (this.#values) return this.#values[number % this.#values.length] as readonly Plain[];
    const at = key % this.#keys;
    this.#walks[at] = (this.#walks[at] as number) + Math.round((this.#draw() - 0.5) * 400);
    return this.#pipeline.rules.inputs.kinds.map((kind) =>
      kind === 'number'
        ? (this.#walks[at] as number) / 1_000
        : `value-${String(Math.floor(this.#draw() * TEXTS)).padStart(2, '0')}`,
    );
  }

  /** Draws a number from 0 to below 1. Marsaglia, "Xorshift RNGs", 2003. */
  #draw(): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return (this.#random >>> 0) / 2 ** 32;
  }

  #uuid(): string {
    const digits = Array.from({ length: 32 }, () => Math.floor(this.#draw() * 16).toString(16)).join('');
    return [8, 12, 16, 20].reduceRight((text, at) => `${text.slice(0, at)}-${text.slice(at)}`, digits);
  }
}

/** Sequence numbers of Kinesis have 56 digits. */
const FIRST_SEQUENCE = '4966371526491802648310174935825039217746';
