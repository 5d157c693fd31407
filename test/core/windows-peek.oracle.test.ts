import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyState } from '../../src/core/key.ts';
import type { KeyPane } from '../../src/core/panes.ts';
import { Oracle } from './oracle.ts';
import { expectSame } from './same-panes.ts';
import {
  type Case,
  cases,
  committed,
  keyRecord,
  longAfter,
  noPanes,
  quarters,
  rough,
  rulesOf,
} from './windows.ts';

const commits = fc.array(fc.boolean(), { minLength: 1, maxLength: 24, size: 'max' });

/** What a look shows of a key. */
function peekOf(rules: ReturnType<typeof rulesOf>, key: KeyState, limit?: number): readonly KeyPane[] {
  const panes = noPanes(rules);
  key.peek(panes, limit);
  return panes.list();
}

it('shows open windows as recomputing them from every record does, whenever one looks', () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(cases(quarters), commits, ({ plan, input }, committing) => {
      const rules = rulesOf(plan);
      const oracle = new Oracle(plan);
      const panes = noPanes(rules);
      let key = new KeyState(rules);
      expect(peekOf(rules, key)).toEqual([]);
      for (const [at, record] of input.entries()) {
        key.apply(keyRecord(rules, record), panes);
        oracle.apply(record);
        expectSame(peekOf(rules, key), oracle.peek());
        if (committing[at % committing.length]) {
          key.update(panes);
          oracle.update();
          key = committed(rules, key);
          expectSame(peekOf(rules, key), oracle.peek());
        }
      }
      for (const { window } of oracle.peek()) kinds.add(plan.windows[window]?.kind as string);
    }),
    { numRuns: 400, seed: 20_261_129 },
  );
  const all = ['batches', 'calendar', 'cumulate', 'rolling', 'running', 'session', 'sliding', 'trailing'];
  expect([...kinds].sort()).toEqual(all);
});

it('leaves no trace in what is emitted later, nor in what is stored', () => {
  const emitted = ({ plan, input }: Case, committing: readonly boolean[], looks: boolean) => {
    const rules = rulesOf(plan);
    const panes = noPanes(rules);
    let key = new KeyState(rules);
    for (const [at, record] of input.entries()) {
      key.apply(keyRecord(rules, record), panes);
      if (looks) peekOf(rules, key);
      if (!committing[at % committing.length]) continue;
      key.update(panes);
      key = committed(rules, key);
      if (looks) peekOf(rules, key);
    }
    key.idle(longAfter(input), panes);
    if (looks) peekOf(rules, key);
    key.update(panes);
    return { panes: panes.list(), stored: key.freeze() };
  };
  fc.assert(
    fc.property(cases(rough), commits, (drawn, committing) => {
      expect(emitted(drawn, committing, true)).toEqual(emitted(drawn, committing, false));
    }),
    { numRuns: 200 },
  );
});

it('shows the first windows of each definition where there are more than asked for', () => {
  fc.assert(
    fc.property(cases(quarters), fc.integer({ min: 1, max: 3 }), ({ plan, input }, limit) => {
      const rules = rulesOf(plan);
      const key = new KeyState(rules);
      for (const record of input) key.apply(keyRecord(rules, record), noPanes(rules));
      const all = peekOf(rules, key);
      const first = Object.keys(plan.windows).flatMap((name) =>
        all.filter(({ window }) => window === name).slice(0, limit),
      );
      expect(peekOf(rules, key, limit)).toEqual(first);
    }),
    { numRuns: 200 },
  );
});

it('shows nothing of windows that are new in the definition of a key that is there', () => {
  fc.assert(
    fc.property(cases(quarters), ({ plan, input }) => {
      const rules = rulesOf(plan);
      const key = new KeyState(rules);
      for (const record of input) key.apply(keyRecord(rules, record), noPanes(rules));
      const stored = key.freeze();
      if (stored === undefined) return;
      const anew = { ...stored, windows: stored.windows.map(() => undefined) };
      expect(peekOf(rules, new KeyState(rules, anew))).toEqual([]);
    }),
    { numRuns: 200 },
  );
});
