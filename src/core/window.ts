import type { Aggregate } from './aggregate.ts';
import type { Plain } from './plain.ts';
import type { EpochMillis } from './time.ts';

/** What each of a window's aggregates yields, by the names its panes show them under. */
export type Results = { readonly [name: string]: Plain };

/** The aggregates that one window computes, by the same names. */
export type Aggregates<in Rec, Of = Results> = { readonly [Name in keyof Of]: Aggregate<Rec, Of[Name]> };

/**
 * Why a pane was emitted: its window closed (`final`); a record came late for it (`late`); a rolling window took in a
 * record (`rolling`).
 */
export type PaneKind = 'final' | 'late' | 'rolling';

/** One emission of one window of one key: what an operator knows of it. */
export interface Emission {
  readonly kind: PaneKind;
  /** The window is `[start, end)`. */
  readonly start: EpochMillis;
  readonly end: EpochMillis;
  /** 0, 1, 2, …: each emission of the same window replaces the one before. */
  readonly revision: number;
  /** Whether a late record may still bring another revision. */
  readonly revisable: boolean;
  /** Rolling panes only: the ordinal of the record within its key, from 0. */
  readonly index?: number;
  /** Records in the window. */
  readonly count: number;
  readonly results: Results;
}

/** A record as a window takes it in. */
export interface TimedValues {
  readonly at: EpochMillis;
  /** What each aggregate selected, in the aggregates' order. */
  readonly values: readonly Plain[];
}

/**
 * One kind of window, with its settings: how it keeps one key's records and when it emits.
 *
 * State is stored as plain data holding the minimal statistic; `thaw` builds whatever makes folding fast from it.
 */
export interface WindowOperator<in Rec = never> {
  /** Names the kind, settings and aggregates: a window keeps them under its name. */
  readonly signature: string;
  /** Needs the order of the source: refused where there is none. */
  readonly ordered: boolean;
  /** @throws SelectError when the record lacks what an aggregate reads */
  select(record: Rec): readonly Plain[];
  /** The state of one key's windows; null is that of a new key. */
  thaw(stored: Plain): WindowState;
}

/** The windows of one definition for one key, while a batch is folded. */
export interface WindowState {
  /** Takes a record in while the watermark is still `watermark`; `late` when every window it belongs to refuses it. */
  apply(
    record: TimedValues,
    watermark: EpochMillis | undefined,
    emit: (emission: Emission) => void,
  ): 'applied' | 'late';
  /** The watermark passes from `from` to `to`: closes what ends in `(from, to]`, forgets what can no longer change. */
  advance(from: EpochMillis, to: EpochMillis, emit: (emission: Emission) => void): void;
  /** Windows that hold records and have not closed by the watermark. */
  open(watermark: EpochMillis): number;
  /** The state to store, or null when there is nothing to keep. */
  freeze(): Plain;
}

/** Aggregates side by side, as the operators use them. */
export class Lanes<Rec> {
  readonly signature: string;
  readonly #names: readonly string[];
  readonly #aggregates: readonly Aggregate<Rec, Plain>[];

  constructor(aggregates: Aggregates<Rec>) {
    for (const [name, aggregate] of Object.entries<Partial<Aggregate<Rec, Plain>>>(aggregates)) {
      if (typeof aggregate?.select === 'function') continue;
      throw new TypeError(
        `Cannot compute "${name}" as it must be an aggregate, such as count() or mean('field'): it is ${typeof aggregate}`,
      );
    }
    this.#names = Object.keys(aggregates);
    this.#aggregates = Object.values(aggregates);
    this.signature = this.#names
      .map((name, lane) => `${name}=${this.#aggregates[lane]?.signature}`)
      .join(';');
  }

  select(record: Rec): readonly Plain[] {
    return this.#aggregates.map((aggregate) => aggregate.select(record));
  }

  lift(record: TimedValues): readonly Plain[] {
    return this.#aggregates.map((aggregate, lane) => aggregate.lift(record.values[lane] as Plain, record.at));
  }

  combine(earlier: readonly Plain[], later: readonly Plain[]): readonly Plain[] {
    return this.#aggregates.map((aggregate, lane) => aggregate.combine(earlier[lane], later[lane]));
  }

  lower(partials: readonly Plain[]): Results {
    return Object.fromEntries(
      this.#names.map((name, lane) => [
        name,
        (this.#aggregates[lane] as Aggregate<Rec, Plain>).lower(partials[lane]),
      ]),
    );
  }
}
