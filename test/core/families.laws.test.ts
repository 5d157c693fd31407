import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Aggregates } from '../../src/core/aggregate.ts';
import { type KeyRules, KeyState, type StoredKey } from '../../src/core/key.ts';
import { type KeyPane, Panes } from '../../src/core/panes.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import {
  collect,
  correlation,
  count,
  cumulate,
  definePipeline,
  kinesis,
  max,
  mean,
  quantile,
  sliding,
  sum,
  topK,
  tumbling,
} from '../../src/index.ts';

interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
}

/** What windows make of their records. Some have the same partials, though not the same results. */
const MADE: readonly Aggregates<Reading>[] = [
  { mean: mean('value'), max: max('value') },
  { max: max('value') },
  { most: max('value') },
  { total: sum('value'), n: count(), median: quantile('value', 0.5) },
  { corr: correlation('value', 'at'), top: topK('value', 2, { by: 'at' }) },
  { values: collect(({ value }: Reading) => value) },
];

const aggregates = fc.constantFrom(...MADE);
const emit = fc.constantFrom('close', 'close', 'record', 'update');
const window = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(10, 10, 20), fc.nat(4), emit, fc.boolean(), aggregates)
      .map(([slide, more, emit, emitEmpty, made]) =>
        sliding<Reading, never>(
          {
            size: `${slide * (1 + more)}ms`,
            slide: `${slide}ms`,
            emit: emit as 'close',
            emitEmpty: emitEmpty as never,
          },
          made as never,
        ),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      tumbling<Reading, never>({ size: '10ms', offset: '3ms' }, MADE[1] as never),
      sliding<Reading, never>({ size: '15ms', slide: '10ms' }, MADE[1] as never),
      cumulate<Reading, never>({ size: '20ms', step: '10ms' }, MADE[1] as never),
    ),
  },
);
/** The windows of some versions, by name: each keeps windows of the one before, drops some and adds others. */
const versions = fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), window, { minKeys: 1 }), {
  minLength: 1,
  maxLength: 3,
});
const records = fc.array(
  fc.record({
    step: fc.constantFrom(0, 0, 1, 4, 30, 200),
    back: fc.constantFrom(0, 0, 3, 12, 60),
    value: fc.nat(9),
  }),
  { minLength: 1, maxLength: 60 },
);

it('windows emit the same whether or not they keep their slices together', () => {
  let commits = 0;
  let shared = 0;
  fc.assert(
    fc.property(
      versions,
      fc.constantFrom('0ms', '25ms'),
      records,
      fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
      (versions, allowedLateness, steps, cuts) => {
        let names: Readonly<(typeof versions)[number]> = {};
        const kept = versions.map((drawn) => {
          names = { ...drawn, ...Object.fromEntries(Object.entries(names).filter((_, at) => at % 3 < 2)) };
          return names;
        });
        const rules = kept.map(
          (windows) =>
            definePipeline('families', kinesis<Reading>(), {
              key: 'key',
              eventTime: 'at',
              outOfOrderness: '5ms',
              allowedLateness,
              costly: true,
              windows: windows as never,
            }).rules as KeyRules,
        );
        const emitted = (all: readonly KeyRules[]): readonly KeyPane[][] => {
          const list: KeyPane[][] = [];
          let time = 1_000;
          let version = 0;
          let present = all[0] as KeyRules;
          let stored: StoredKey | undefined;
          let key = new KeyState(present);
          let panes = new Panes(present);
          const commit = () => {
            key.update(panes);
            list.push([...panes.list()]);
            stored = key.freeze();
            const sharing = new Set(stored?.windows.map((tables) => tables?.[0]));
            commits++;
            if (all === rules && sharing.size < present.windows.length) shared++;
          };
          for (const [at, { step, back, value }] of steps.entries()) {
            time += step;
            const values = present.inputs.read({ key: 'k', at: time - back, value } as never);
            key.apply({ at: (time - back) as EpochMillis, arrival: time as EpochMillis, values }, panes);
            if (!cuts[at % cuts.length]) continue;
            commit();
            const next = Math.floor(((at + 1) * all.length) / (steps.length + 1));
            if (next !== version) {
              const before = present;
              present = all[next] as KeyRules;
              version = next;
              const windows = present.windows.map(({ name, operator: { signature } }) => {
                const place = before.windows.findIndex(
                  (one) => one.name === name && one.operator.signature === signature,
                );
                return stored?.windows[place];
              });
              stored = stored && { ...stored, windows };
            }
            key = new KeyState(present, stored);
            panes = new Panes(present);
          }
          key.idle((time + 100_000) as EpochMillis, panes);
          commit();
          return list;
        };
        expect(emitted(rules)).toEqual(emitted(rules.map((one) => ({ ...one, families: undefined }))));
      },
    ),
    { numRuns: 200 },
  );
  expect(shared / commits).toBeGreaterThan(0.1);
});
