import type { Pipeline } from '../pipeline/pipeline.ts';
import type { LoadOptions } from './load.ts';
import { priced, total } from './plan.ts';

/** The summaries by pipeline, as an app may make several stacks of one definition. */
const TOLD = new WeakMap<object, Map<string, string>>();

/**
 * Returns what a pipeline costs in one line. It looks at fewer commits, so that its figures are less exact than those of
 * a plan.
 */
export function summaryOf(pipeline: Pipeline, load: LoadOptions): string {
  const told = TOLD.get(pipeline) ?? new Map<string, string>();
  TOLD.set(pipeline, told);
  const name = JSON.stringify(load);
  const summary = told.get(name) ?? summarize(pipeline, load);
  told.set(name, summary);
  return summary;
}

function summarize(pipeline: Pipeline, options: LoadOptions): string {
  const { dollars, bill, load } = priced(pipeline, { load: options, effort: EFFORT });
  const source = total(bill.idle.filter(({ service }) => service === 'source'));
  const about = (sum: number): string => `$${sum.toFixed(sum < 10 ? 2 : 0)}`;
  return (
    `"${pipeline.name}" costs about ${about(dollars.idle)} a month idle, ${about(source)} of that for its source, and ` +
    `about ${about(dollars.perMillion)} more for a million records at ${load.recordsPerSecond} a second of ` +
    `${load.keys.toLocaleString('en')} keys: millrace plan says more, for your load`
  );
}

/** The share of the commits of a plan that a summary looks at. */
const EFFORT = 0.3;
