import { checkOptions } from '../core/options.ts';
import { type Duration, type Millis, millis } from '../core/time.ts';
import { byKind, type Cases } from './kinds.ts';

/** What every sink says of the panes that it takes. */
interface Taking<in Panes> {
  /** What takes one of them; never present, there for inference. */
  readonly takes?: (pane: Panes) => void;
}

/** DynamoDB rows: one for each closed window, and the latest pane per key and window. */
export interface TableSink {
  readonly kind: 'table';
}

/** The format of an object of panes: lines of JSON, gzipped, or a Parquet file. */
export type ObjectFormat = 'ndjson' | 'parquet';

/** S3 objects that hold every pane, by the date and hour of its window's end. */
export interface BucketSink {
  readonly kind: 'bucket';
  readonly format: ObjectFormat;
  /** For how long panes are gathered before they are written. */
  readonly every: Millis;
}

/**
 * Where panes of the types `Panes` go; without an argument, a sink of any panes. When a kind is added here,
 * the compiler reports each place that must know it.
 */
export type Sink<Panes = never> = (TableSink | BucketSink) & Taking<Panes>;

interface BucketOptions {
  /**
   * Lines of JSON, gzipped, or Parquet with one schema for all windows: see docs/athena.md. Default `ndjson`.
   */
  readonly format?: ObjectFormat;
  /**
   * For how long panes may wait for others, so that objects are few and large. A pane is written within this
   * time of its commit, and a minute. At most an hour; `0s` writes at every wake-up. Default `1m`.
   */
  readonly every?: Duration;
}

const FORMATS: readonly string[] = ['ndjson', 'parquet'] satisfies readonly ObjectFormat[];
const LONGEST_WAIT = millis('1h');

/**
 * Delivers panes to a DynamoDB table of rows: one for each closed window, and the latest pane per key and
 * window.
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, table, tumbling } from 'millrace';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: (reading) => reading.machineId,
 *   eventTime: (reading) => reading.measuredAt,
 *   windows: { minute: tumbling({ size: '1m' }, { max: max('celsius') }) },
 * }).to(table());
 * ```
 */
export const table = (): TableSink => ({ kind: 'table' });

/**
 * Delivers every pane to an S3 bucket, as objects by the date and hour of its window's end.
 *
 * @throws RangeError when `format` is not a known format, or `every` is more than an hour; TypeError for an
 * unknown option
 *
 * @example
 * ```ts
 * import { bucket, definePipeline, kinesis, max, table, tumbling } from 'millrace';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: (reading) => reading.machineId,
 *   eventTime: (reading) => reading.measuredAt,
 *   windows: { minute: tumbling({ size: '1m' }, { max: max('celsius') }) },
 * }).to(table(), bucket({ format: 'parquet', every: '5m' }));
 * ```
 */
export function bucket(options: BucketOptions = {}): BucketSink {
  checkOptions('write to a bucket', options, ['format', 'every']);
  const { format = 'ndjson', every = '1m' } = options;
  if (!FORMATS.includes(format)) {
    throw new RangeError(
      `Cannot write objects of format "${format}" as the formats are ${FORMATS.join(', ')}`,
    );
  }
  const wait = millis(every);
  if (wait > LONGEST_WAIT) {
    throw new RangeError(`Cannot gather panes for "${every}" as they may wait for at most 1h`);
  }
  return { kind: 'bucket', format, every: wait };
}

/**
 * Returns the same sinks without gathering: every pane is written as soon as it is committed, for runs that
 * someone watches.
 */
export const atOnce = (sinks: readonly Sink[]): readonly Sink[] =>
  sinks.map((sink) =>
    byKind<Sink, Sink>(sink, {
      table: (rows) => rows,
      bucket: (objects) => ({ ...objects, every: millis('0s') }),
    }),
  );

/**
 * What the cases make of the sinks that a pipeline has, by their kinds and in the order of the cases; nothing
 * is there for a kind of which it has none.
 */
export function bySink<Results extends { readonly [Kind in Sink['kind']]: unknown }>(
  sinks: readonly Sink[],
  cases: Cases<Sink, Results>,
): { readonly [Kind in keyof Results]?: Results[Kind] } {
  const results: { [Kind in keyof Results]?: Results[Kind] } = {};
  for (const kind of Object.keys(cases) as (keyof Results & Sink['kind'])[]) {
    const sink = sinks.find((sink) => sink.kind === kind);
    if (sink) results[kind] = (cases[kind] as (value: Sink) => Results[typeof kind])(sink);
  }
  return results;
}

/** @throws TypeError when there are two sinks of a kind, as each kind has one place to write to */
export function checkSinks(pipeline: string, sinks: readonly Sink[]): readonly Sink[] {
  const kinds = sinks.map(({ kind }) => kind);
  const twice = kinds.find((kind, at) => kinds.indexOf(kind) < at);
  if (twice === undefined) return sinks;
  throw new TypeError(
    `Cannot send the panes of "${pipeline}" to ${twice}() twice as a pipeline has one of each sink`,
  );
}
