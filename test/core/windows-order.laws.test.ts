import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyState } from '../../src/core/key.ts';
import { expectIs } from '../expect.ts';
import {
  type Case,
  cases,
  keyRecord,
  longAfter,
  noPanes,
  quarters,
  type Rec,
  rulesOf,
  type WindowPlan,
} from './windows.ts';

/** Exact, and the same whatever order records came in. */
const UNORDERED = ['count', 'sum', 'min', 'max', 'integral', 'timeWeightedMean'] as const;

interface Shuffled extends Case {
  /** The same records, each of them on time still. */
  readonly other: readonly Rec[];
}

/** A window that shows no more than it must; unless its results hang on the order of the source. */
function settledOf(plan: WindowPlan): WindowPlan | undefined {
  switch (plan.kind) {
    case 'rolling':
    case 'batches':
      return undefined;
    case 'session':
      return { kind: plan.kind, gap: plan.gap, emit: 'close', aggregates: UNORDERED };
    case 'sliding':
    case 'calendar':
      return { ...plan, emit: 'close', aggregates: UNORDERED };
    default:
      return { ...plan, aggregates: UNORDERED };
  }
}

/**
 * The records of a case that arrive as fast as they come, each a millisecond of its own, in two orders in which none is
 * more than `outOfOrderness` behind one before it. A window that counts records goes by the order of the source, and so do
 * sessions that are cut: here none is.
 */
const shuffled: fc.Arbitrary<Shuffled> = fc
  .tuple(cases(quarters), fc.array(fc.noBias(fc.nat(99)), { minLength: 48, maxLength: 48 }))
  .map(([{ plan: drawn, input }, shares]) => {
    const windows: [string, WindowPlan][] = Object.entries(drawn.windows).flatMap(([name, window]) => {
      const settled = settledOf(window);
      return settled === undefined ? [] : [[name, settled]];
    });
    const plan = {
      ...drawn,
      outOfOrderness: drawn.outOfOrderness + 8,
      windows: Object.fromEntries(windows),
    };
    const times = new Set(input.map(({ at }) => at));
    const records = input.filter(({ at }) => times.delete(at)).map((record) => ({ ...record, arrival: 0 }));
    const inSomeOrder = (): Rec[] => {
      const places = records.map((record) => ({
        record,
        // As often as not as late as may be.
        place:
          record.at + Math.round(Math.min(1, 2 * ((shares.pop() as number) / 100)) * plan.outOfOrderness),
      }));
      return places
        .sort((a, b) => a.place - b.place || b.record.at - a.record.at)
        .map(({ record }) => record);
    };
    return { plan, input: inSomeOrder(), other: inSomeOrder() };
  });

/** What is known in the end, of each window, and that no record was late. */
function resultsOf({ plan }: Shuffled, input: readonly Rec[]) {
  const rules = rulesOf(plan);
  const panes = noPanes(rules);
  const key = new KeyState(rules);
  for (const record of input) expectIs(key.apply(keyRecord(rules, record), panes), 0);
  key.update(panes);
  key.idle(longAfter(input), panes);
  const known = new Map<string, string>();
  for (const { window, kind, identity, start, end, count, results } of panes.list()) {
    const shown = JSON.stringify([window, start, end, count, results]);
    if (plan.windows[window]?.kind === 'running') known.set(window, shown);
    else {
      expectIs(['early', 'final', 'empty'].includes(kind), true, kind);
      known.set(`${window} ${identity}`, shown);
    }
  }
  return [...known.values()].sort();
}

it('the results of records that are on time do not depend on their order', () => {
  let drawn = 0;
  let moved = 0;
  fc.assert(
    fc.property(shuffled, (given) => {
      drawn++;
      if (Object.keys(given.plan.windows).length === 0) return;
      if (given.input.some((record, at) => record !== given.other[at])) moved++;
      expect(resultsOf(given, given.input)).toEqual(resultsOf(given, given.other));
    }),
    { numRuns: 500 },
  );
  expect(moved / drawn).toBeGreaterThan(0.4);
});
