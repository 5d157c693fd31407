/**
 * What a run tells its page, as JSON. Everything in it is absolute, and the higher revision of a pane wins: an
 * event that comes twice, or after a later one, changes nothing.
 */

export const KINDS = ['final', 'late', 'early', 'empty', 'retracted', 'rolling', 'running'] as const;
export type Kind = (typeof KINDS)[number];

/** A result: a number where it can be drawn; text for all else, as a person reads it. */
export type Value = number | string | null;

/** The longest text of a result that a page shows. */
const MAX_TEXT = 200;

/** Returns a result as a page shows it. */
export function shownValue(result: unknown): Value {
  if (result === null || result === undefined) return null;
  if (typeof result === 'number' && Number.isFinite(result)) return result;
  const text = typeof result === 'object' ? JSON.stringify(result) : String(result);
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}

/** A pipeline as the page draws it. */
export interface Shape {
  readonly name: string;
  /** What carries the records, such as `kinesis`. */
  readonly source: string;
  readonly windows: readonly {
    readonly name: string;
    /** The kind and the lengths of the window, in words. */
    readonly text: string;
    readonly results: readonly string[];
  }[];
  readonly sinks: readonly { readonly name: string; readonly unit: string }[];
  /** A record as the pipeline reads them, for someone who sends another; undefined before any is known. */
  readonly example?: string | undefined;
}

/**
 * What a run is doing: it reads an input; it moves its clock forward until every window has closed; it waits for
 * records; it has ended. Or the pipeline runs elsewhere, and is asked: then nobody counts, and all counts are 0.
 */
export type Phase = 'reading' | 'closing' | 'up' | 'ended' | 'asked';

/** How far a run is. Counts are of the process that tells them. Instants are in epoch milliseconds. */
export interface Figures {
  readonly at: number;
  readonly phase: Phase;
  readonly sent: number;
  readonly committed: number;
  readonly panes: number;
  readonly poison: number;
  readonly faults: number;
  /** By window: the panes that it emitted, and the records that it refused as late. */
  readonly emitted: Readonly<Record<string, number>>;
  readonly late: Readonly<Record<string, number>>;
  /** By the name of a sink: what it received, in its unit. Of a sink that is not here nobody counts it. */
  readonly delivered: Readonly<Record<string, number>>;
  /**
   * By the name of a sink: how long it took from the handler's receipt of a batch until the sink had what came
   * of it, in milliseconds: the median, and what 99 of 100 took at most.
   */
  readonly latency: Readonly<Record<string, readonly [median: number, p99: number]>>;
  readonly watermark: number | null;
  /** The newest event time that was sent. */
  readonly newest: number | null;
  /** The share of the input that was read; null where there is no input. */
  readonly share: number | null;
}

/**
 * A pane: what tells it apart from the other panes of its series, start, end, the place of its kind in `KINDS`,
 * revision, count, watermark, its results in the order of its window's `results`, and those that it replaced.
 */
export type WirePane = readonly [
  id: number,
  start: number,
  end: number,
  kind: number,
  revision: number,
  count: number,
  watermark: number,
  results: readonly Value[],
  before?: readonly Value[],
];

/** Panes of one window and key, and up to which end earlier ones were forgotten, if any were. */
export type WireSeries = readonly [
  window: number,
  key: string,
  panes: readonly WirePane[],
  forgottenUpTo?: number,
];

/** The figures of some instant, in the order of their fields in `Sample`. */
export type WireSample = readonly number[];

/** Everything that a page shows, as of some event. */
export interface Snapshot {
  readonly shape: Shape;
  readonly figures: Figures;
  readonly trend: readonly WireSample[];
  readonly series: readonly WireSeries[];
  /** The last panes, in the order in which they came. */
  readonly recent: readonly (readonly [window: number, key: string, id: number])[];
  /** How many series are no longer kept, as there are too many. */
  readonly forgotten: number;
}

/** What has happened since the event before. */
export interface Batch {
  readonly figures: Figures;
  readonly series: readonly WireSeries[];
}

export type LiveEvent =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'batch'; readonly batch: Batch };
