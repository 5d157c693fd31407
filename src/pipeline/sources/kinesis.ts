import { checkOptions } from '../../core/options.ts';
import { type Duration, type Millis, millis } from '../../core/time.ts';
import {
  type AnyOptions,
  type AnySource,
  groupsFor,
  type Identified,
  isCount,
  sourceOf,
} from './any-source.ts';

export interface KinesisSource<out Rec> extends AnySource<true> {
  readonly kind: 'kinesis';
  /** How many shards the stream begins with, as far as the definition knows. */
  readonly shards: number;
  /** The stream that the stack makes, or the ARN of one that exists. */
  readonly stream: NewStream | { readonly arn: string };
  /** Whether the handler reads as a consumer of its own (enhanced fan-out), with 2 MB/s of each shard for itself. */
  readonly fanOut: boolean;
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): KinesisSource<Next>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(expand: (record: Rec) => readonly Child[], options?: Identified<Child>): KinesisSource<Child>;
}

interface NewStream {
  readonly mode: StreamMode;
  readonly retention: Millis;
}

/** Whether a stream has the shards that it is told to have, or as many as Kinesis makes of its load. */
type StreamMode = 'provisioned' | 'on-demand';

interface KinesisOptions<Rec> extends AnyOptions<Rec> {
  /** Whether the stream has `shards` shards, or divides and merges them by its load. Default `'provisioned'`. */
  readonly mode?: StreamMode;
  /** Default 1; an on-demand stream has four to begin with. */
  readonly shards?: number;
  /** For how long the stream keeps its records, in whole hours from a day to 365 days. Default 7 days. */
  readonly retention?: Duration;
  /** Whether the handler is a consumer of its own (enhanced fan-out). Default false. */
  readonly fanOut?: boolean;
  /** The ARN of a stream that exists, whose mode and retention are its owner's. By default the stack makes one. */
  readonly stream?: string;
}

/** The longest that Kinesis keeps records, whatever a stream is told. */
export const LONGEST_RETENTION = millis('365d');

/** For how long a group remembers how far it has taken a shard in. */
export const SHARD_REMEMBERED = millis('365d');

const HOUR = millis('1h');

/** With how many shards an on-demand stream begins. */
const ON_DEMAND_SHARDS = 4;

/**
 * Reads a Kinesis data stream of JSON records: one that the stack makes, or one that exists.
 *
 * @throws RangeError when `shards` is not a whole number from 1 to 1,024, `mode` is no mode, `retention` is not
 * whole hours from a day to 365 days, `stream` is no ARN of a stream, or an option is given that another one
 * settles; TypeError when `fanOut` is not true or false, or for an unknown option
 *
 * @example
 * ```ts
 * import { kinesis } from 'millrace';
 *
 * interface Reading {
 *   fahrenheit: number;
 * }
 *
 * export const readings = kinesis<Reading>({ shards: 2 }).map(({ fahrenheit }) => ({ celsius: (fahrenheit - 32) / 1.8 }));
 * ```
 */
export function kinesis<Rec = unknown>(options: KinesisOptions<Rec> = {}): KinesisSource<Rec> {
  checkOptions('read a stream', options, [
    'mode',
    'shards',
    'retention',
    'fanOut',
    'stream',
    'schema',
    'id',
    'decode',
  ]);
  const { mode = 'provisioned', fanOut = false } = options;
  const { shards = mode === 'on-demand' ? ON_DEMAND_SHARDS : 1 } = options;
  if (!isCount(shards)) {
    throw new RangeError(
      `Cannot read a stream of ${shards} shards as shards must be a whole number from 1 to 1,024`,
    );
  }
  if (typeof fanOut !== 'boolean') {
    throw new TypeError(`Cannot read a stream as fanOut must be true or false: it is ${typeof fanOut}`);
  }
  if (mode === 'on-demand' && options.shards !== undefined) {
    throw new RangeError(
      'Cannot read an on-demand stream with shards as Kinesis settles how many it has: leave shards out, and set groups of the pipeline for more key groups',
    );
  }
  const stream = options.stream === undefined ? newStream(mode, options) : existingStream(options);
  const groups = groupsFor(shards);
  const lineage = {
    ordered: true,
    retention: SHARD_REMEMBERED,
    notesProgress: true,
    ofHashRange: true,
    namedByProducers: false,
  } as const;
  return sourceOf({ kind: 'kinesis', lineage, groups, shards, stream, fanOut }, options);
}

function newStream(
  mode: StreamMode,
  { retention = '7d' }: Pick<KinesisOptions<never>, 'retention'>,
): NewStream {
  if (mode !== 'provisioned' && mode !== 'on-demand') {
    throw new RangeError(
      `Cannot read a stream of the mode "${mode}" as the modes are provisioned and on-demand`,
    );
  }
  const kept = millis(retention);
  if (kept % HOUR !== 0 || kept < 24 * HOUR || kept > LONGEST_RETENTION) {
    throw new RangeError(
      `Cannot keep the records of a stream for "${retention}" as retention must be whole hours from "1d" to "365d"`,
    );
  }
  return { mode, retention: kept };
}

function existingStream<Rec>(options: KinesisOptions<Rec>): { readonly arn: string } {
  const { stream: arn = '' } = options;
  if (!STREAM_ARN.test(arn)) {
    throw new RangeError(
      `Cannot read the stream "${arn}" as stream must be the ARN of a stream: arn:aws:kinesis:<region>:<account>:stream/<name>`,
    );
  }
  const settled = (['mode', 'retention'] as const).find((option) => options[option] !== undefined);
  if (settled !== undefined) {
    throw new RangeError(
      `Cannot set the ${settled} of a stream that exists as mode and retention are its owner's: leave ${settled} or stream out`,
    );
  }
  return { arn };
}

const STREAM_ARN = /^arn:aws[a-z-]*:kinesis:[a-z0-9-]+:\d{12}:stream\/[\w.-]{1,128}$/;
