import {
  KINDS,
  type Kind,
  type LiveEvent,
  type Shape,
  shownValue,
  type WirePane,
  type WireSeries,
} from './wire.ts';

/** A pipeline that runs elsewhere, as a page must know it to ask about it. */
export interface PolledPipeline {
  readonly shape: Shape;
  /** By the place of a window: whether its panes can be asked for by time, the latest alone, or none. */
  readonly asks: readonly ('panes' | 'latest' | 'nothing')[];
}

/** Asks the query API, below `/api`: returns the status of the answer, and its body as JSON. */
type Ask = (path: string) => Promise<{ readonly status: number; readonly body: unknown }>;

/** A pane as the query API answers with it: see docs/query.md. */
interface AnsweredPane {
  readonly id: string;
  readonly start: string;
  readonly end: string;
  readonly kind: Kind;
  readonly revision: number;
  readonly count: number;
  readonly watermark: string;
  readonly results: Readonly<Record<string, unknown>> | null;
  readonly settled: boolean;
}

interface Page {
  readonly next?: string;
}

/** How many panes are asked for of a series that is looked at for the first time. */
const FIRST_PANES = 300;
/** The last panes, of which each is asked for again: records may come in any order, and open windows that are between. */
const LAST_PANES = 50;
const PAGE_LIMIT = 1_000;
/** A page of keys is asked for with each poll until all are known, and then after so long. */
const KEYS_MILLIS = 30_000;
/** Fewer than the model keeps series. */
const MAX_KEYS = 5_000;

/**
 * Asks the query API of a pipeline, again and again, for what a page shows: the keys, and the panes of the series that
 * is looked at. What it returns are the events that a run would tell.
 */
export class Poller {
  readonly #pipeline: PolledPipeline;
  readonly #ask: Ask;
  readonly #now: () => number;
  #isFirst = true;
  #watched: { readonly window: number; readonly key: string } | undefined;
  /** The panes of the watched series, by what tells them apart: whether each is settled. */
  #known = new Map<number, boolean>();
  readonly #keys = new Set<string>();
  #nextKeys: string | undefined;
  #keysDue = Number.NEGATIVE_INFINITY;

  constructor(pipeline: PolledPipeline, ask: Ask, now: () => number) {
    this.#pipeline = pipeline;
    this.#ask = ask;
    this.#now = now;
  }

  /** Names the series that is looked at, and returns whether it is another one than before. */
  watch(window: number, key: string | undefined): boolean {
    if (this.#watched?.window === window && this.#watched.key === key) return false;
    if (key === undefined && this.#watched === undefined) return false;
    this.#watched = key === undefined ? undefined : { window, key };
    this.#known = new Map();
    return true;
  }

  /**
   * Asks once for what is new.
   *
   * @throws Error when the API does not answer as it should
   */
  async poll(): Promise<LiveEvent> {
    const at = this.#now();
    const series = [...(await this.#newKeys(at)), ...(await this.#newPanes())];
    if (series.length === 0) await this.#answerTo('api/health', {});
    const figures = { ...UNCOUNTED, at };
    if (!this.#isFirst) return { kind: 'batch', batch: { figures, series } };
    this.#isFirst = false;
    const { shape } = this.#pipeline;
    return {
      kind: 'snapshot',
      snapshot: { shape, figures, trend: [], series, recent: [], forgotten: 0 },
    };
  }

  /** Returns keys that were not known, each as a series without panes. */
  async #newKeys(at: number): Promise<readonly WireSeries[]> {
    if (at < this.#keysDue || this.#keys.size >= MAX_KEYS) return [];
    const page = this.#nextKeys;
    // A place among the keys may be gone, as their groups were changed: the next poll begins anew.
    this.#nextKeys = undefined;
    const { keys, next } = await this.#answerTo<
      Page & { readonly keys: readonly { readonly key: string }[] }
    >('api/keys', { limit: String(PAGE_LIMIT), ...(page !== undefined && { page }) });
    this.#nextKeys = next;
    if (next === undefined) this.#keysDue = at + KEYS_MILLIS;
    const fresh = keys.filter(({ key }) => !this.#keys.has(key)).slice(0, MAX_KEYS - this.#keys.size);
    for (const { key } of fresh) this.#keys.add(key);
    return fresh.map(({ key }) => [0, key, []]);
  }

  async #newPanes(): Promise<readonly WireSeries[]> {
    const watched = this.#watched;
    if (watched === undefined) return [];
    const { window, key } = watched;
    const { name = '', results = [] } = this.#pipeline.shape.windows[window] ?? {};
    const panes = await this.#panesOf(this.#pipeline.asks[window] ?? 'nothing', { key, window: name });
    // Another series was picked meanwhile.
    if (this.#watched !== watched) return [];
    const wire = panes.map((pane) => wireOf(pane, results));
    for (const [at, [id]] of wire.entries()) this.#known.set(id, panes[at]?.settled ?? true);
    return wire.length === 0 ? [] : [[window, key, wire]];
  }

  async #panesOf(
    asked: PolledPipeline['asks'][number],
    of: { readonly key: string; readonly window: string },
  ): Promise<readonly AnsweredPane[]> {
    if (asked === 'nothing') return [];
    if (asked === 'latest') {
      const answer = await this.#answerTo<{ readonly pane: AnsweredPane }>('api/latest', of, 404);
      return answer === undefined ? [] : [answer.pane];
    }
    const from = this.#since();
    if (from === undefined) {
      const first = { ...of, order: 'desc', limit: String(FIRST_PANES) };
      const { panes } = await this.#answerTo<{ readonly panes: readonly AnsweredPane[] }>('api/panes', first);
      return panes.toReversed();
    }
    const all: AnsweredPane[] = [];
    for (let page: string | undefined, more = true; more; more = page !== undefined) {
      const { panes, next } = await this.#answerTo<Page & { readonly panes: readonly AnsweredPane[] }>(
        'api/panes',
        {
          ...of,
          from: new Date(from).toISOString(),
          limit: String(PAGE_LIMIT),
          ...(page !== undefined && { page }),
        },
      );
      all.push(...panes);
      page = next;
    }
    return all;
  }

  /** Returns the time from which on panes may be new: undefined where none is known. */
  #since(): number | undefined {
    const last = [...this.#known].sort(([a], [b]) => a - b).slice(-FIRST_PANES);
    this.#known = new Map(last);
    const open = last.find(([, isSettled]) => !isSettled)?.[0] ?? Number.POSITIVE_INFINITY;
    const recent = last.at(-LAST_PANES)?.[0] ?? last[0]?.[0];
    return recent === undefined ? undefined : Math.min(open, recent);
  }

  async #answerTo<Answer>(path: string, parameters: Readonly<Record<string, string>>): Promise<Answer>;
  async #answerTo<Answer>(
    path: string,
    parameters: Readonly<Record<string, string>>,
    none: number,
  ): Promise<Answer | undefined>;
  async #answerTo(path: string, parameters: Readonly<Record<string, string>>, none?: number) {
    const query = new URLSearchParams(parameters);
    const { status, body } = await this.#ask(query.size === 0 ? path : `${path}?${query}`);
    if (status === none) return undefined;
    if (status === 200) return body;
    throw new Error(`Cannot go on as the query API must answer ${path}: it answers ${status}`);
  }
}

const UNCOUNTED = {
  phase: 'asked',
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
} as const;

/** What tells a pane apart from the others of its series, as a number: its id ends with that, and its revision. */
function identityOf({ id, revision }: AnsweredPane): number {
  const text = id.split('/').at(-2) ?? '';
  // A window that never closes has one pane, of which every revision is a point of its series.
  if (text === 'all') return revision;
  return /^-?\d+$/.test(text) ? Number(text) : Date.parse(text);
}

function wireOf(pane: AnsweredPane, results: readonly string[]): WirePane {
  return [
    identityOf(pane),
    Date.parse(pane.start),
    Date.parse(pane.end),
    KINDS.indexOf(pane.kind),
    pane.revision,
    pane.count,
    Date.parse(pane.watermark),
    results.map((name) => shownValue(pane.results?.[name])),
  ];
}
