import { type SubPosition, subPlaceOf, subPositionOf } from './core/position.ts';
import type { EpochMillis } from './core/time.ts';
import { writtenPane } from './engine/delivery/written-pane.ts';
import { type Deployment, firstDeployment } from './engine/group/deployment.ts';
import type { Poison } from './engine/group/group.ts';
import {
  EMPTY_GROUP,
  type Folded,
  type GroupPane,
  type GroupRecord,
  listPanes,
} from './engine/group/group.ts';
import { decodedParts } from './engine/intake/decode.ts';
import { fold, foldIdle } from './engine/intake/fold.ts';
import type { Pane, Pipeline } from './pipeline/pipeline.ts';
import { LIMITS } from './ports/limits.ts';
import { caseOf, decodeGiven, type GivenRecord } from './simulation/given.ts';
import type { Random } from './simulation/random.ts';
import { shrink } from './simulation/shrink.ts';
import { runSchedule } from './simulation/simulation.ts';

/** Which record: its place in the input, and where the source is expanded that of its child, both from 0. */
interface GivenAt {
  readonly at: number;
  readonly child?: number;
}

/** What a pipeline made of some records. */
export interface Tried<Panes> {
  /** As they were emitted; after the last record, key by key. */
  readonly panes: readonly Panes[];
  /** How many records at least one window took. */
  readonly applied: number;
  /** How many records each window refused as late, by its name; none where it refused none. */
  readonly late: Readonly<Record<string, number>>;
  /** How many records no window took, as each refused them as late. */
  readonly lateForAll: number;
  /** The late records, and which windows refused them. */
  readonly lateRecords: readonly (GivenAt & { readonly windows: readonly string[] })[];
  readonly filtered: number;
  /** The records refused. */
  readonly poison: readonly (Poison & GivenAt)[];
}

export interface TryOptions {
  /**
   * When each record arrives at the source, in epoch milliseconds. Left out, a record arrives when it happens, or with
   * the one before it if that is later: none is then ahead of its arrival (`future`).
   */
  readonly arrivals?: readonly number[];
  /** Whether time passes after the last record until every window has closed. Default true. */
  readonly close?: boolean;
}

/**
 * Tries a pipeline on records, in memory and at once: for the tests of a definition.
 *
 * @param records what the source carries, before schema and map, as values; or as bytes, for what is not JSON
 * @throws TypeError when folding them twice gives different panes: a function of the definition is not pure
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
 *   key: (reading) => reading.machineId,
 *   eventTime: (reading) => reading.measuredAt,
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
  const parts = decoded.map(({ outcome }) => decodedParts(outcome));
  const taken = decoded.flatMap(({ source }, at) =>
    (parts[at] ?? []).flatMap((content, child): GroupRecord[] => {
      if (content.outcome === 'filtered') return [];
      const { lineage, arrival } = source;
      const position = subPositionOf(true, source.position, 0, child);
      return [{ source, lineage, position, arrival, hash: 0, content }];
    }),
  );
  const deployment = firstDeployment(pipeline);
  const folded = fold(deployment, EMPTY_GROUP, taken, { ...LIMITS, poison: Number.POSITIVE_INFINITY });
  const closing = close ? closeAll(deployment, folded, decoded.at(-1)?.source.arrival) : [];
  return {
    panes: [...listPanes(folded.panes), ...closing].map((pane) => writtenPane(pipeline, pane)),
    applied: folded.counters.applied,
    late: folded.counters.late,
    lateForAll: folded.counters.lateForAll,
    lateRecords: folded.late.map(({ position, windows }) => ({ ...givenAt(position, decoded), windows })),
    filtered: parts.flat().filter(({ outcome }) => outcome === 'filtered').length,
    poison: folded.poison.flatMap(({ position, content }) =>
      content.outcome === 'poison' ? [{ ...givenAt(position, decoded), ...content.poison }] : [],
    ),
  };
}

function givenAt(position: SubPosition, given: readonly GivenRecord[]): GivenAt {
  const { position: place, child } = subPlaceOf(position);
  const at = Number(place);
  return given[at]?.outcome.outcome === 'expanded' ? { at, child } : { at };
}

/** Lets more and more time pass after the last arrival, until no window is open. */
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

/** What some schedules came to, none of which broke a rule. */
export interface Simulated {
  readonly schedules: number;
  /** Faults that were injected. */
  readonly faults: number;
  /** Panes, each of which came out exactly once. */
  readonly panes: number;
}

export interface SimulateOptions extends Pick<TryOptions, 'arrivals'> {
  /** How many schedules are run. Default 100. */
  readonly seeds?: number;
  /** The seed of the first; the others are those that follow. Default 1. */
  readonly first?: number;
}

/**
 * Runs a pipeline on records as Lambda would at its worst, in memory: batches cut anywhere, delivered twice, out of turn and
 * late, while stores refuse, answers are lost and invocations end halfway. Each schedule is drawn from its seed, and must
 * give every pane that the records make, once.
 *
 * @param records as for `tryPipeline`; those of a key keep their order, unless the source is a standard queue
 * @throws Error naming the seed, the fewest faults and the rule, when a schedule breaks one
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
 *   key: (reading) => reading.machineId,
 *   eventTime: (reading) => reading.measuredAt,
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
