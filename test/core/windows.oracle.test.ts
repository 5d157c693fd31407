import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyState } from '../../src/core/key.ts';
import type { KeyPane, Panes } from '../../src/core/panes.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import { expectEqual, expectIs } from '../expect.ts';
import { Oracle } from './oracle.ts';
import { expectSame } from './same-panes.ts';
import {
  type Case,
  cases,
  committed,
  contentOf,
  keyRecord,
  longAfter,
  noPanes,
  type Plan,
  quarters,
  type Rec,
  rulesOf,
  type WindowPlan,
} from './windows.ts';

const { MILLRACE_ORACLE_CASES } = process.env;
/** From this seed every one of CASES is reached; a longer run draws its own. */
const drawing = MILLRACE_ORACLE_CASES
  ? { numRuns: Number(MILLRACE_ORACLE_CASES) }
  : { numRuns: 2_000, seed: 20_261_120 };
/** A million cases take some hours. */
const timeout = Math.max(120_000, 20 * drawing.numRuns);

/** After which records there is a commit. */
const commits = fc.array(fc.boolean(), { minLength: 1, maxLength: 24, size: 'max' });

interface Outcome {
  readonly panes: readonly KeyPane[];
  readonly oracle: Oracle;
}

/** What a key emits, step by step beside the oracle. */
function run({ plan, input }: Case, commits: readonly boolean[]): Outcome {
  const rules = rulesOf(plan);
  const panes = noPanes(rules);
  const oracle = new Oracle(plan);
  let key = new KeyState(rules);
  const commit = () => {
    key.update(panes);
    oracle.update();
    key = committed(rules, key);
  };
  for (const [at, record] of input.entries()) {
    const refusing = key.apply(keyRecord(rules, record), panes);
    expectEqual(panes.refusing.slice(0, refusing), oracle.apply(record));
    expectIs(key.open(), oracle.open());
    if (commits[at % commits.length]) commit();
  }
  key.idle(longAfter(input), panes);
  oracle.idle(longAfter(input));
  commit();
  expectIs(key.open(), 0);
  return { panes: panes.list(), oracle };
}

/** Which of the cases a pane is, so that the random ones are known to reach each. */
function told(plan: WindowPlan, pane: KeyPane, before: KeyPane | undefined): string {
  const follows = before === undefined ? '' : ` after ${before.kind}`;
  const due = pane.end + (plan.kind === 'session' ? 1 : 0);
  const bySilence = pane.kind === 'final' && pane.watermark === due ? ' by silence' : '';
  return `${plan.kind}: ${pane.kind}${bySilence}${follows}`;
}

/** What the random cases are known to reach. */
const CASES = [
  'late: for some windows alone',
  'rolling: rolling',
  'rolling: not full yet',
  'batches: final',
  'sliding: final',
  'sliding: final by silence',
  'sliding: late',
  'sliding: late after final',
  'sliding: late after late',
  'sliding: late for some windows alone',
  'sliding: empty',
  'sliding: late after empty',
  'sliding: no more empty windows',
  'sliding: early',
  'sliding: early after early',
  'sliding: final after early',
  'sliding: final by silence after early',
  'calendar: final',
  'calendar: final by silence',
  'calendar: late',
  'calendar: late after final',
  'calendar: late after late',
  'calendar: empty',
  'calendar: late after empty',
  'calendar: no more empty windows',
  'calendar: early',
  'calendar: final after early',
  'calendar: clocks change',
  'cumulate: early',
  'cumulate: early after early',
  'cumulate: final',
  'cumulate: final after early',
  'cumulate: final by silence after early',
  'cumulate: late after final',
  'cumulate: empty',
  'cumulate: late after empty',
  'cumulate: late for a step',
  'trailing: final',
  'trailing: final by silence',
  'trailing: late',
  'trailing: late after final',
  'trailing: late after late',
  'trailing: several panes corrected by one record',
  'trailing: equal times',
  'trailing: late for its own pane alone',
  'session: final',
  'session: final by silence',
  'session: late',
  'session: late after final',
  'session: late after late',
  'session: early',
  'session: early after early',
  'session: early after final',
  'session: early after late',
  'session: final after early',
  'session: final after final',
  'session: retracted after early',
  'session: retracted after final',
  'session: retracted after late',
  'session: two retracted by one record',
  'session: several become one',
  'session: reopened, and closed again',
  'session: as long as may be',
  'session: too long to join',
  'running: running',
  'running: running after running',
  'running: settled before a record came',
];

describe('the windows of a key', () => {
  it('emit what recomputing every window from every record says, in the same order', { timeout }, () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(cases(quarters), commits, (given, committing) => {
        const { panes, oracle } = run(given, committing);
        expectSame(panes, oracle.panes);

        const before = new Map<string, KeyPane>();
        for (const what of oracle.seen) reached.add(what);
        for (const pane of panes) {
          const identity = `${pane.window} ${pane.identity}`;
          reached.add(told(given.plan.windows[pane.window] as WindowPlan, pane, before.get(identity)));
          before.set(identity, pane);
        }
      }),
      drawing,
    );
    if (drawing.numRuns >= 2_000) expect(CASES.filter((name) => !reached.has(name))).toEqual([]);
  });

  it('number the panes of one identity 0, 1, 2, …, and never revise what they said was past revising', () => {
    fc.assert(
      fc.property(cases(quarters), commits, (given, committing) => {
        const before = new Map<string, KeyPane>();
        for (const pane of run(given, committing).panes) {
          const identity = `${pane.window} ${pane.identity}`;
          expectIs(pane.revision, (before.get(identity)?.revision ?? -1) + 1);
          expectIs(before.get(identity)?.revisable ?? true, true);
          before.set(identity, pane);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('by example', () => {
  const minute = 60_000;
  const base: Plan = { outOfOrderness: 0, allowedLateness: 0, idleAfter: 10 * minute, windows: {} };
  const aggregates = ['sum'] as const;
  const tumblingFive: WindowPlan = {
    kind: 'sliding',
    size: 5 * minute,
    slide: 5 * minute,
    offset: 0,
    emit: 'close',
    emitEmpty: false,
    aggregates,
  };
  const at = (minutes: number, value: number, arrival = minutes): Rec => ({
    at: minutes * minute,
    arrival: arrival * minute,
    value,
    weight: 1,
    total: 0,
    tag: String(minutes),
    category: 'a',
    nested: { value },
    gap: minute,
  });
  /** `kind [start, end) rN @watermark: sum`, in minutes. */
  const inMinutes = (panes: Panes): string[] =>
    panes.list().map(({ kind, start, end, revision, watermark, results }) => {
      const [from, to, reached] = [start, end, watermark].map((time) => time / minute);
      return `${kind} [${from}, ${to}) r${revision} @${reached}: ${results?.['sum'] ?? 'nothing'}`;
    });
  const emitted = (given: Plan, ...input: readonly Rec[]): string[] => {
    const rules = rulesOf(given);
    const key = new KeyState(rules);
    const panes = noPanes(rules);
    for (const record of input) key.apply(keyRecord(rules, record), panes);
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

  //  0         5         10        15        20
  //    1       |         |         |    8          [5, 10) and [10, 15) held nothing
  it('a window without records is empty where asked, and a late record fills it', () => {
    const given = {
      ...base,
      allowedLateness: 10 * minute,
      windows: { five: { ...tumblingFive, emitEmpty: true } },
    };
    expect(emitted(given, at(1, 1, 0), at(17, 8, 0), at(12, 4, 0))).toEqual([
      'final [0, 5) r0 @17: 1',
      'empty [5, 10) r0 @17: nothing',
      'empty [10, 15) r0 @17: nothing',
      'late [10, 15) r1 @17: 4',
    ]);
  });

  it('an open window shows what it holds after each record where asked', () => {
    const given = { ...base, windows: { five: { ...tumblingFive, emit: 'record' as const } } };
    expect(emitted(given, at(1, 1), at(3, 2), at(6, 8))).toEqual([
      'early [0, 5) r0 @1: 1',
      'early [0, 5) r1 @3: 3',
      'early [5, 10) r0 @6: 8',
      'final [0, 5) r2 @6: 3',
    ]);
  });

  //  event time  0    1    2    3    4    5
  //              1    2         4            in the order 4, 2, 1: the order of the source, not of time
  it('a rolling window holds the last records in source order', () => {
    const two: WindowPlan = { kind: 'rolling', count: 2, partial: true, aggregates };
    const millisecond = 1 / minute;
    expect(emitted({ ...base, windows: { two } }, at(3, 4), at(1, 2), at(0, 1))).toEqual([
      `rolling [3, ${3 + millisecond}) r0 @3: 4`,
      `rolling [1, ${3 + millisecond}) r0 @3: 6`,
      `rolling [0, ${1 + millisecond}) r0 @3: 3`,
    ]);
  });

  //  0    1    2    3    4    5    6    7    8
  //       1         2              8                in the order 1, 2, 8, and then 16 for minute 2:
  //            ^ 16 comes late: its own pane, and the one of minute 3 that it is in
  it('a late record corrects the trailing windows that it is in', () => {
    const three: WindowPlan = { kind: 'trailing', size: 3 * minute, aggregates };
    const given = { ...base, allowedLateness: 10 * minute, windows: { three } };
    const millisecond = 1 / minute;
    expect(emitted(given, at(1, 1), at(3, 2), at(6, 8), at(2, 16, 7))).toEqual([
      `final [${-2 + millisecond}, ${1 + millisecond}) r0 @3: 1`,
      `final [${millisecond}, ${3 + millisecond}) r0 @6: 3`,
      `late [${-1 + millisecond}, ${2 + millisecond}) r0 @6: 17`,
      `late [${millisecond}, ${3 + millisecond}) r1 @6: 19`,
    ]);
  });

  //  0    1    2    3    4    5    6    7    8    9
  //  1---------)         2---------)    |                both closed by the record at 9
  //            4---------)                               joins them, as it touches both: one session from 0 to 6
  it('a late record that joins two closed sessions retracts one of them', () => {
    const session: WindowPlan = { kind: 'session', gap: 2 * minute, emit: 'close', aggregates };
    const given = { ...base, allowedLateness: 20 * minute, windows: { session } };
    expect(emitted(given, at(0, 1), at(4, 2), at(9, 8), at(2, 4, 10))).toEqual([
      'final [0, 2) r0 @4: 1',
      'final [4, 6) r0 @9: 2',
      'retracted [4, 6) r1 @9: nothing',
      'late [0, 6) r1 @9: 7',
    ]);
  });

  it('a record that every window refuses changes nothing but when the key was last heard of', () => {
    const rules = rulesOf({ ...base, windows: { five: tumblingFive } });
    const key = new KeyState(rules);
    const panes = noPanes(rules);
    for (const record of [at(1, 1), at(6, 2)]) key.apply(keyRecord(rules, record), panes);
    const stored = key.freeze();
    const before = contentOf(stored);
    const later = new KeyState(rules, stored);
    expect(later.apply(keyRecord(rules, at(2, 4, 9)), panes)).toBe(1);
    expect(contentOf(later.freeze())).toEqual({ ...(before as object), lastArrival: 9 * minute });
    expect(inMinutes(panes)).toEqual(['final [0, 5) r0 @6: 1']);
  });

  it('a key without records is not kept, and one that keeps only its watermark is forgotten after maxLateness', () => {
    const maxLateness = 60 * minute;
    const plan = rulesOf({ ...base, windows: { five: tumblingFive } });
    const rules = { ...plan, time: { ...plan.time, maxLateness: maxLateness as Millis } };
    expect(new KeyState(rules).freeze()).toBeUndefined();
    const key = new KeyState(rules);
    const last = at(1, 1);
    key.apply(keyRecord(rules, last), noPanes(rules));
    const forgotten = (last.arrival + maxLateness + 1) as EpochMillis;
    const open = key.freeze(forgotten);
    expect(open).toBeDefined();

    const idle = new KeyState(rules, open);
    idle.idle(forgotten, noPanes(rules));
    const closed = idle.freeze((forgotten - 1) as EpochMillis);
    expect(closed).toBeDefined();
    expect(new KeyState(rules, closed).freeze(forgotten)).toBeUndefined();
  });
});
