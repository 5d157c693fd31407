import type { StandardSchemaV1 } from '@standard-schema/spec';
import { checkOptions } from '../../core/options.ts';
import type { Millis } from '../../core/time.ts';
import { type Decode, type Decoder, decoderOf } from '../decoders.ts';

/**
 * The facts about each lineage of a source. A lineage is a shard, a partition, a message group, or the whole
 * of a queue without order.
 */
interface LineageFacts<Ordered extends boolean = boolean> {
  /** Whether records come in an order that a retry keeps. If not, each record is known by its id alone. */
  readonly ordered: Ordered;
  /** For how long the source may still deliver a record again; for ever when undefined. */
  readonly retention: Millis | undefined;
  /** Whether handlers note how far it is committed, so that the sweeper can tell what waits after that. */
  readonly notesProgress: boolean;
  /** Set where the source does not say when a record came: the record arrives when a handler is given it. */
  readonly arrivesWhenRead?: true;
  /**
   * Set where a record may have waited, for any time, before it came, so that its arrival says nothing of the silence
   * of its key.
   */
  readonly waits?: true;
  /**
   * Whether it has the records of a range of hashes of partition keys, by which key groups are cut as well, so that
   * a lineage may have groups of its own.
   */
  readonly ofHashRange?: true;
  /**
   * Whether its positions begin again from 0 when the source is deleted and made again under its name. The
   * time at which records came then tells new ones from those that come again.
   */
  readonly beginsAnew?: true;
  /**
   * Whether its name is the source's name, a slash, and a name that producers chose. The latter may be a key,
   * so it stands in no log line.
   */
  readonly namedByProducers: boolean;
}

/** What sources of every kind have. */
export interface AnySource<Ordered extends boolean> {
  readonly lineage: LineageFacts<Ordered>;
  /**
   * Set where an author's function says what each record is known by, whatever its position; where undefined, its
   * position is all that tells it.
   */
  readonly identity: 'function' | undefined;
  /** The number of key groups of a pipeline that does not set `groups`. */
  readonly groups: number;
  /** How the bytes of a record become values. */
  readonly decoder: Decoder;
  /** The steps from a decoded value to a record. */
  readonly steps: readonly Step[];
}

type Step =
  | { readonly validate: StandardSchemaV1 }
  | { readonly reshape: (record: never) => unknown }
  | { readonly expand: (record: never) => readonly unknown[] }
  | { readonly identify: (record: never) => unknown };

export interface Identified<Rec> {
  /**
   * Returns the id by which a record is known, so that what a producer sent twice is counted once: 1 to 1,024
   * bytes of text, by a pure function. Two records of one key and one id are the same record. A child of an
   * expanded record is known by the record's id and its place, or by an id of its own.
   */
  readonly id?: (record: Rec) => string;
}

export interface AnyOptions<Rec> extends Identified<Rec> {
  /**
   * Any synchronous Standard Schema validator. Its output becomes the record, and a record that it refuses is
   * poison.
   */
  readonly schema?: StandardSchemaV1<unknown, Rec>;
  /**
   * How a record's bytes become what the schema, or the first function of the definition, sees: `json`
   * (default), `jsonLines`, `jsonTexts`, `cloudWatchLogs`, any of these in `gzip(...)` or `base64(...)`, or a
   * pure function of the bytes. Where it throws, the record is poison.
   */
  readonly decode?: Decode;
}

/** Says whether a source may have so many shards or partitions. */
export const isCount = (count: number): boolean => Number.isInteger(count) && count >= 1 && count <= 1_024;

/** Returns the next power of two from four for each shard or partition. */
export const groupsFor = (readers: number): number => 2 ** Math.ceil(Math.log2(4 * readers));

/** What a source says of the arrival of its records, as the rules by which event time advances. */
export const arrivalRulesOf = ({
  lineage: { ordered, retention, arrivesWhenRead, waits },
  identity,
}: Pick<AnySource<boolean>, 'lineage' | 'identity'>) => ({
  arrivesWhenRead: arrivesWhenRead || waits,
  // Where a record arrives whenever it is read, to come again is no less than to be sent again.
  knownFor: ordered || identity === undefined || arrivesWhenRead ? undefined : retention,
});

/** Makes a source of what its kind alone has, and of the options that all kinds take. */
export function sourceOf<Of extends AnySource<boolean>, Rec>(
  facts: Omit<Of, 'identity' | 'decoder' | 'steps' | 'map' | 'expand'>,
  { schema, id, decode }: AnyOptions<Rec>,
): Of {
  const decoder = decoderOf('read a source', decode);
  const having = (steps: readonly Step[]): Of =>
    ({
      ...facts,
      identity: steps.some((step) => 'identify' in step) ? 'function' : undefined,
      decoder,
      steps,
      map: (reshape: (record: never) => unknown) => having([...steps, { reshape }]),
      expand: (expand: (record: never) => readonly unknown[], options: Identified<never> = {}) => {
        checkOptions('expand records', options, ['id']);
        return having([...steps, { expand }, ...identified('expand records', options.id)]);
      },
    }) as unknown as Of;
  const read = schema ? [{ validate: schema }] : [];
  return having([...read, ...identified('read a source', id)]);
}

function identified(action: string, id: Identified<never>['id']): readonly Step[] {
  if (id === undefined) return [];
  if (typeof id !== 'function') {
    throw new TypeError(`Cannot ${action} as id must be a function of the record: it is ${typeof id}`);
  }
  return [{ identify: id }];
}
