/**
 * Runs a pipeline's definition on records in memory, for its author's tests. It uses no AWS service, and time
 * in it is simulated.
 *
 * @module
 */

import { type SubPosition, subPlaceOf } from './core/position.ts';
import type { EpochMillis } from './core/time.ts';
import { writtenPane } from './engine/delivery/written-pane.ts';
import { batchKeys } from './engine/group/batch-key.ts';
import { type Deployment, firstDeployment } from './engine/group/deployment.ts';
import type { Poison } from './engine/group/group.ts';
import { EMPTY_GROUP, type Folded, type GroupPane, GroupRecord, listPanes } from './engine/group/group.ts';
import { placedParts } from './engine/intake/decode.ts';
import { fold, foldIdle } from './engine/intake/fold.ts';
import type { Pane, Pipeline } from './pipeline/pipeline.ts';
import { LIMITS } from './ports/limits.ts';
import { type Delivered, type DeliveryMapping, deliverRecords } from './simulation/deliver.ts';
import { caseOf, decodeGiven, type GivenRecord } from './simulation/given.ts';
import type { Random } from './simulation/random.ts';
import { shrink } from './simulation/shrink.ts';
import { runSchedule } from './simulation/simulation.ts';

/**
 * Says which record: by its place among the records, by the member's place in it where its source makes
 * several records of one, and by the child's place in that where its source is expanded.
 */
interface RecordAt {
  /** From 0. */
  readonly at: number;
  /** From 0. */
  readonly member?: number;
  /** From 0. */
  readonly child?: number;
}

/**
 * What a pipeline made of some records. The counts are of members where its source makes several records of
 * one, and of children where it is expanded.
 */
export interface Tried<Panes> {
  /** The panes in the order in which they were emitted; those after the last record come key by key. */
  readonly panes: readonly Panes[];
  /** How many records at least one window took. */
  readonly applied: number;
  /**
   * How many records each window refused as late, by the window's name. A window that refused none is absent.
   */
  readonly late: Readonly<Record<string, number>>;
  /** How many records every window refused as late. */
  readonly lateForAll: number;
  /** The records that some window refused as late, with the names of those windows. */
  readonly lateRecords: readonly (RecordAt & { readonly windows: readonly string[] })[];
  /** How many records the pipeline's `filter` dropped. */
  readonly filtered: number;
  /** The records that were refused, each with the reason. */
  readonly poison: readonly (Poison & RecordAt)[];
}

/** The options of `tryPipeline`. */
export interface TryOptions {
  /**
   * When each record arrives at the source, in epoch milliseconds, in the order of the records. A record
   * without an arrival arrives at its event time, or with the record before it if that is later, so that it
   * is never refused as ahead of its arrival (`future`).
   */
  readonly arrivals?: readonly number[];
  /**
   * Whether time passes after the last record until every window that silence closes has closed. Default
   * true.
   */
  readonly close?: boolean;
}

/**
 * Runs a pipeline on records in memory, for the tests of its definition. It uses no clock and no storage. It
 * folds the records twice, to check that the functions of the definition are pure.
 *
 * @param records what the source carries, before `schema`, `map` and `expand`: values that become JSON, or
 * bytes as a Uint8Array
 * @throws TypeError when the second fold gives another result than the first
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, tumbling } from 'millrace';
 * import { tryPipeline } from 'millrace/testing';
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
 * });
 * const noon = Date.UTC(2026, 0, 5, 12);
 * const { panes } = tryPipeline(temperature, [{ machineId: 'pump', measuredAt: noon, celsius: 20 }]);
 * if (panes[0]?.results?.max !== 20) throw new Error('The first pane must have the only reading');
 * ```
 */
export function tryPipeline<Panes = Pane>(
  pipeline: Pipeline<Panes>,
  records: readonly unknown[],
  options: TryOptions = {},
): Tried<Panes> {
  const [once, again] = [0, 1].map(() => tryOnce(pipeline as Pipeline, records, options));
  if (JSON.stringify(once) !== JSON.stringify(again)) {
    throw new TypeError(
      `Cannot try "${pipeline.name}" as its functions must be pure: folded twice, it differs`,
    );
  }
  return once as Tried<Panes>;
}

function tryOnce(
  pipeline: Pipeline,
  records: readonly unknown[],
  { arrivals, close = true }: TryOptions,
): Tried<Pane> {
  const decoded = decodeGiven(pipeline, records, arrivals);
  const parts = decoded.flatMap(({ source, outcome }) =>
    placedParts(source, outcome).map((placed) => ({ ...placed, source })),
  );
  const keys = batchKeys();
  const taken = parts.flatMap(({ source, member, child, expanded, part }) => {
    if (part.outcome === 'filtered') return [];
    const key = keys.of(part.outcome === 'record' ? part.key : source.partitionKey);
    return new GroupRecord(true, source, member, child, key, part, expanded);
  });
  const deployment = firstDeployment(pipeline);
  const folded = fold(deployment, EMPTY_GROUP, taken, { ...LIMITS, poison: Number.POSITIVE_INFINITY });
  const closing = close ? closeAll(deployment, folded, decoded.at(-1)?.source.arrival) : [];
  return {
    panes: [...listPanes(folded.panes), ...closing].map((pane) => writtenPane(pipeline, pane)),
    applied: folded.counters.applied,
    late: folded.counters.late,
    lateForAll: folded.counters.lateForAll,
    lateRecords: folded.late.map(({ position, windows }) => ({ ...recordAt(position, decoded), windows })),
    filtered: parts.filter(({ part }) => part.outcome === 'filtered').length,
    poison: folded.poison.flatMap(({ position, content }) =>
      content.outcome === 'poison' ? [{ ...recordAt(position, decoded), ...content.poison }] : [],
    ),
  };
}

function recordAt(position: SubPosition, given: readonly GivenRecord[]): RecordAt {
  const { position: place, member, child } = subPlaceOf(position);
  const at = Number(place);
  const outcome = given[at]?.outcome;
  const isPacked = outcome?.outcome === 'packed';
  const decoded = isPacked ? outcome.members[member]?.decoded : outcome;
  return {
    at,
    ...(isPacked ? { member } : {}),
    ...(decoded?.outcome === 'expanded' ? { child } : {}),
  };
}

/** Lets ever more time pass after the last arrival, until no window is open, and returns the panes. */
function closeAll(
  deployment: Deployment,
  folded: Folded,
  last: EpochMillis | undefined,
): readonly GroupPane[] {
  const panes: GroupPane[] = [];
  let group = { ...EMPTY_GROUP, ...folded };
  for (let silence = 1; ; silence *= 2) {
    const now = ((last ?? 0) + deployment.pipeline.rules.time.idleAfter + silence) as EpochMillis;
    const idle = foldIdle(deployment, group, now);
    panes.push(...listPanes(idle.panes));
    if (idle.open === 0 && !idle.more) return panes;
    group = { ...group, ...idle };
  }
}

/** The result of some schedules, none of which broke a rule. */
export interface Simulated {
  /** How many schedules were run. */
  readonly schedules: number;
  /** How many faults were injected, over all schedules. */
  readonly faults: number;
  /** How many panes the pipeline emitted, over all schedules: each exactly once in its schedule. */
  readonly panes: number;
}

/** The options of `simulate`. */
export interface SimulateOptions extends Pick<TryOptions, 'arrivals'> {
  /** How many schedules are run, a whole number. Default 100. */
  readonly seeds?: number;
  /** The seed of the first schedule, a whole number. Each further schedule has the next seed. Default 1. */
  readonly first?: number;
}

/**
 * Runs a pipeline on records in memory, as Lambda would at its worst: batches are cut anywhere, and delivered
 * twice, out of turn and late, while stores refuse calls, answers are lost and invocations end halfway. Each
 * schedule follows from its seed alone, and must emit every pane that the records make exactly once.
 *
 * @param records the records, as for `tryPipeline`; the records of a key keep their order, unless the source
 * is a standard queue
 * @throws Error when a schedule breaks a rule; the message says the seed, the fewest faults that suffice, and
 * the rule
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, tumbling } from 'millrace';
 * import { simulate } from 'millrace/testing';
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
 * });
 * const noon = Date.UTC(2026, 0, 5, 12);
 * const records = [20, 22, 27].map((celsius, second) => ({ machineId: 'pump', measuredAt: noon + 1_000 * second, celsius }));
 * const { schedules } = await simulate(temperature, records, { seeds: 10 });
 * if (schedules !== 10) throw new Error('Every schedule must have been run');
 * ```
 */
export async function simulate<Panes = Pane>(
  pipeline: Pipeline<Panes>,
  records: readonly unknown[],
  { seeds = 100, first = 1, arrivals }: SimulateOptions = {},
): Promise<Simulated> {
  const decoded = decodeGiven(pipeline as Pipeline, records, arrivals);
  const settings = { given: (random: Random) => caseOf(random, pipeline as Pipeline, decoded) };
  let [faults, panes] = [0, 0];
  for (let seed = first; seed < first + seeds; seed++) {
    const ran = await runSchedule(settings, { seed });
    faults += ran.applied.length;
    panes += ran.panes ?? 0;
    if (ran.violation === undefined) continue;
    const least = (await shrink(settings, { seed })) ?? ran;
    throw new Error(
      `Cannot vouch for "${pipeline.name}" as a rule is broken with seed ${seed} and faults ${JSON.stringify(least.applied)}: ${least.violation?.message}`,
      { cause: least.violation },
    );
  }
  return { schedules: seeds, faults, panes };
}

export type { Delivered, DeliveryMapping };

/**
 * Hands records to a handler as Lambda's event source mapping of a stream or of a queue does, by the rules that
 * AWS documents: batches, partial answers, bisecting, retries and age, failure destination, filters, message
 * groups, visibility timeout and dead letters. Time in it is simulated, and it uses no AWS service.
 *
 * @param handler a handler that takes a Lambda event, such as one of `lambdaHandler`
 * @param mapping the source, and the settings of its mapping
 * @param records what the source carries: values that become JSON, or bytes as a Uint8Array
 * @throws RangeError for settings that Lambda would not take; TypeError for an unknown option; Error when the
 * handler was called 10,000 times and its records were not taken
 *
 * @example
 * ```ts
 * import { deliver } from 'millrace/testing';
 *
 * const { batches, discarded } = await deliver(
 *   async (event) => {
 *     const { Records } = event as { Records: { kinesis: { data: string } }[] };
 *     if (Records.some(({ kinesis }) => atob(kinesis.data) === '"bad"')) throw new Error('A record is bad');
 *   },
 *   { source: 'kinesis', bisect: true, retries: 0 },
 *   ['good', 'bad', 'good', 'good'],
 * );
 * if (JSON.stringify(batches) !== '[[0,1,2,3],[0,1],[0],[1],[2,3]]') throw new Error('It must be cut in half');
 * if (discarded[0]?.records[0] !== 1) throw new Error('The bad record must be given up');
 * ```
 */
export const deliver = (
  handler: (event: unknown) => Promise<unknown>,
  mapping: DeliveryMapping,
  records: readonly unknown[],
): Promise<Delivered> => deliverRecords(handler, mapping, records);
