import fc from 'fast-check';
import {
  type Figures,
  KINDS,
  type Shape,
  type Snapshot,
  type WirePane,
  type WireSeries,
} from '../../web/model/wire.ts';

// Events of a run, for tests of the page.

export const SHAPE: Shape = {
  name: 'meters',
  source: 'kinesis',
  windows: [
    { name: 'minute', text: 'tumbling, 1m', results: ['watts'] },
    { name: 'visits', text: 'session, gap 5m', results: ['watts'] },
  ],
  sinks: [{ name: 'table', unit: 'rows' }],
};

export const figuresOf = (at: number, some: Partial<Figures> = {}): Figures => ({
  at,
  phase: 'reading',
  sent: 0,
  committed: 0,
  panes: 0,
  poison: 0,
  faults: 0,
  emitted: {},
  late: {},
  delivered: {},
  latency: {},
  watermark: null,
  newest: null,
  share: null,
  ...some,
});

export const EMPTY: Snapshot = {
  shape: SHAPE,
  figures: figuresOf(0),
  trend: [],
  series: [],
  recent: [],
  forgotten: 0,
};

/** A pane of a minute. */
export const paneAt = (
  minute: number,
  watts: number | null,
  kind: (typeof KINDS)[number] = 'final',
  revision = 0,
) =>
  [
    minute,
    minute,
    minute + 1,
    KINDS.indexOf(kind),
    revision,
    1,
    minute + 1,
    [watts],
  ] as const satisfies WirePane;

/** Panes of few keys and windows, whose revisions come in order. */
export const histories = fc
  .array(fc.tuple(fc.nat(1), fc.constantFrom('a', 'b', 'c'), fc.nat(20), fc.integer({ min: -9, max: 9 })), {
    maxLength: 60,
  })
  .map((drawn) => {
    const revisions = new Map<string, number>();
    return drawn.map(([window, key, minute, watts]): WireSeries => {
      const name = `${window} ${key} ${minute}`;
      const revision = revisions.get(name) ?? 0;
      revisions.set(name, revision + 1);
      return [window, key, [paneAt(minute, watts, revision === 0 ? 'final' : 'late', revision)]];
    });
  });
