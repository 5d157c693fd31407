import { describe, expect, it } from 'vitest';
import { KeyState } from '../../src/core/key.ts';
import { type KeyPane, Panes } from '../../src/core/panes.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import {
  batches,
  collect,
  count,
  type Duration,
  defineAggregate,
  definePipeline,
  kinesis,
  last,
  max,
  mean,
  minBy,
  rolling,
  running,
  SelectError,
  session,
  sliding,
  sum,
  trailing,
  tumbling,
} from '../../src/index.ts';
import type { Window } from '../../src/pipeline/windows.ts';

interface Rec {
  readonly at: number;
  readonly value: number;
  readonly gap?: Duration;
}

const rulesOf = (
  window: Window<Rec>,
  more: { maxLateness?: Duration; allowedLateness?: Duration; outOfOrderness?: Duration } = {},
) =>
  definePipeline('plan', kinesis<Rec>(), {
    key: () => 'key',
    eventTime: ({ at }) => at,
    idleAfter: '0s',
    costly: true,
    ...more,
    windows: { w: window },
  }).rules;
type Rules = ReturnType<typeof rulesOf>;

/** A key in which each record arrives as it happens. */
class Key {
  readonly state: KeyState;
  readonly #rules: Rules;
  readonly #panes: Panes;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#panes = new Panes(rules);
    this.state = new KeyState(rules);
  }

  apply(...records: readonly Rec[]): this {
    for (const record of records) {
      const at = record.at as EpochMillis;
      this.state.apply({ at, arrival: at, values: this.#rules.inputs.read(record) }, this.#panes);
    }
    return this;
  }

  idle(now: number): this {
    this.state.idle(now as EpochMillis, this.#panes);
    return this;
  }

  panes(): readonly KeyPane[] {
    return this.#panes.list();
  }
}

const at = (at: number, value = 1): Rec => ({ at, value });
const n = { n: count() };

describe('a key is forgotten', () => {
  const forgotten = 10_000 as EpochMillis;
  const windows: { name: string; window: Window<Rec>; forgets: boolean }[] = [
    { name: 'tumbling', window: tumbling({ size: '5ms' }, n), forgets: true },
    {
      name: 'tumbling, with its empty ones',
      window: tumbling({ size: '5ms', emitEmpty: true }, n),
      forgets: true,
    },
    { name: 'session', window: session({ gap: '5ms' }, n), forgets: true },
    { name: 'rolling', window: rolling({ count: 2 }, n), forgets: false },
    { name: 'batches', window: batches({ count: 1 }, n), forgets: false },
    { name: 'trailing', window: trailing({ size: '5ms' }, n), forgets: false },
    { name: 'running', window: running({}, n), forgets: false },
  ];

  // What counts records or ordinals would begin them again, and emit the same identity twice.
  it.each(windows)('only where nothing goes on from before: $name', ({ window, forgets }) => {
    const rules = rulesOf(window, { maxLateness: '1s' });
    const silent = () => new Key(rules).apply(at(1)).idle(9_000);
    expect(silent().state.freeze(1_001 as EpochMillis)).toBeDefined();
    expect(silent().state.freeze(forgotten) === undefined).toBe(forgets);
  });

  it.each(windows)('or not, and emits no identity twice: $name', ({ window }) => {
    const rules = rulesOf(window, { maxLateness: '1s' });
    const panes = new Key(rules).apply(at(1), at(20_000), at(1)).panes();
    const identities = panes.map(({ identity, revision }) => `${identity} r${revision}`);
    expect(new Set(identities).size).toBe(identities.length);
  });

  it('with what it kept of a window that takes no part in it: its watermark', () => {
    const rules = rulesOf(tumbling({ size: '5ms' }, n), { maxLateness: '1s' });
    const key = new Key(rules).apply(at(1)).idle(9_000);
    expect(key.state.watermark).toBe(9_000);
    key.apply({ at: 11_000, value: 1 });
    expect(key.state.watermark).toBe(11_000);
  });
});

it('a key does not rest while all that it keeps is how often empty windows were emitted', () => {
  const rules = rulesOf(tumbling({ size: '5ms', emitEmpty: true }, n), { allowedLateness: '1s' });
  const key = new Key(rules).apply(at(1));
  // A thousand empty windows follow the one with the record, up to 5,005.
  expect(key.idle(5_900).panes()).toHaveLength(1_001);
  expect(key.state.restsUntil()).toBe(5_900);
  expect(key.idle(6_100).state.restsUntil()).toBe(Number.POSITIVE_INFINITY);
});

it('a window that is new to a key begins with its next record', () => {
  const old = rulesOf(tumbling({ size: '5ms' }, n));
  const stored = new Key(old).apply(at(1)).state.freeze();
  for (const window of [rolling({ count: 2 }, n), running({}, n), batches({ count: 1 }, n)]) {
    const rules = rulesOf(window);
    const began = stored && { ...stored, windows: [undefined] };
    const swept = new KeyState(rules, began).freeze();
    const panes = new Panes(rules);
    const values = rules.inputs.read(at(2));
    new KeyState(rules, swept).apply({ at: 2 as EpochMillis, arrival: 2 as EpochMillis, values }, panes);
    expect(panes.list()).toMatchObject([{ identity: 0, revision: 0, count: 1, results: { n: 1 } }]);
  }
});

describe('a session', () => {
  const byRecord = rulesOf(session({ gap: ({ gap = '5ms' }: Rec) => gap }, n));

  it.each(['0s', '367d'] as const)('refuses a record whose gap is %s', (gap) => {
    expect(() => byRecord.inputs.read({ at: 0, value: 0, gap })).toThrow(
      new SelectError('the gap of a session must be > 0 and <= "366d"'),
    );
  });

  it('takes one whose gap is 366 days', () => {
    expect(byRecord.inputs.read({ at: 0, value: 0, gap: '366d' })).toEqual([366 * 86_400_000]);
  });

  //  0         10        20            gap 10, outOfOrderness 5: the record at 10 is on time, and joins the others
  //  0         |    15
  //  [--------------)
  it.each([
    [0, 10, 15],
    [0, 15, 10],
  ])('closes only once nothing that would join it is on time: records %i, %i, %i', (...times) => {
    const rules = rulesOf(session({ gap: '10ms' }, n), { outOfOrderness: '5ms' });
    const key = new Key(rules).apply(...times.map((time) => at(time))).idle(1_000);
    expect(key.panes().map(({ kind, start, end, count }) => ({ kind, start, end, count }))).toEqual([
      { kind: 'final', start: 0, end: 25, count: 3 },
    ]);
  });

  //  10 with a gap of 1 has closed and is gone. 10 again, with a gap of 50, would be session 10 once more.
  it('that is gone is not begun again by a longer gap', () => {
    const key = new Key(byRecord).apply({ at: 10, value: 1, gap: '1ms' }, { at: 20, value: 1, gap: '1ms' });
    const before = key.panes();
    key.apply({ at: 10, value: 1, gap: '50ms' });
    expect(key.panes()).toEqual(before);
    key.apply({ at: 11, value: 1, gap: '50ms' }).idle(500);
    expect(key.panes().map(({ identity, count }) => [identity, count])).toEqual([
      [10, 1],
      [11, 2],
    ]);
  });
});

describe('a running window', () => {
  it('shows nothing before its first record, wherever its watermark is', () => {
    const rules = rulesOf(running({ emit: 'update' }, { n: count() }));
    const panes = new Panes(rules);
    const key = new KeyState(rules);
    key.pass(0 as EpochMillis, undefined, panes);
    key.peek(panes);
    expect(panes.length).toBe(0);
  });
});

describe('a trailing window', () => {
  //  0    10        20   25            size 20: at 20 the record at 5 comes too late for its own pane
  //       1         2    4             and for that of 10, not for that of 25
  //    ^ 8
  it('holds a record whose own pane is past correcting in the panes that are not', () => {
    const rules = rulesOf(trailing({ size: '21ms' }, { sum: sum('value') }));
    const key = new Key(rules).apply(at(10, 1), at(20, 2));
    expect(key.state.apply({ at: 5, arrival: 20, values: [8] } as never, new Panes(rules))).toBe(0);
    key.apply(at(25, 4)).idle(1_000);
    const shown = key.panes().map(({ index, kind, end, results }) => [index, kind, end, results?.sum]);
    expect(shown).toEqual([
      [0, 'final', 11, 1],
      [1, 'final', 21, 11],
      [3, 'final', 26, 15],
    ]);
  });

  it('refuses a record that no pane to come may hold', () => {
    const rules = rulesOf(trailing({ size: '15ms' }, n));
    const key = new Key(rules).apply(at(10), at(20));
    expect(key.state.apply({ at: 5, arrival: 20, values: [] } as never, new Panes(rules))).toBe(1);
    expect(key.state.apply({ at: 6, arrival: 20, values: [] } as never, new Panes(rules))).toBe(0);
  });
});

describe('a day that slides by a second', () => {
  const day = rulesOf(
    sliding({ size: '1d', slide: '1s' }, { n: count(), mean: mean('value'), max: max('value') }),
  );
  const SECONDS = 200;
  const every = Array.from({ length: SECONDS }, (_, second) => at(second * 1_000, (second * 7) % 13));

  it('keeps a slice a second, and each window has those of its day', () => {
    const key = new Key(day).apply(...every).idle(10 * 86_400_000);
    const panes = key.panes();
    expect(panes).toHaveLength(86_400 + SECONDS - 1);
    for (const { start, end, results } of panes) {
      const held = every.filter((record) => start <= record.at && record.at < end);
      const total = held.reduce((a, { value }) => a + value, 0);
      expect(results).toEqual({
        n: held.length,
        mean: total / held.length,
        max: Math.max(...held.map(({ value }) => value)),
      });
    }
    const [slices] = new Key(day).apply(...every).state.freeze()?.windows[0] ?? [];
    expect(slices?.rows).toBe(SECONDS);
  });
});

describe('records whose panes get their results later', () => {
  const rules = rulesOf(rolling({ count: 3 }, { sum: sum('value') }));
  const recordOf = (record: Rec) => ({
    at: record.at as EpochMillis,
    arrival: record.at as EpochMillis,
    values: rules.inputs.read(record),
  });
  const sumsOf = (panes: Panes) => panes.list().map(({ results }) => results?.sum);

  it('are taken in before those whose panes are elsewhere', () => {
    const [panes, others] = [new Panes(rules), new Panes(rules)];
    const state = new KeyState(rules);
    state.apply(recordOf(at(1, 1)), panes);
    state.apply(recordOf(at(2, 10)), others);
    state.apply(recordOf(at(3, 100)), panes);
    expect([sumsOf(panes), sumsOf(others)]).toEqual([[1, 111], [11]]);
  });

  it('are taken in before their panes are gone, and write into no later ones', () => {
    const panes = new Panes(rules);
    const [one, other] = [new KeyState(rules), new KeyState(rules)];
    one.apply(recordOf(at(1, 1)), panes);
    panes.clear();
    for (const time of [1, 2, 3]) other.apply(recordOf(at(time, 10)), panes);
    one.apply(recordOf(at(2, 100)), panes);
    expect(sumsOf(panes)).toEqual([10, 20, 30, 101]);
  });

  it('are taken in before the state is stored', () => {
    const panes = new Panes(rules);
    const state = new KeyState(rules);
    state.apply(recordOf(at(1, 1)), panes);
    const stored = state.freeze();
    expect(() => state.freeze()).toThrow('a state is frozen once');
    const thawed = new KeyState(rules, stored);
    thawed.apply(recordOf(at(2, 10)), panes);
    expect(sumsOf(panes)).toEqual([1, 11]);
  });
});

describe("an author's function that throws", () => {
  const fragile = (window: 'take' | 'show') =>
    defineAggregate<Rec, 'value', number, number>({
      name: 'fragile',
      select: 'value',
      identity: 0,
      lift: (value) => value,
      combine: (a, b) => {
        if (window === 'take' && b === 13) throw new Error('13');
        if (window === 'show' && a === 6 && b === 7) throw new Error('6 and 7');
        return a + b;
      },
      lower: (total) => {
        if (total === 21) throw new Error('21');
        return total;
      },
    });

  it('while a record is taken in is heard of by who takes it in', () => {
    const key = new Key(rulesOf(tumbling({ size: '10ms' }, { total: fragile('take') })));
    expect(() => key.apply(at(1, 13))).toThrow('13');
  });

  it('while a pane is made leaves that result null, and the others as they are', () => {
    const aggregates = { total: fragile('show'), n: count(), sum: sum<Rec>('value') };
    const results = (window: Window<Rec>, ...values: number[]) =>
      new Key(rulesOf(window))
        .apply(...values.map((value, second) => at(second * 10, value)))
        .idle(1_000_000)
        .panes()
        .map((pane) => pane.results);
    expect(results(tumbling({ size: '10ms' }, aggregates), 20, 21)).toEqual([
      { total: 20, n: 1, sum: 20 },
      { total: null, n: 1, sum: 21 },
    ]);
    expect(results(sliding({ size: '20ms', slide: '10ms' }, aggregates), 6, 7, 8)).toEqual([
      { total: 6, n: 1, sum: 6 },
      { total: null, n: 2, sum: 13 },
      { total: 15, n: 2, sum: 15 },
      { total: 8, n: 1, sum: 8 },
    ]);
    expect(results(tumbling({ size: '40ms' }, aggregates), 1, 2, 3, 4)).toEqual([
      { total: 10, n: 4, sum: 10 },
    ]);
    expect(results(sliding({ size: '40ms', slide: '10ms' }, aggregates), 6, 7, 1, 1)[3]).toEqual({
      total: null,
      n: 4,
      sum: 15,
    });
    // 6 and 7 are of two blocks, which only a pane combines.
    expect(results(rolling({ count: 2 }, aggregates), 5, 6, 7, 8)).toEqual([
      { total: 5, n: 1, sum: 5 },
      { total: 11, n: 2, sum: 11 },
      { total: null, n: 2, sum: 13 },
      { total: 15, n: 2, sum: 15 },
    ]);
    expect(results(trailing({ size: '15ms' }, aggregates), 6, 7, 8)).toEqual([
      { total: 6, n: 1, sum: 6 },
      { total: null, n: 2, sum: 13 },
      { total: 15, n: 2, sum: 15 },
    ]);
  });
});

describe('aggregates of one window', () => {
  it('that read the same into the same state share it', () => {
    const widths = (aggregates: object): (number | undefined)[] =>
      rulesOf(tumbling({ size: '10ms' }, aggregates as typeof n)).windows[0]?.operator.layout.map(
        ({ width, plainWidth }) => width + plainWidth,
      ) ?? [];
    expect(widths({ mean: mean<Rec>('value') })).toEqual(
      widths({ mean: mean<Rec>('value'), sum: sum<Rec>('value'), again: mean<Rec>('value') }),
    );
    expect(widths({ a: last<Rec, 'value'>('value'), b: last<Rec, 'value'>('value') })).toEqual(
      widths({ a: last<Rec, 'value'>('value') }),
    );
    expect(widths({ a: mean<Rec>('value') })).not.toEqual(
      widths({ a: mean<Rec>('value'), b: mean<Rec>('at') }),
    );
  });

  it('that read another value of the same record do not share it', () => {
    const [byValue, byAt] = [minBy<Rec, 'value'>('at', 'value'), minBy<Rec, 'at'>('at', 'at')];
    const key = new Key(rulesOf(running({}, { byValue, byAt, last: last<Rec, 'at'>('at') }))).apply(at(3, 7));
    expect(key.panes()[0]?.results).toEqual({ byValue: 7, byAt: 3, last: 3 });
  });

  it('pass over a record that lacks either of the two values they read, where told to', () => {
    const cheapest = minBy<Rec, 'gap', 'skip'>('value', 'gap', { invalid: 'skip' });
    const key = new Key(rulesOf(running({}, { cheapest })));
    key.apply(at(1, 1), { at: 2, value: 3, gap: '3ms' }, { at: 3, value: Number.NaN, gap: '4ms' });
    expect(key.panes().map(({ results }) => results?.['cheapest'])).toEqual([null, '3ms', '3ms']);
  });

  it('do not share what they show: a list in a pane stays as it was', () => {
    const key = new Key(rulesOf(running({}, { all: collect<Rec, 'value'>('value') })));
    key.apply(at(1, 1));
    const [first] = key.panes();
    key.apply(at(2, 2));
    expect(first?.results).toEqual({ all: [1] });
    expect(key.panes().map(({ results }) => results)).toEqual([{ all: [1] }, { all: [1, 2] }]);
  });
});
