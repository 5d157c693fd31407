import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../src/core/codec.ts';
import { type KeyPane, type KeyRules, KeyState, type StoredKey } from '../src/core/key.ts';
import type { EpochMillis } from '../src/core/time.ts';
import { expectIdentical } from './support/core-plain.ts';
import { keyRecord, plan, type Rec, records, rough, rulesOf } from './support/core-windows.ts';

/** What happens between two records: sweeps at some times, each with or without a commit; then perhaps a commit. */
interface Between {
  readonly sweeps: readonly { readonly share: number; readonly commits: boolean }[];
  readonly cut: boolean;
}

const WHOLE: Between = { sweeps: [], cut: false };
/** By then every window of every key here has closed by silence. */
const LONG_AFTER = 1_700_000_100_000 as EpochMillis;

/** The key as the next invocation reads it from the commit log. */
const committed = (rules: KeyRules, key: KeyState): KeyState => {
  const stored = key.freeze();
  return new KeyState(rules, stored && (decode(encode(stored)) as unknown as StoredKey));
};

/** All panes of a key, with things happening between its records, and until every window has closed. */
function panesOf(
  rules: KeyRules<Rec>,
  input: readonly Rec[],
  between: (record: number) => Between,
): KeyPane[] {
  const panes: KeyPane[] = [];
  const emit = (pane: KeyPane) => panes.push(pane);
  let key = new KeyState(rules);
  let heard = input[0]?.arrival ?? 0;
  // A sweep comes by at any time up to the arrival of the next record, in order of time.
  const happen = ({ sweeps, cut }: Between, until: number) => {
    for (const { share, commits } of sweeps.toSorted((a, b) => a.share - b.share)) {
      key.idle(Math.floor(heard + share * (until - heard)) as EpochMillis, emit);
      if (commits) key = committed(rules, key);
    }
    if (cut) key = committed(rules, key);
  };
  input.forEach((record, at) => {
    happen(between(at), record.arrival);
    key.apply(keyRecord(rules, record), emit);
    heard = Math.max(heard, record.arrival);
  });
  happen(between(input.length), heard + 60);
  key.idle(LONG_AFTER, emit);
  return panes;
}

const share = fc.integer({ min: 0, max: 20 }).map((twentieths) => twentieths / 20);
const sweeps = fc.array(fc.record({ share, commits: fc.boolean() }), { maxLength: 3 });
const cuts = (between: fc.Arbitrary<Between>) =>
  fc.array(between, { minLength: 1, maxLength: 24, size: 'max' });

function samePanes(between: fc.Arbitrary<Between>): void {
  fc.assert(
    fc.property(plan, records(rough), cuts(between), (given, input, happening) => {
      const rules = rulesOf(given);
      const whole = panesOf(rules, input, () => WHOLE);
      const cut = panesOf(rules, input, (at) => happening[at % happening.length] as Between);
      expect(JSON.stringify(cut)).toBe(JSON.stringify(whole));
      expectIdentical(cut, whole);
    }),
    { numRuns: 400 },
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
      fc.property(plan, records(rough), (given, input) => {
        const rules = rulesOf(given);
        let stored: StoredKey | undefined;
        for (const record of input) {
          const before = stored && encode(stored);
          const [once, again] = [0, 1].map(() => {
            const panes: KeyPane[] = [];
            const key = new KeyState(rules, stored);
            key.apply(keyRecord(rules, record), (pane) => panes.push(pane));
            return { panes, stored: key.freeze() };
          });
          expectIdentical(again, once);
          expect(stored && encode(stored)).toEqual(before);
          stored = once?.stored;
        }
      }),
      { numRuns: 60 },
    );
  });
});
