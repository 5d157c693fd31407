import * as beam from 'apache-beam';
import { directRunner } from 'apache-beam/runners/direct_runner';
import { max, mean } from 'apache-beam/transforms/combiners';
import { windowParam } from 'apache-beam/transforms/pardo';
import { assignTimestamps, windowInto } from 'apache-beam/transforms/window';
import { slidingWindows } from 'apache-beam/transforms/windowings';
import Long from 'long';
import { enter } from '../contender.ts';
import { freshKeys } from '../data.ts';
import { checkSliding, PaneColumns } from '../expected.ts';

interface Reading {
  readonly key: string;
  readonly at: number;
  readonly value: number;
}

interface Summary {
  readonly key: string;
  readonly count: number;
  readonly mean: number;
  readonly max: number;
}

enter((stream, { size = 0, slide = 0 }) => {
  let first = 0;
  let panes = new PaneColumns(0);
  // The runner makes every function from its text anew: it sees nothing but what is global.
  Object.assign(globalThis, {
    millrace: {
      instant: (at: number) => Long.fromNumber(at),
      take: (start: Long, { key, count, mean, max }: Summary) =>
        panes.push(Number(key.slice(-6)), start.toNumber(), count, mean, max),
    },
  });
  return {
    prepare: (from, to) => {
      first = from;
      panes = new PaneColumns((to - from) * Math.ceil(size / slide));
      return freshKeys(stream, from, to).map(
        (key, at): Reading => ({
          key,
          at: stream.at[from + at] as number,
          value: stream.value[from + at] as number,
        }),
      );
    },
    run: (batch) =>
      directRunner().run((root) =>
        root
          .apply(beam.create(batch))
          .apply(assignTimestamps<Reading>(({ at }) => millrace.instant(at)))
          .apply(windowInto(slidingWindows(size / 1_000, slide / 1_000)))
          .apply(
            beam
              .groupBy('key')
              .combining(
                () => 1,
                beam.withName('count', (a: number, b: number) => a + b),
                'count',
              )
              .combining('value', mean, 'mean')
              .combining('value', max, 'max'),
          )
          .map(
            beam.withName('take', (summary: Summary, { window }: { window: { lookup(): { start: Long } } }) =>
              millrace.take(window.lookup().start, summary),
            ),
            { window: windowParam() },
          ),
      ),
    check: (to) => {
      const settings = { size, slide, outOfOrderness: Number.NEGATIVE_INFINITY };
      return checkSliding(stream, settings, panes, { from: first, to }, 1e-9);
    },
    note: 'a batch of few records in its direct runner, which is made for tests',
  };
});

declare const millrace: {
  instant(at: number): Long;
  take(start: Long, summary: Summary): void;
};
