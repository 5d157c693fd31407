import { type Pane, Series, wirePane } from './series.ts';
import { Trend } from './trend.ts';
import type { Figures, LiveEvent, Shape, Snapshot, WireSeries } from './wire.ts';

/** How much is kept: of many panes the longest series lose their oldest, of many series the longest silent go. */
export interface Bounds {
  readonly panes: number;
  readonly series: number;
  readonly recent: number;
}

const BOUNDS: Bounds = { panes: 40_000, series: 6_000, recent: 200 };

/** A pane, and whose it is. */
export interface RecentPane {
  readonly series: Series;
  readonly pane: Pane;
}

/** The bound may be passed by this share before anything is forgotten, so that it is rarely worked out. */
const SLACK = 1.25;

/**
 * What is known of a run, folded from its events: by the page, and by the server for pages that come later.
 *
 * It is bounded. An event that comes twice changes nothing, and so does an older one that comes later.
 */
export class LiveModel {
  readonly shape: Shape;
  figures: Figures;
  trend: Trend;
  /** How many series are no longer kept. */
  forgotten: number;
  /** The last panes, in the order in which they came. */
  recent: readonly RecentPane[] = [];
  readonly #bounds: Bounds;
  /** By window and key, the longest silent first. */
  readonly #series = new Map<string, Series>();
  #panes = 0;

  constructor(snapshot: Snapshot, bounds: Bounds = BOUNDS) {
    this.shape = snapshot.shape;
    this.figures = snapshot.figures;
    this.trend = Trend.of(snapshot.trend);
    this.forgotten = snapshot.forgotten;
    this.#bounds = bounds;
    this.#take(snapshot.series);
    this.recent = snapshot.recent.flatMap(([window, key, id]) => {
      const series = this.seriesOf(window, key);
      const pane = series?.pane(id);
      return series && pane ? [{ series, pane }] : [];
    });
  }

  /** The number of panes that are kept. */
  get size(): number {
    return this.#panes;
  }

  /** All series that are kept, in the order of their last panes. */
  get all(): Iterable<Series> {
    return this.#series.values();
  }

  seriesOf(window: number, key: string): Series | undefined {
    return this.#series.get(nameOf(window, key));
  }

  /** Takes an event in, and returns the model of it: another one where the event is a snapshot. */
  apply(event: LiveEvent): LiveModel {
    if (event.kind === 'snapshot') return new LiveModel(event.snapshot, this.#bounds);
    const { figures, series } = event.batch;
    if (figures.at >= this.figures.at) {
      this.figures = figures;
      this.trend.add(figures);
    }
    this.#take(series);
    return this;
  }

  snapshot(): Snapshot {
    const { shape, figures, trend, forgotten } = this;
    const series = [...this.#series.values()].map(({ window, key, panes, forgottenUpTo }): WireSeries => {
      const wire = [window, key, panes.map(wirePane)] as const;
      return forgottenUpTo === undefined ? wire : [...wire, forgottenUpTo];
    });
    const recent = this.recent.map(({ series: { window, key }, pane: { id } }) => [window, key, id] as const);
    return { shape, figures, trend: trend.wire, series, recent, forgotten };
  }

  #take(all: readonly WireSeries[]): void {
    const taken: RecentPane[] = [];
    for (const [window, key, panes, forgottenUpTo] of all) {
      const name = nameOf(window, key);
      const series = this.#series.get(name) ?? new Series(window, key, forgottenUpTo);
      this.#series.delete(name);
      this.#series.set(name, series);
      const before = series.size;
      for (const wire of panes) {
        const pane = series.add(wire);
        if (pane !== undefined) taken.push({ series, pane });
      }
      this.#panes += series.size - before;
    }
    this.#forget();
    this.recent = [...this.recent, ...taken].filter(this.#isKept).slice(-this.#bounds.recent);
  }

  /** Says whether a pane is the last known revision of one that is kept. */
  #isKept = ({ series, pane }: RecentPane): boolean =>
    series.pane(pane.id) === pane && this.seriesOf(series.window, series.key) === series;

  #forget(): void {
    for (const [name, series] of this.#series) {
      if (this.#series.size <= this.#bounds.series) break;
      this.#series.delete(name);
      this.#panes -= series.size;
      this.forgotten++;
    }
    if (this.#panes <= SLACK * this.#bounds.panes) return;
    const most = levelOf(
      [...this.#series.values()].map(({ size }) => size),
      this.#bounds.panes,
    );
    for (const series of this.#series.values()) series.trim(most);
    this.#panes = [...this.#series.values()].reduce((total, { size }) => total + size, 0);
  }
}

/** The most that each may have so that all together have at most `total`; 1 at least. */
function levelOf(sizes: readonly number[], total: number): number {
  const sorted = sizes.toSorted((a, b) => a - b);
  let left = total;
  for (const [at, size] of sorted.entries()) {
    const share = Math.floor(left / (sorted.length - at));
    if (size > share) return Math.max(1, share);
    left -= size;
  }
  return Number.POSITIVE_INFINITY;
}

const nameOf = (window: number, key: string): string => `${window}\n${key}`;
