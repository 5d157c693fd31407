import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDrawn, marksOf } from '../../web/model/chart.ts';
import { busiest, Keys, matching } from '../../web/model/keys.ts';
import { LiveModel } from '../../web/model/model.ts';
import { readPicked, writtenPicked } from '../../web/model/picked.ts';
import type { LiveEvent, WirePane, WireSeries } from '../../web/model/wire.ts';
import { EMPTY, figuresOf, histories, paneAt } from './events.ts';

const BOUNDS = { panes: 1_000, series: 100, recent: 10 };

const batch = (at: number, ...series: readonly WireSeries[]): LiveEvent => ({
  kind: 'batch',
  batch: { figures: figuresOf(at), series },
});

const shownOf = (model: LiveModel, window = 0, key = 'a') =>
  model
    .seriesOf(window, key)
    ?.panes.map(({ id, kind, revision, results, before }) => [id, kind, revision, results[0], before?.[0]]);

/** Folds panes of one series, each in an event of its own. */
function folded(...panes: readonly WirePane[]): LiveModel {
  const model = new LiveModel(EMPTY, BOUNDS);
  for (const [at, pane] of panes.entries()) model.apply(batch(at, [0, 'a', [pane]]));
  return model;
}

describe('a series', () => {
  it('has the last revision of each pane, in the order of time', () => {
    const model = folded(paneAt(2, 20), paneAt(1, 10, 'early'), paneAt(1, 11, 'final', 1));
    expect(shownOf(model)).toEqual([
      [1, 'final', 1, 11, undefined],
      [2, 'final', 0, 20, undefined],
    ]);
  });

  it('keeps what a late record has replaced, and what was retracted', () => {
    const model = folded(
      paneAt(1, 10),
      paneAt(2, 20),
      paneAt(1, 12, 'late', 1),
      paneAt(2, null, 'retracted', 1),
    );
    expect(shownOf(model)).toEqual([
      [1, 'late', 1, 12, 10],
      [2, 'retracted', 1, null, 20],
    ]);
  });

  it('loses its oldest panes where all together are too many, and takes no revision of these', () => {
    const model = new LiveModel(EMPTY, { ...BOUNDS, panes: 8 });
    model.apply(batch(1, [0, 'b', [paneAt(1, 1), paneAt(2, 2)]]));
    model.apply(batch(2, [0, 'a', Array.from({ length: 9 }, (_, minute) => paneAt(minute, minute))]));
    expect(shownOf(model)?.map(([id]) => id)).toEqual([3, 4, 5, 6, 7, 8]);
    expect(shownOf(model, 0, 'b')?.length).toBe(2);
    model.apply(batch(3, [0, 'a', [paneAt(1, 7, 'late', 1), paneAt(4, 7, 'late', 1)]]));
    expect(shownOf(model)?.map(([id, kind]) => [id, kind])).toEqual([
      [3, 'final'],
      [4, 'late'],
      [5, 'final'],
      [6, 'final'],
      [7, 'final'],
      [8, 'final'],
    ]);
  });
});

describe('the model', () => {
  it('forgets the series that was silent longest where there are too many, and counts it', () => {
    const model = new LiveModel(EMPTY, { ...BOUNDS, series: 2 });
    for (const [at, key] of ['a', 'b', 'a', 'c'].entries()) model.apply(batch(at, [0, key, [paneAt(at, 1)]]));
    expect([...model.all].map(({ key }) => key)).toEqual(['a', 'c']);
    expect(model.forgotten).toBe(1);
    expect(model.size).toBe(3);
  });

  it('says the same of a history however it is cut, told twice, and told in another order', () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat()), fc.nat(60), (history, order, cut) => {
        const straight = new LiveModel(EMPTY, BOUNDS);
        for (const [at, series] of history.entries()) straight.apply(batch(at, series));
        const told = history.map((series, at) => [series, order[at] ?? at] as const);
        const shuffled = told.toSorted(([, a], [, b]) => a - b).map(([series]) => series);
        let other = new LiveModel(EMPTY, BOUNDS);
        for (const [at, series] of [...shuffled, ...shuffled].entries()) {
          other.apply(batch(at, series));
          // A page that is told everything anew goes on as one that saw it all.
          if (at === cut) other = new LiveModel(JSON.parse(JSON.stringify(other.snapshot())), BOUNDS);
        }
        for (const window of [0, 1])
          for (const key of ['a', 'b', 'c']) {
            const last = (model: LiveModel) => shownOf(model, window, key)?.map((shown) => shown.slice(0, 4));
            expect(last(other)).toEqual(last(straight));
          }
        expect(other.size).toBe(straight.size);
      }),
    );
  });

  it('is told as a snapshot from which another goes on alike', () => {
    fc.assert(
      fc.property(histories, fc.nat(60), fc.integer({ min: 2, max: 40 }), (history, cut, panes) => {
        const bounds = { panes, series: 3, recent: 5 };
        const server = new LiveModel(EMPTY, bounds);
        let page: LiveModel | undefined;
        for (const [at, series] of history.entries()) {
          const event = batch(at, series);
          server.apply(event);
          page?.apply(event);
          if (at === cut) page = new LiveModel(JSON.parse(JSON.stringify(server.snapshot())), bounds);
        }
        if (page) expect(page.snapshot()).toEqual(server.snapshot());
      }),
    );
  });

  it('does not go back to older figures, and samples them each half second', () => {
    const model = new LiveModel(EMPTY, BOUNDS);
    for (const [at, committed] of [
      [1_000, 10],
      [1_400, 14],
      [1_500, 15],
      [2_000, 20],
      [1_700, 17],
    ] as const)
      model.apply({ kind: 'batch', batch: { figures: figuresOf(at, { committed }), series: [] } });
    expect(model.figures.committed).toBe(20);
    expect(model.trend.samples.map(({ at }) => at)).toEqual([1_400, 1_500, 2_000]);
    expect(model.trend.rates('committed')).toEqual([10, 10]);
  });
});

describe('what a page draws of it', () => {
  it('is each pane by how it stands, with what it was before', () => {
    const model = folded(
      paneAt(1, 10),
      paneAt(2, 20),
      paneAt(3, 30),
      paneAt(4, 40, 'early'),
      paneAt(5, null, 'empty'),
      paneAt(2, 22, 'late', 1),
      paneAt(3, null, 'retracted', 1),
    );
    const marks = marksOf(model.seriesOf(0, 'a'), 0, 4);
    expect(marks.map(({ pane, standing, value, before }) => [pane.id, standing, value, before])).toEqual([
      [2, 'revised', 22, 20],
      [3, 'retracted', 30, null],
      [4, 'early', 40, null],
      [5, 'final', null, null],
    ]);
    expect([0, 1].map((result) => isDrawn(model.seriesOf(0, 'a'), result))).toEqual([true, false]);
  });

  it('begins with the key that has the most panes, and finds keys by a part of them', () => {
    const model = new LiveModel(EMPTY, BOUNDS);
    model.apply(
      batch(
        1,
        [0, 'pump 10', [paneAt(1, 1)]],
        [0, 'pump 9', [paneAt(1, 1), paneAt(2, 1)]],
        [1, 'a Pump', []],
      ),
    );
    expect(busiest(model, 0)).toBe('pump 9');
    const keys = new Keys();
    expect(keys.of(model)).toEqual(['a Pump', 'pump 9', 'pump 10']);
    expect(keys.of(model)).toBe(keys.of(model));
    expect(matching(keys.of(model), ' PUMP ')).toEqual(['pump 9', 'pump 10', 'a Pump']);
  });

  it('is named in the address of the page, by whatever names keys have', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), fc.nat(1), (key, window) => {
        const picked = { key: key.toWellFormed(), window, result: 0 };
        expect(readPicked(EMPTY.shape, writtenPicked(EMPTY.shape, picked))).toEqual(picked);
      }),
    );
    expect(readPicked(EMPTY.shape, '#window=gone&result=gone')).toEqual({});
  });
});
