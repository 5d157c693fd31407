import type { Position } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Sink } from '../pipeline/sinks.ts';
import { upstreamOf } from '../pipeline/upstream.ts';

/**
 * What taking records in, or the panes of another pipeline, may count. For the records of a batch, received =
 * applied + duplicate + late + filtered + poison once the batch is wholly committed. `late` records are those that no
 * window took.
 */
const OF_INTAKE = [
  'received',
  'applied',
  'duplicate',
  'late',
  'filtered',
  'poison',
  'panes',
  'commits',
  'conflicts',
  /** Batches of a shard that touch the key groups of other shards, as their partition keys are not their keys. */
  'misaligned',
  /** Refused records for which a group had no room. */
  'noRoom',
  /** Commits of groups that are half-way to where they have no room for new keys. */
  'crowded',
  /** Panes whose results were left out, as no entry has room for them. */
  'cutPanes',
  /** Refused records, and keys whose windows could not be closed, as a function of the definition threw. */
  'authorFaults',
  /** Records of batches that no group has left, and that are in none of the counts. There must be none. */
  'unaccounted',
  /** Groups that a projector cannot read on, as entries expired before they were delivered: see `resume`. */
  'gaps',
] as const;

/** The names of what is counted. */
export const METRICS = [
  ...OF_INTAKE,
  /** Messages that sinks sent and that were accepted, those that were sent again among them. */
  'sent',
  /** Messages that were not accepted. They are sent again, but for those of `push`. */
  'refused',
  /** Messages that wait for another minute, as their sink has a limit, each time that they are looked at. */
  'heldBack',
  /** Panes that were not sent, as they had been committed longer ago than the sink allows. */
  'tooOld',
  /** Panes that were not sent, as their message was larger than a topic, a stream or a queue takes. */
  'tooLarge',
  /** Panes that were not sent, as a function of the sink threw, or returned what JSON cannot hold. */
  'unmade',
  /** Sweeps that visited every group. */
  'sweeps',
  /** What could not be done, was logged, and will be tried again. */
  'faults',
] as const;

export type Metric = (typeof METRICS)[number];

/** What is measured once a minute, and its unit. Of several values in a minute the greatest counts. */
export const MEASURES = {
  /** How old the oldest record is that waits at the source. Where nobody can tell that, it has no value. */
  sourceAge: 'Milliseconds',
  /** The age of the oldest snapshot that a group is read from: it is renewed long before it expires. */
  oldestSnapshot: 'Milliseconds',
  /** How much of the room for new keys the fullest group has used. */
  roomUsed: 'Percent',
  /** The keys of all groups. */
  keys: 'Count',
} as const;

export type Measure = keyof typeof MEASURES;

/** What a function publishes where it counted nothing, so that an alarm has data. */
export interface Zeros {
  readonly metrics: readonly Metric[];
  /** The windows of which it says that they refused no record as late. */
  readonly windows: readonly string[];
}

/** Returns the zeros of each function of a pipeline: of whatever it may count. */
export function zerosOf(pipeline: Pipeline): Readonly<Record<'process' | 'sweep' | 'project', Zeros>> {
  const { source, rules, sinks } = pipeline;
  const foreign = new Set<Metric>([
    ...(source.lineage.ofHashRange ? [] : (['misaligned'] as const)),
    ...(upstreamOf(pipeline) ? [] : (['gaps'] as const)),
  ]);
  const refusing = rules.windows.filter(({ operator }) => !operator.ordered);
  return {
    process: {
      metrics: [...OF_INTAKE.filter((metric) => !foreign.has(metric)), 'faults'],
      windows: refusing.map(({ name }) => name),
    },
    sweep: { metrics: ['panes', 'cutPanes', 'authorFaults', 'sweeps', 'faults'], windows: [] },
    project: {
      metrics: ['gaps', 'faults', ...new Set(sinks.flatMap(({ kind }) => OF_SINK[kind]))],
      windows: [],
    },
  };
}

/** What delivery to a sink may count beside gaps. */
const OF_SINK: Readonly<Record<Sink['kind'], readonly Metric[]>> = {
  table: [],
  bucket: [],
  notify: ['sent', 'refused', 'heldBack', 'tooOld', 'tooLarge', 'unmade'],
  stream: ['sent', 'refused', 'tooLarge', 'unmade'],
  push: ['sent', 'refused', 'tooLarge', 'unmade'],
  sink: ['sent', 'refused', 'unmade'],
};

/** Consecutive records of one lineage, from the first to the last. */
export interface RecordRange {
  /** For a FIFO queue this is the queue's name alone, as the message group may be a key. */
  readonly lineage: string;
  readonly count: number;
  readonly first: Position;
  readonly last: Position;
}

/** Where something could not be done. */
interface Place {
  readonly log?: string;
  /** The records concerned, for the first few lineages. */
  readonly records?: readonly RecordRange[];
}

/** Counts and measures figures, and logs faults. None of them ever carries a payload, a key or a part of one. */
export interface Telemetry {
  count(metric: Metric, by: number): void;
  /** Counts records that a window refused as late, whether or not other windows took them. */
  countLate(window: string, by: number): void;
  measure(measure: Measure, value: number): void;
  /** Notes for how many milliseconds the oldest panes have been committed that a sink has not; 0 where it has all. */
  measureLag(sink: string, lag: number): void;
  /** Notes that a sink has, as of `now`, what a commit emitted whose earliest record arrived at `arrival`. */
  countDelivery(sink: string, arrival: EpochMillis, now: EpochMillis): void;
  /** Logs what works, and costs more than it must. */
  warn(message: string): void;
  /** Logs what could not be done, and where. It will be tried again. */
  fault(what: string, cause: unknown, place?: Place): void;
}
