import { checkOptions } from '../core/options.ts';
import { type Duration, type Millis, millis } from '../core/time.ts';
import { byKind, type Cases } from './kinds.ts';
import type { MessageSink } from './message-sinks.ts';

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
export type Sink<Panes = never> = (TableSink | BucketSink | MessageSink) & Taking<Panes>;

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
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
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
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
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
      notify: (messages) => messages,
      stream: (messages) => messages,
      push: (messages) => messages,
      sink: (messages) => messages,
    }),
  );

/** What the cases make of the sinks that a pipeline has, by their kinds: nothing for a kind of which it has none. */
export function bySink<Results extends { readonly [Kind in Sink['kind']]: unknown }>(
  sinks: readonly Sink[],
  cases: Cases<Sink, Results>,
): { readonly [Kind in keyof Results]: readonly Results[Kind][] } {
  const results = Object.keys(cases).map((kind) => {
    const make = cases[kind as keyof Results] as (sink: Sink) => unknown;
    return [kind, sinks.filter((sink) => sink.kind === kind).map((sink) => make(sink))];
  });
  return Object.fromEntries(results);
}

/** The cases of the sinks that send messages, for whoever asks what pipelines keep. */
export const NO_MESSAGES = {
  notify: () => undefined,
  stream: () => undefined,
  push: () => undefined,
  sink: () => undefined,
};

/** What a sink is called among those of its pipeline. */
export const sinkName = (sink: Sink): string => ('name' in sink ? sink.name : sink.kind);

/**
 * @param windows the names of the pipeline's windows
 * @throws TypeError when two sinks have one name, as each has one place to write to; RangeError when a sink
 * asks for a window that the pipeline does not have
 */
export function checkSinks(
  pipeline: string,
  sinks: readonly Sink[],
  windows: readonly string[],
): readonly Sink[] {
  const names = sinks.map(sinkName);
  const twice = sinks.find((sink, at) => names.indexOf(sinkName(sink)) < at);
  if (twice !== undefined) {
    throw new TypeError(
      'name' in twice
        ? `Cannot send the panes of "${pipeline}" to two sinks "${twice.name}" as each must have a name of its own: give one another name`
        : `Cannot send the panes of "${pipeline}" to ${twice.kind}() twice as a pipeline has one of each sink`,
    );
  }
  for (const sink of sinks) {
    const unknown = ('windows' in sink ? (sink.windows ?? []) : []).find((name) => !windows.includes(name));
    if (unknown === undefined) continue;
    throw new RangeError(
      `Cannot send the panes of window "${unknown}" of "${pipeline}" as it must be one of its windows: they are ${windows.join(', ')}`,
    );
  }
  return sinks;
}
