import type { Pane, Series } from './series.ts';
import type { Kind } from './wire.ts';

/** How a pane stands: it may change as its window is open; it is settled; it was revised; it no longer exists. */
export type Standing = 'early' | 'final' | 'revised' | 'retracted';

const STANDINGS: { readonly [Of in Kind]: Standing } = {
  early: 'early',
  final: 'final',
  empty: 'final',
  rolling: 'final',
  running: 'final',
  late: 'revised',
  retracted: 'retracted',
};

export const standingOf = ({ kind }: Pick<Pane, 'kind'>): Standing => STANDINGS[kind];

/** One pane as the chart draws it. */
export interface Mark {
  readonly pane: Pane;
  readonly standing: Standing;
  /** The result; of a retracted pane, what it was. Null where there is none, or none that can be drawn. */
  readonly value: number | null;
  /** What a late record has replaced. */
  readonly before: number | null;
}

const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null);

/** The last panes of a series as marks of one of its results, in the order of time. */
export function marksOf(series: Series | undefined, result: number, most: number): readonly Mark[] {
  return (series?.panes ?? []).slice(-most).map((pane) => {
    const standing = standingOf(pane);
    const before = numberOf(pane.before?.[result]);
    const value = standing === 'retracted' ? before : numberOf(pane.results[result]);
    return { pane, standing, value, before: standing === 'revised' ? before : null };
  });
}

/** Says whether a result of a series can be drawn: some pane has a number there. */
export const isDrawn = (series: Series | undefined, result: number): boolean =>
  series?.panes.some(({ results }) => typeof results[result] === 'number') ?? false;
