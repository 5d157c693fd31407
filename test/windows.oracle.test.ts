import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KeyPane, KeyState } from '../src/core/key.ts';
import type { EpochMillis, Millis } from '../src/core/time.ts';
import { Oracle, type OraclePane } from './support/core-oracle.ts';
import { keyRecord, type Plan, plan, quarters, type Rec, records, rulesOf } from './support/core-windows.ts';

/** By then every window of every key here has closed by silence. */
const LONG_AFTER = 1_700_000_100_000 as EpochMillis;

/** What a key emits, step by step beside the oracle. */
function run(given: Plan, input: readonly Rec[]): { panes: KeyPane[]; expected: OraclePane[] } {
  const rules = rulesOf(given);
  const key = new KeyState(rules);
  const oracle = new Oracle(given);
  const panes: KeyPane[] = [];
  for (const record of input) {
    const outcome = key.apply(keyRecord(rules, record), (pane) => panes.push(pane));
    expect(outcome).toBe(oracle.apply(record));
    expect(key.open()).toBe(oracle.open());
  }
  key.idle(LONG_AFTER, (pane) => panes.push(pane));
  oracle.idle(LONG_AFTER);
  expect(key.open()).toBe(0);
  return { panes, expected: oracle.panes };
}

const ofWindow = <Pane extends { window: string }>(panes: readonly Pane[], name: string): Pane[] =>
  panes.filter(({ window }) => window === name);

/** Which of the cases a pane is, so that the random ones are known to reach each. */
function told({ kind, revision, watermark, end }: KeyPane): string {
  if (kind === 'final') return watermark === end ? 'final by silence' : 'final';
  if (kind === 'rolling') return 'rolling';
  return ['late, opening', 'late, correcting'][revision] ?? 'late, correcting again';
}

const shown = ({
  window,
  kind,
  start,
  end,
  revision,
  index,
  count,
  results,
  watermark,
}: KeyPane): OraclePane => ({
  window,
  kind,
  start,
  end,
  revision,
  ...(index === undefined ? {} : { index }),
  count,
  results,
  watermark,
});

describe('the windows of a key', () => {
  it('emit what recomputing every window from every record says, in the same order', () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(plan, records(quarters), (given, input) => {
        const { panes, expected } = run(given, input);
        for (const pane of panes) reached.add(told(pane));
        expect(panes).toHaveLength(expected.length);
        for (const name of Object.keys(given.windows)) {
          expect(ofWindow(panes, name).map(shown)).toEqual(ofWindow(expected, name));
        }
      }),
      { numRuns: 2_000 },
    );
    const cases = [
      'rolling',
      'final',
      'final by silence',
      'late, opening',
      'late, correcting',
      'late, correcting again',
    ];
    expect([...reached].toSorted()).toEqual(cases.toSorted());
  });

  it('never emit again what they said was past revising', () => {
    fc.assert(
      fc.property(plan, records(quarters), (given, input) => {
        const settled = new Set<string>();
        for (const pane of run(given, input).panes) {
          const window = `${pane.window} ${pane.index ?? pane.start}`;
          expect(settled).not.toContain(window);
          if (!pane.revisable) settled.add(window);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('by example', () => {
  const minute = 60_000;
  const base: Plan = { outOfOrderness: 0, allowedLateness: 0, idleAfter: 10 * minute, windows: {} };
  const tumblingFive = { kind: 'sliding', size: 5 * minute, slide: 5 * minute, offset: 0 } as const;
  const at = (minutes: number, value: number, arrival = minutes): Rec => ({
    at: minutes * minute,
    arrival: arrival * minute,
    value,
    tag: String(minutes),
  });
  /** `kind [start, end) rN @watermark: sum`, in minutes. */
  const inMinutes = (panes: readonly KeyPane[]): string[] =>
    panes.map(({ kind, start, end, revision, watermark, results }) => {
      const [from, to, reached] = [start, end, watermark].map((time) => time / minute);
      return `${kind} [${from}, ${to}) r${revision} @${reached}: ${results['sum']}`;
    });
  const emitted = (given: Plan, ...input: readonly Rec[]): string[] => {
    const rules = rulesOf(given);
    const key = new KeyState(rules);
    const panes: KeyPane[] = [];
    for (const record of input) key.apply(keyRecord(rules, record), (pane) => panes.push(pane));
    return inMinutes(panes);
  };

  //  0    1    2    3    4    5    6
  //       1         2         |    8
  //  [------------------------)          -> 3, when the record at 6 is seen
  it('a window closes when the watermark reaches its end', () => {
    expect(emitted({ ...base, windows: { five: tumblingFive } }, at(1, 1), at(3, 2), at(6, 8))).toEqual([
      'final [0, 5) r0 @6: 3',
    ]);
  });

  //  0    1    2    3    4    5    6    7    8
  //       1                        8       ^ 16 for minute 2: late, within 4 minutes of 5
  //  [------------------------)          -> 1, then 17
  it('a late record brings a complete new revision, and after allowedLateness nothing', () => {
    const given = { ...base, allowedLateness: 4 * minute, windows: { five: tumblingFive } };
    expect(emitted(given, at(1, 1), at(6, 8), at(2, 16, 7), at(9, 32), at(3, 64, 9))).toEqual([
      'final [0, 5) r0 @6: 1',
      'late [0, 5) r1 @6: 17',
    ]);
  });

  //  0    1    2    3    4    5    6    7
  //                                8
  //       ^ 16 comes now: nothing was ever emitted for [0, 5)
  it('a record that opens a window already past its end emits revision 0', () => {
    const given = { ...base, allowedLateness: 4 * minute, windows: { five: tumblingFive } };
    expect(emitted(given, at(6, 8), at(1, 16, 7))).toEqual(['late [0, 5) r0 @6: 16']);
  });

  //  arrival  0    1                             12             17
  //           1    2       silence from 1,       | 12 − 1 − 10 = 1 minute of event time has passed: W = 1 + 1
  it('a silent key closes its windows at the speed of the clock, and shows their end as the watermark', () => {
    const given = { ...base, windows: { five: tumblingFive } };
    expect(emitted(given, at(0, 1), at(1, 2), at(4, 4, 12))).toEqual([]);
    expect(emitted(given, at(0, 1), at(1, 2), at(7, 4, 17))).toEqual(['final [0, 5) r0 @5: 3']);
  });

  //  event time  0    1    2    3    4    5
  //              1    2         4            in the order 4, 2, 1: the order of the source, not of time
  it('a rolling window holds the last records in source order', () => {
    expect(
      emitted({ ...base, windows: { two: { kind: 'rolling', count: 2 } } }, at(3, 4), at(1, 2), at(0, 1)),
    ).toEqual([
      `rolling [3, ${3 + 1 / minute}) r0 @3: 4`,
      `rolling [1, ${3 + 1 / minute}) r0 @3: 6`,
      `rolling [0, ${1 + 1 / minute}) r0 @3: 3`,
    ]);
  });

  it('a record that every window refuses changes nothing but when the key was last heard of', () => {
    const given = { ...base, windows: { five: tumblingFive } };
    const rules = rulesOf(given);
    const key = new KeyState(rules);
    const panes: KeyPane[] = [];
    for (const record of [at(1, 1), at(6, 2)])
      key.apply(keyRecord(rules, record), (pane) => panes.push(pane));
    const [maxEventTime, , watermark, windows] = key.freeze() ?? [];
    expect(key.apply(keyRecord(rules, at(2, 4, 9)), (pane) => panes.push(pane))).toBe('late');
    expect(key.freeze()).toEqual([maxEventTime, 9 * minute, watermark, windows]);
    expect(inMinutes(panes)).toEqual(['final [0, 5) r0 @6: 1']);
  });

  it('a key without records is not kept, and one that keeps only its watermark is forgotten after maxLateness', () => {
    const maxLateness = 60 * minute;
    const plan = rulesOf({ ...base, windows: { five: tumblingFive } });
    const rules = { ...plan, time: { ...plan.time, maxLateness: maxLateness as Millis } };
    const key = new KeyState(rules);
    expect(key.freeze()).toBeUndefined();
    const last = at(1, 1);
    key.apply(keyRecord(rules, last), () => {});
    const forgotten = (last.arrival + maxLateness + 1) as EpochMillis;
    expect(key.freeze(forgotten)).toBeDefined();
    key.idle(forgotten, () => {});
    expect(key.freeze((forgotten - 1) as EpochMillis)).toBeDefined();
    expect(key.freeze(forgotten)).toBeUndefined();
  });
});
