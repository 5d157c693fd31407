import type { Plain } from '../core/plain.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { LIMITS } from '../ports/limits.ts';
import { alarmsOf } from '../watch/alarms.ts';
import { type Beside, besideOf } from './beside.ts';
import { type BillLine, billOf } from './bill.ts';
import { type Counts, countsOf } from './counts.ts';
import { type Hostile, hostileOf } from './hostile.ts';
import { type Limit, limitsOf } from './limits.ts';
import { batchingOf, type Intake } from './lineages.ts';
import { type Load, type LoadOptions, loadOf } from './load.ts';
import { type MemoryFloor, memoryFloor } from './memory.ts';
import { costOf, LIST, type PriceList } from './prices.ts';
import { type Rehearsal, rehearse } from './rehearsal.ts';
import { type Resource, resourcesOf } from './resources.ts';

/** What a pipeline needs and costs under a load, before it runs. */
export interface Plan {
  readonly pipeline: string;
  readonly load: Load;
  readonly intake: Intake;
  readonly resources: readonly Resource[];
  readonly limits: readonly Limit[];
  readonly memory: MemoryFloor;
  readonly group: Omit<Rehearsal, 'panes' | 'handler' | 'sweeper'>;
  /** What the functions ask of the services, a second. */
  readonly counts: { readonly idle: Counts; readonly load: Counts };
  /** Dollars a month. */
  readonly bill: { readonly idle: readonly BillLine[]; readonly load: readonly BillLine[] };
  readonly dollars: {
    readonly idle: number;
    readonly load: number;
    /** What the load adds to the idle pipeline, for a million of its records. */
    readonly perMillion: number;
  };
  readonly hostile: readonly Hostile[];
  readonly beside: readonly Beside[];
  readonly prices: PriceList;
  /** What the plan could not find out by itself. */
  readonly doubts: readonly string[];
}

export interface PlanOptions {
  readonly load?: LoadOptions;
  /** The prices to go by. Default: those of `LIST`. */
  readonly prices?: PriceList;
  /** What the pipeline's `Inputs` read of some real records. Without it values are made up. */
  readonly values?: readonly (readonly Plain[])[];
  /** The share of the commits to look at that a plan would: fewer are sooner done, and less exact. Default 1. */
  readonly effort?: number;
}

const SECONDS = 730 * 3_600;
const MILLION = 1_000_000;

export const total = (lines: readonly BillLine[]): number =>
  lines.reduce((sum, { dollars }) => sum + dollars, 0);

/** What a pipeline costs under a load, and what that is made of. */
export interface Priced extends Pick<Plan, 'load' | 'intake' | 'counts' | 'bill' | 'dollars'> {
  readonly rehearsal: Rehearsal;
}

/**
 * Prices a pipeline, at rest and under a load.
 *
 * @throws as `planOf` does
 */
export function priced(
  pipeline: Pipeline,
  { load: options, prices = LIST, values, effort = 1 }: PlanOptions = {},
): Priced {
  const load = loadOf(options);
  const intake = batchingOf(pipeline, load);
  const rehearsal = rehearse(pipeline, load, intake, { values, effort });
  const counts = {
    idle: countsOf(pipeline, load, intake, undefined),
    load: countsOf(pipeline, load, intake, rehearsal),
  };
  const bill = {
    idle: billOf(pipeline, load, intake, counts.idle, undefined, prices),
    load: billOf(pipeline, load, intake, counts.load, rehearsal, prices),
  };
  const [idle, busy] = [total(bill.idle), total(bill.load)];
  const perMillion = ((busy - idle) * MILLION) / (SECONDS * load.recordsPerSecond);
  return { load, intake, rehearsal, counts, bill, dollars: { idle, load: busy, perMillion } };
}

/**
 * Says what a pipeline needs and costs: at rest, under a load, and under the worst of loads. It is pure, and the same
 * definition, load and prices give the same plan.
 *
 * @throws RangeError when the load is out of its bounds; TypeError for an unknown option of it
 */
export function planOf(pipeline: Pipeline, options: PlanOptions = {}): Plan {
  const { prices = LIST, values } = options;
  const { load, intake, rehearsal, counts, bill, dollars } = priced(pipeline, options);
  const newKeys = priced(pipeline, {
    prices,
    load: { ...loadOptionsOf(load), keys: Math.max(load.keys, MILLION) },
  });
  const { panes: _, handler: _handler, sweeper: _sweeper, ...group } = rehearsal;
  return {
    pipeline: pipeline.name,
    load,
    intake,
    resources: resourcesOf(pipeline, load),
    limits: limitsOf(pipeline, load, intake, rehearsal, counts.load),
    memory: memoryFloor(pipeline),
    group,
    counts,
    bill,
    dollars,
    hostile: hostileOf(pipeline, load, intake, newKeys.dollars.perMillion, prices),
    beside: besideOf(load, rehearsal, dollars.load, bill.load, prices),
    prices,
    doubts: [...unwatched(pipeline, load, prices), ...doubtsOf(rehearsal, values !== undefined)],
  };
}

const loadOptionsOf = ({ batchingWindow, deliveryWindow, ...load }: Load): LoadOptions => ({
  ...load,
  batchingWindow: `${batchingWindow}ms`,
  deliveryWindow: `${deliveryWindow}ms`,
});

/** Says what alarms cost where the load counts none, as CloudWatch bills them by the figures that they look at. */
function unwatched(pipeline: Pipeline, { alarms }: Load, prices: PriceList): readonly string[] {
  if (alarms > 0) return [];
  const figures = alarmsOf(pipeline).reduce((sum, { figures }) => sum + Object.keys(figures).length, 0);
  const cost = costOf(prices, 'cloudwatchAlarm', figures).toFixed(2);
  return [
    `alarms are not counted; a stack whose alarms tell a topic costs $${cost} more: --alarms ${figures}`,
  ];
}

function doubtsOf({ refused, grows, weight }: Rehearsal, isReal: boolean): readonly string[] {
  const doubts: string[] = [];
  if (!isReal) doubts.push('values are made up: give records by --sample for the sizes of your own');
  if (refused > 0) {
    doubts.push(
      `${Math.ceil(100 * refused)} % of the ${isReal ? '' : 'made-up '}records were refused, and cost less than they would`,
    );
  }
  if (grows && weight < LIMITS.newKeys)
    doubts.push('the state still grew when the plan had seen enough records: a larger one costs more');
  return doubts;
}
