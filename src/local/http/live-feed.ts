import { randomUUID } from 'node:crypto';
import { LiveModel } from '../../../web/model/model.ts';
import {
  type Batch,
  type Figures,
  KINDS,
  type LiveEvent,
  type Shape,
  type Snapshot,
  shownValue,
  type WirePane,
} from '../../../web/model/wire.ts';
import type { GroupPane } from '../../engine/group/group.ts';

/** An event, and the id from which a page goes on that has it. */
interface Told {
  readonly id: string;
  readonly event: LiveEvent;
}

/**
 * How much is kept for pages that were away or are slow, in panes and in batches. A page that is further behind
 * gets a snapshot.
 */
interface FeedBounds {
  readonly panes: number;
  readonly batches: number;
  /** The most panes of one batch, unless a single commit has more. */
  readonly batch: number;
}

const FEED_BOUNDS: FeedBounds = { panes: 20_000, batches: 300, batch: 2_000 };

/** Tells pages what a run does. Nothing in it waits for a page. */
export interface LiveFeed {
  /** Takes in panes that were committed. */
  add(panes: readonly GroupPane[]): void;
  /** Makes a batch of what came since the last one, unless nothing has. It is called some ten times a second. */
  tick(): void;
  /**
   * Yields a snapshot, or what has happened since the event of an id where that is still kept, and then each
   * batch. Whoever takes long over an event is told less often, and misses nothing.
   */
  events(lastId: string | undefined, signal: AbortSignal): AsyncGenerator<Told>;
  snapshot(): Snapshot;
}

/**
 * @param figures how far the run is now
 * @param begun tells the ids of this feed from those of all others
 */
export function createLiveFeed(
  shape: Shape,
  figures: () => Figures,
  { bounds = FEED_BOUNDS, begun = randomUUID() }: { bounds?: FeedBounds; begun?: string } = {},
): LiveFeed {
  const places = new Map(shape.windows.map(({ name }, place) => [name, place]));
  const model = new LiveModel({
    shape,
    figures: figures(),
    trend: [],
    series: [],
    recent: [],
    forgotten: 0,
  });
  const ring: { readonly number: number; readonly panes: number; readonly batch: Batch }[] = [];
  let number = 0;
  let ringPanes = 0;
  let said = '';
  let waiting = new Map<string, [window: number, key: string, panes: WirePane[]]>();
  let waitingPanes = 0;
  let wake = (): void => {};
  let next = new Promise<void>((resolve) => {
    wake = resolve;
  });

  const flush = (now: Figures): void => {
    const batch = { figures: now, series: [...waiting.values()] };
    model.apply({ kind: 'batch', batch });
    ring.push({ number: ++number, panes: waitingPanes, batch });
    ringPanes += waitingPanes;
    while (ring.length > bounds.batches || (ringPanes > bounds.panes && ring.length > 1))
      ringPanes -= ring.shift()?.panes ?? 0;
    waiting = new Map();
    waitingPanes = 0;
    wake();
    next = new Promise((resolve) => {
      wake = resolve;
    });
  };

  return {
    add(panes) {
      for (const pane of panes) {
        const window = places.get(pane.window);
        // A kept directory may hold panes of a window that the definition no longer has.
        if (window === undefined) continue;
        const name = `${window}\n${pane.key}`;
        const series = waiting.get(name) ?? [window, pane.key, []];
        waiting.set(name, series);
        series[2].push(wireOf(pane, shape.windows[window]?.results ?? []));
        waitingPanes++;
      }
      if (waitingPanes >= bounds.batch) flush(figures());
    },
    tick() {
      const now = figures();
      const { at: _, ...rest } = now;
      const saying = JSON.stringify(rest);
      if (waitingPanes === 0 && saying === said) return;
      said = saying;
      flush(now);
    },
    async *events(lastId, signal) {
      const [of, last] = lastId?.split('/') ?? [];
      let told = of === begun ? Number(last) : Number.NaN;
      const stopped = new Promise<void>((stop) =>
        signal.addEventListener('abort', () => stop(), { once: true }),
      );
      while (!signal.aborted) {
        const first = ring[0]?.number ?? number + 1;
        const isKept = told >= first - 1 && told <= number;
        if (!isKept) {
          told = number;
          yield { id: `${begun}/${told}`, event: { kind: 'snapshot', snapshot: model.snapshot() } };
        } else if (told < number) {
          const { batch } = ring[told + 1 - first] as (typeof ring)[number];
          told++;
          yield { id: `${begun}/${told}`, event: { kind: 'batch', batch } };
        } else await Promise.race([next, stopped]);
      }
    },
    snapshot: () => model.snapshot(),
  };
}

const wireOf = (pane: GroupPane, results: readonly string[]): WirePane => [
  // A window that never closes has one pane, of which every revision is a point of its series.
  pane.layout.identity === 'none' ? pane.revision : pane.identity,
  pane.start,
  pane.end,
  KINDS.indexOf(pane.kind),
  pane.revision,
  pane.count,
  pane.watermark,
  results.map((name) => shownValue(pane.results?.[name])),
];
