import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EpochMillis } from '../../src/core/time.ts';
import { AFTER, BEFORE, type Watermarks } from '../../src/core/window.ts';
import { type Case, cases, keyRecord, noPanes, quarters, type Rec, rulesOf } from './windows.ts';

/** When a record is refused for good: ids of a source without order are kept until then. */

interface Probe extends Case {
  /** The event time of a record that comes last, from that of the one before. */
  readonly away: number;
  /** How far the watermark is by then, from where it is first refused. */
  readonly past: number;
}

const probes: fc.Arbitrary<Probe> = fc
  .tuple(cases(quarters), fc.integer({ min: -60, max: 60 }), fc.integer({ min: -2, max: 2 }))
  .map(([drawn, away, past]) => ({ ...drawn, away, past }));

const LAST: Omit<Rec, 'at'> = {
  arrival: 0,
  value: 1,
  weight: 1,
  total: 1,
  tag: 'last',
  category: 'a',
  nested: { value: 1 },
  gap: 3,
};

/** Of each of the plan's windows: its settings, whether it takes the last record, and whether it may no more. */
function outcomesOf({ plan, input, away, past }: Probe) {
  const rules = rulesOf(plan);
  const panes = noPanes(rules);
  const last: Rec = { ...LAST, at: (input.at(-1)?.at ?? 0) + away };
  return Object.values(plan.windows).map((settings, window) => {
    const { operator } = rules.windows[window] as (typeof rules.windows)[number];
    const state = operator.thaw(undefined);
    const watermarks: Watermarks = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const reach = (watermark: number): void => {
      watermarks[AFTER] = Math.max(watermarks[BEFORE] as number, watermark);
      if (watermarks[BEFORE] !== Number.NEGATIVE_INFINITY) state.advance(watermarks, panes);
      watermarks[BEFORE] = watermarks[AFTER] as number;
    };
    const take = (record: Rec): boolean => {
      const reached = record.at - plan.outOfOrderness;
      watermarks[AFTER] = Math.max(watermarks[BEFORE] as number, reached);
      panes.watermark(watermarks[AFTER]);
      panes.record.set(keyRecord(rules, record));
      const taken = state.apply(panes.record, watermarks, panes);
      reach(reached);
      return taken;
    };
    for (const record of input) take(record);
    const from = operator.refusedFrom(last.at as EpochMillis);
    // The watermark of a key that has met no record has not begun to move.
    if (Number.isFinite(from) && input.length > 0) reach(from + past);
    return { settings, from, watermark: watermarks[BEFORE] as number, taken: take(last) };
  });
}

describe('a window', () => {
  it('refuses a record from the watermark on that it says', () => {
    let drawn = 0;
    let refused = 0;
    let taken = 0;
    fc.assert(
      fc.property(probes, (probe) => {
        drawn++;
        for (const { settings, from, watermark, ...outcome } of outcomesOf(probe)) {
          if (outcome.taken) taken++;
          else refused++;
          if (watermark >= from) expect(outcome.taken).toBe(false);
          // A session whose gap is the record's, or that is cut, may have been forgotten earlier than that.
          const mayBeEarlier =
            settings.kind === 'session' && (settings.gap === 'record' || settings.maxDuration !== undefined);
          if (watermark < from && !mayBeEarlier) expect(outcome.taken).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(refused, taken) / drawn).toBeGreaterThan(0.2);
  });

  it('that follows the order of the source refuses none, ever', () => {
    fc.assert(
      fc.property(probes, (probe) => {
        for (const { settings, from, ...outcome } of outcomesOf(probe)) {
          const ordered = ['rolling', 'batches', 'running'].includes(settings.kind);
          expect(from === Number.POSITIVE_INFINITY).toBe(ordered);
          if (ordered) expect(outcome.taken).toBe(true);
        }
      }),
    );
  });
});
