import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KeyRules, KeyState, type StoredKey } from '../../src/core/key.ts';
import type { KeyPane } from '../../src/core/panes.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { expectIdentical } from './plain.ts';
import {
  cases,
  committed,
  contentOf,
  keyRecord,
  longAfter,
  noPanes,
  type Plan,
  type Rec,
  rough,
  rulesOf,
} from './windows.ts';

/** What happens between two records: sweeps at some times, each with or without a commit; then perhaps a commit. */
interface Between {
  readonly sweeps: readonly { readonly share: number; readonly commits: boolean }[];
  readonly cut: boolean;
}

const WHOLE: Between = { sweeps: [], cut: false };

/** All panes of a key, with things happening between its records, and until every window has closed. */
function panesOf(
  rules: KeyRules<Rec>,
  input: readonly Rec[],
  between: (record: number) => Between,
): readonly KeyPane[] {
  const panes = noPanes(rules);
  let key = new KeyState(rules);
  let heard = input[0]?.arrival ?? 0;
  const commit = () => {
    key.update(panes);
    key = committed(rules, key);
  };
  // A sweep comes by at any time up to the arrival of the next record, in order of time.
  const happen = ({ sweeps, cut }: Between, until: number) => {
    for (const { share, commits } of sweeps.toSorted((a, b) => a.share - b.share)) {
      key.idle(Math.floor(heard + share * (until - heard)) as EpochMillis, panes);
      if (commits) commit();
    }
    if (cut) commit();
  };
  input.forEach((record, at) => {
    happen(between(at), record.arrival);
    key.apply(keyRecord(rules, record), panes);
    heard = Math.max(heard, record.arrival);
  });
  happen(between(input.length), heard + 60);
  key.update(panes);
  key.idle(longAfter(input), panes);
  return panes.list();
}

/**
 * What is the same however records are cut: all, but of windows that emit at the end of each commit only what closing and
 * late records bring about, and neither how many panes came before nor, of a session, which of its starts was shown first.
 */
function lasting(plan: Plan, panes: readonly KeyPane[]): unknown[] {
  return panes.flatMap((pane) => {
    const window = plan.windows[pane.window];
    if (window === undefined || !('emit' in window) || window.emit !== 'update') return [pane];
    if (['early', 'running', 'retracted'].includes(pane.kind)) return [];
    const { revision, identity, ...rest } = pane;
    return [window.kind === 'session' ? rest : { identity, ...rest }];
  });
}

const share = fc.integer({ min: 0, max: 20 }).map((twentieths) => twentieths / 20);
const sweeps = fc.array(fc.record({ share, commits: fc.boolean() }), { maxLength: 3 });
const cuts = (between: fc.Arbitrary<Between>) =>
  fc.array(between, { minLength: 1, maxLength: 24, size: 'max' });

function samePanes(between: fc.Arbitrary<Between>): void {
  fc.assert(
    fc.property(cases(rough), cuts(between), ({ plan, input }, happening) => {
      const rules = rulesOf(plan);
      const whole = lasting(
        plan,
        panesOf(rules, input, () => WHOLE),
      );
      const cut = lasting(
        plan,
        panesOf(rules, input, (at) => happening[at % happening.length] as Between),
      );
      expectIdentical(cut, whole);
    }),
    { numRuns: 600 },
  );
}

describe('the panes of a key are the same to the bit', () => {
  it('however its records are cut into batches', () => {
    samePanes(fc.record({ sweeps: fc.constant([]), cut: fc.boolean() }));
  });

  it('whether or not the sweeper comes by in between, and whether or not it commits', () => {
    samePanes(fc.record({ sweeps, cut: fc.constant(false) }));
  });

  it('with sweeps and cuts at once', () => {
    samePanes(fc.record({ sweeps, cut: fc.boolean() }));
  });

  it('whichever batch is folded twice: a fold leaves what it began from as it was', () => {
    fc.assert(
      fc.property(cases(rough), fc.integer({ min: 1, max: 5 }), ({ plan, input }, size) => {
        const rules = rulesOf(plan);
        let stored: StoredKey | undefined;
        for (let from = 0; from < input.length; from += size) {
          const before = contentOf(stored);
          const fold = () => {
            const panes = noPanes(rules);
            const key = new KeyState(rules, stored);
            for (const record of input.slice(from, from + size)) key.apply(keyRecord(rules, record), panes);
            key.update(panes);
            const after = key.freeze();
            return { panes: panes.list(), stored: after, content: contentOf(after) };
          };
          const [once, again] = [fold(), fold()];
          expectIdentical(again.panes, once.panes);
          expect(isDeepStrictEqual(again.content, once.content)).toBe(true);
          expect(isDeepStrictEqual(contentOf(stored), before)).toBe(true);
          stored = once.stored;
        }
      }),
      { numRuns: 120 },
    );
  });
});
