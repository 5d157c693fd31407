import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkOptions } from '../core/options.ts';

/**
 * Where a pipeline's records come from, and what they are when its windows see them.
 *
 * Whatever settles the type of a record stands here, before the options that are typed by it: members of one object
 * literal cannot see each other's types.
 */
export interface Source<out Rec> {
  readonly kind: 'kinesis';
  readonly shards: number;
  /** From a decoded JSON value to a record. */
  readonly steps: readonly Step[];
  /** The same source, each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): Source<Next>;
}

type Step = { readonly validate: StandardSchemaV1 } | { readonly reshape: (record: never) => unknown };

interface KinesisOptions<Rec> {
  readonly shards?: number;
  readonly schema?: StandardSchemaV1<unknown, Rec>;
}

/**
 * A Kinesis data stream of JSON records with `shards` shards (default 1). With a `schema`, any Standard Schema
 * validator that answers at once, a record is what the validator makes of it, and one that it refuses is poison.
 *
 * @throws RangeError when the number of shards is not a whole number from 1 to 1,024; TypeError for an option that there is not
 */
export function kinesis<Rec = unknown>(options: KinesisOptions<Rec> = {}): Source<Rec> {
  checkOptions('read a stream', options, ['shards', 'schema']);
  const { shards = 1, schema } = options;
  if (!Number.isInteger(shards) || shards < 1 || shards > 1_024) {
    throw new RangeError(
      `Cannot read a stream of ${shards} shards as shards must be a whole number from 1 to 1,024`,
    );
  }
  return sourceOf(shards, schema ? [{ validate: schema }] : []);
}

const sourceOf = <Rec>(shards: number, steps: readonly Step[]): Source<Rec> => ({
  kind: 'kinesis',
  shards,
  steps,
  map: (reshape) => sourceOf(shards, [...steps, { reshape }]),
});
