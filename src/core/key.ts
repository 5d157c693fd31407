import type { Plain } from './plain.ts';
import { before, type EpochMillis, type Millis } from './time.ts';
import type { Emission, WindowOperator, WindowState } from './window.ts';

/** How event time passes for the keys of a pipeline. */
interface TimeRules {
  readonly outOfOrderness: Millis;
  /** A key silent for this long, by arrival time, has its event time pass at the speed of the clock. */
  readonly idleAfter: Millis;
  /**
   * How long after its last record a key is remembered that keeps nothing but its watermark; for ever when undefined.
   * A key that is forgotten begins anew with its next record: no record may come later for a window that has closed.
   */
  readonly maxLateness: Millis | undefined;
}

/** What every record of a key goes through: its windows by name, and the rules of time. */
export interface KeyRules<in Rec = never> {
  readonly time: TimeRules;
  readonly windows: readonly { readonly name: string; readonly operator: WindowOperator<Rec> }[];
}

/** A pane of one key, before it has an id. */
export interface KeyPane extends Emission {
  readonly window: string;
  /**
   * The key's watermark when the pane was emitted. Where silence closed the window it is exactly `end`: the instant is
   * reached at the speed of the clock, whenever it is that someone comes by to see it.
   */
  readonly watermark: EpochMillis;
}

/** A record of one key, decoded. */
export interface KeyRecord {
  readonly at: EpochMillis;
  readonly arrival: EpochMillis;
  /** Per window, what its aggregates selected. */
  readonly selected: readonly (readonly Plain[])[];
}

/** One key as a commit stores it; window states are in the order of the pipeline's windows. */
export type StoredKey = readonly [
  maxEventTime: EpochMillis,
  lastArrival: EpochMillis,
  watermark: EpochMillis,
  windows: readonly Plain[],
];

/** One key while a batch is folded: its watermark and its windows. */
export class KeyState {
  readonly #rules: KeyRules;
  readonly #windows: readonly WindowState[];
  #maxEventTime: EpochMillis | undefined;
  #lastArrival: EpochMillis | undefined;
  #watermark: EpochMillis | undefined;

  constructor(rules: KeyRules, stored?: StoredKey) {
    this.#rules = rules;
    this.#begin(stored);
    this.#windows = rules.windows.map(({ operator }, at) => operator.thaw(stored?.[3][at] ?? null));
  }

  #begin(stored?: StoredKey): void {
    [this.#maxEventTime, this.#lastArrival, this.#watermark] = stored ?? [];
  }

  /** Takes in the key's next record in source order. */
  apply(record: KeyRecord, emit: (pane: KeyPane) => void): 'applied' | 'late' {
    this.idle(record.arrival, emit);
    if (this.#isForgotten(record.arrival)) this.#begin();
    this.#lastArrival = Math.max(this.#lastArrival ?? record.arrival, record.arrival) as EpochMillis;
    const reached = Math.max(
      this.#watermark ?? Number.NEGATIVE_INFINITY,
      before(record.at, this.#rules.time.outOfOrderness),
    ) as EpochMillis;

    let outcome: 'applied' | 'late' = 'late';
    this.#windows.forEach((window, at) => {
      const timed = { at: record.at, values: record.selected[at] as readonly Plain[] };
      const { name } = this.#rules.windows[at] as KeyRules['windows'][number];
      const one = window.apply(timed, this.#watermark, (pane) =>
        emit({ ...pane, window: name, watermark: reached }),
      );
      if (one === 'applied') outcome = 'applied';
    });
    if (outcome === 'late') return outcome;

    this.#maxEventTime = Math.max(this.#maxEventTime ?? record.at, record.at) as EpochMillis;
    this.#advance(reached, (pane) => emit({ ...pane, watermark: reached }));
    return outcome;
  }

  /**
   * Lets event time pass as if the clock stood at `now`, for a key that has been silent until then: closes the windows
   * that silence closes.
   */
  idle(now: EpochMillis, emit: (pane: KeyPane) => void): void {
    if (this.#maxEventTime === undefined || this.#lastArrival === undefined) return;
    const { outOfOrderness, idleAfter } = this.#rules.time;
    const silence = Math.max(0, now - this.#lastArrival - idleAfter);
    this.#advance((this.#maxEventTime - outOfOrderness + silence) as EpochMillis, (pane) =>
      emit({ ...pane, watermark: pane.end }),
    );
  }

  /** Windows that hold records and have not closed. */
  open(): number {
    const watermark = this.#watermark;
    return watermark === undefined
      ? 0
      : this.#windows.reduce((total, window) => total + window.open(watermark), 0);
  }

  /**
   * The key to store, or undefined once it may be forgotten at `now`: it keeps no records, and its last came so long
   * ago that none may follow for a window that has closed.
   */
  freeze(now?: EpochMillis): StoredKey | undefined {
    if (
      this.#maxEventTime === undefined ||
      this.#lastArrival === undefined ||
      this.#watermark === undefined
    ) {
      return undefined;
    }
    if (now !== undefined && this.#isForgotten(now)) return undefined;
    const windows = this.#windows.map((window) => window.freeze());
    return [this.#maxEventTime, this.#lastArrival, this.#watermark, windows];
  }

  #isForgotten(now: EpochMillis): boolean {
    const { maxLateness } = this.#rules.time;
    if (maxLateness === undefined || this.#lastArrival === undefined) return false;
    return now - this.#lastArrival > maxLateness && this.#windows.every((window) => window.freeze() === null);
  }

  #advance(to: EpochMillis, emit: (pane: Emission & { window: string }) => void): void {
    const from = this.#watermark;
    if (from !== undefined && to <= from) return;
    this.#watermark = to;
    if (from === undefined) return;
    const closed: (Emission & { window: string })[] = [];
    this.#windows.forEach((window, at) => {
      const { name } = this.#rules.windows[at] as KeyRules['windows'][number];
      window.advance(from, to, (pane) => closed.push({ ...pane, window: name }));
    });
    for (const pane of closed.sort((a, b) => a.end - b.end)) emit(pane);
  }
}
