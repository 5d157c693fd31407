import { KINDS, type Kind, type Value, type WirePane } from './wire.ts';

/** The last known revision of a pane. */
export interface Pane {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly kind: Kind;
  readonly revision: number;
  readonly count: number;
  readonly watermark: number;
  readonly results: readonly Value[];
  /** The results that a revision after the window had closed has replaced; undefined where none has. */
  readonly before: readonly Value[] | undefined;
}

/** The panes of one window and key, in the order of their ends, of which the oldest may be forgotten. */
export class Series {
  readonly window: number;
  readonly key: string;
  /** The watermark of the key as its newest pane has it. */
  watermark = Number.NEGATIVE_INFINITY;
  readonly #byId = new Map<number, Pane>();
  #sorted: readonly Pane[] | undefined = [];
  /** Panes up to this end were forgotten: were one of them revised, it would stand alone before a gap. */
  forgottenUpTo: number | undefined;

  constructor(window: number, key: string, forgottenUpTo?: number) {
    this.forgottenUpTo = forgottenUpTo;
    this.window = window;
    this.key = key;
  }

  get size(): number {
    return this.#byId.size;
  }

  get panes(): readonly Pane[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => a.end - b.end || a.id - b.id);
    return this.#sorted;
  }

  pane(id: number): Pane | undefined {
    return this.#byId.get(id);
  }

  /** Takes a pane in, and returns it unless a later revision is known, or it is older than what is kept. */
  add(wire: WirePane): Pane | undefined {
    const [id, start, end, kind, revision, count, watermark, results, replaced] = wire;
    const known = this.#byId.get(id);
    if (this.forgottenUpTo !== undefined && end <= this.forgottenUpTo) return undefined;
    if (known !== undefined && known.revision >= revision) return undefined;
    const revises = known !== undefined && ['late', 'retracted'].includes(KINDS[kind] ?? '');
    const before = replaced ?? (revises ? known.results : undefined);
    const pane = {
      id,
      start,
      end,
      kind: KINDS[kind] ?? 'final',
      revision,
      count,
      watermark,
      results,
      before,
    };
    this.#byId.set(id, pane);
    this.watermark = Math.max(this.watermark, watermark);
    this.#sorted = undefined;
    return pane;
  }

  /** Forgets the oldest panes until no more than `most` are left. */
  trim(most: number): void {
    const gone = this.panes.slice(0, Math.max(0, this.size - most));
    for (const { id } of gone) this.#byId.delete(id);
    if (gone.length === 0) return;
    this.forgottenUpTo = gone.at(-1)?.end;
    this.#sorted = undefined;
  }
}

export const wirePane = ({ kind, before, ...pane }: Pane): WirePane => {
  const { id, start, end, revision, count, watermark, results } = pane;
  const wire = [id, start, end, KINDS.indexOf(kind), revision, count, watermark, results] as const;
  return before === undefined ? wire : [...wire, before];
};
