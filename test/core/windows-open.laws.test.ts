import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type KeyRules, KeyState } from '../../src/core/key.ts';
import type { EpochMillis, Millis } from '../../src/core/time.ts';
import type { OpenWindow } from '../../src/core/window.ts';
import { cases, keyRecord, longAfter, noPanes, type Rec, rough, rulesOf } from './windows.ts';

const byStart = (windows: readonly Omit<OpenWindow, 'due'>[]) =>
  windows
    .map(({ start, end, count }) => ({ start, end, count }))
    .sort((a, b) => a.start - b.start || a.end - b.end || a.count - b.count);

it('lists the windows that silence closes, as they are then emitted', () => {
  fc.assert(
    fc.property(cases(rough), fc.nat(), ({ plan, input }, cut) => {
      const rules = rulesOf(plan);
      const panes = noPanes(rules);
      const key = new KeyState(rules);
      for (const record of input.slice(0, 1 + (cut % input.length)))
        key.apply(keyRecord(rules, record), panes);
      const listed = key.listOpen();
      const shown = Object.values(plan.windows).map(({ kind }) => kind === 'cumulate');
      const dues = listed.flatMap((windows, at) => (shown[at] ? [] : windows.map(({ due }) => due)));
      const open = key.open();
      panes.clear();
      key.idle(longAfter(input), panes);
      const emitted = panes.list().filter(({ kind }) => kind === 'final');
      // Those that silence closes carry the watermark at which they were due.
      expect(dues.filter((due) => due !== undefined).sort()).toEqual(
        emitted
          .filter(({ window }) => plan.windows[window]?.kind !== 'cumulate')
          .map(({ watermark }) => watermark)
          .sort(),
      );
      // Those that show themselves at steps carry the first of those, which is the end of that pane.
      const first = new Map<string, number>();
      for (const { window, start, watermark, end, kind } of panes.list()) {
        if (kind === 'early') expect(watermark).toBe(end);
        if (!first.has(`${window} ${start}`)) first.set(`${window} ${start}`, watermark);
      }
      for (const [at, name] of Object.keys(plan.windows).entries()) {
        if (!shown[at]) continue;
        for (const { start, due } of listed[at] ?? []) expect(due).toBe(first.get(`${name} ${start}`));
      }
      const closing = Object.entries(plan.windows).map(([name, { kind }], at) => {
        const windows = listed[at] ?? [];
        if (kind !== 'batches')
          expect(byStart(windows)).toEqual(byStart(emitted.filter(({ window }) => window === name)));
        return kind === 'batches' ? 0 : windows.length;
      });
      expect(closing.reduce((a, b) => a + b, 0)).toBe(open);
    }),
    { numRuns: 400 },
  );
});

it('rests until silence emits something or lets it be forgotten, and not longer', () => {
  const lengths = fc.record({ cut: fc.nat(), silence: fc.nat(150), maxLateness: fc.nat(150) });
  fc.assert(
    fc.property(cases(rough), lengths, ({ plan, input }, { cut, silence, maxLateness }) => {
      const planned = rulesOf(plan);
      const rules = { ...planned, time: { ...planned.time, maxLateness: maxLateness as Millis } };
      const panes = noPanes(rules);
      const taken = input.slice(0, 1 + (cut % input.length));
      const key = new KeyState(rules);
      for (const record of taken) key.apply(keyRecord(rules, record), panes);
      const stored = key.freeze();
      /** What has happened by then, if anything. */
      const at = (now: number) => {
        const later = new KeyState(rules, stored);
        panes.clear();
        later.idle(now as EpochMillis, panes);
        const until = later.restsUntil();
        return { until, happens: panes.length > 0 || later.freeze(now as EpochMillis) === undefined };
      };
      const { until, happens } = at(Math.max(...taken.map(({ arrival }) => arrival)) + silence);
      if (happens) return;
      expect(at(Number.isFinite(until) ? until - 1 : longAfter(input)).happens).toBe(false);
      // Where no record may come late for a window, nothing else ends a rest.
      if (plan.allowedLateness === 0 && Number.isFinite(until)) expect(at(until).happens).toBe(true);
    }),
    { numRuns: 300 },
  );
});

it('is forgotten as before where a version adds windows that no record has met', () => {
  const silences = fc.record({ silence: fc.nat(150), maxLateness: fc.nat(150) });
  fc.assert(
    fc.property(
      cases(rough),
      cases(rough),
      silences,
      ({ plan, input }, { plan: { windows: added } }, silences) => {
        const { silence, maxLateness } = silences;
        const now = (Math.max(...input.map(({ arrival }) => arrival)) + silence) as EpochMillis;
        const more = Object.entries(added).map(([name, window]) => [`more-${name}`, window] as const);
        const [before, after] = [plan.windows, { ...plan.windows, ...Object.fromEntries(more) }].map(
          (windows) => {
            const rules = rulesOf({ ...plan, windows });
            return { ...rules, time: { ...rules.time, maxLateness: maxLateness as Millis } };
          },
        ) as [KeyRules<Rec>, KeyRules<Rec>];
        const key = new KeyState(before);
        for (const record of input) key.apply(keyRecord(before, record), noPanes(before));
        const stored = key.freeze();
        const rest = (rules: KeyRules<Rec>) => {
          const silent = new KeyState(rules, stored);
          silent.idle(now, noPanes(rules));
          return { until: silent.restsUntil(), isForgotten: silent.freeze(now) === undefined };
        };
        expect(rest(after)).toEqual(rest(before));
      },
    ),
    { numRuns: 300 },
  );
});

it('lists the batch that is being filled', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 5 }), fc.array(fc.nat(50), { minLength: 1 }), (count, times) => {
      const rules = rulesOf({
        outOfOrderness: 0,
        allowedLateness: 0,
        idleAfter: 0,
        windows: { batch: { kind: 'batches', count, aggregates: [] } },
      });
      const key = new KeyState(rules);
      const input = times.map((at) => ({ at, arrival: 0, value: 0 }));
      for (const record of input) key.apply(keyRecord(rules, record as never), noPanes(rules));
      const filling = times.slice(times.length - (times.length % count));
      expect(key.listOpen()).toEqual([
        filling.length === 0
          ? []
          : [
              {
                start: Math.min(...filling),
                end: Math.max(...filling) + 1,
                due: undefined,
                count: filling.length,
              },
            ],
      ]);
    }),
  );
});

it('lists nothing of a key that had no record', () => {
  const windows = {
    day: {
      kind: 'calendar',
      size: 86_400_000,
      offset: 0,
      timeZone: 'Europe/Berlin',
      emit: 'close',
      emitEmpty: false,
      aggregates: [],
    },
  } as const;
  const rules = rulesOf({ outOfOrderness: 0, allowedLateness: 0, idleAfter: 0, windows });
  expect(new KeyState(rules).listOpen()).toEqual([[]]);
});
