import type { Panes } from './panes.ts';
import type { KeyRecord } from './record.ts';
import type { Inputs } from './select.ts';
import type { Table } from './table.ts';
import type { EpochMillis, Millis } from './time.ts';
import {
  AFTER,
  BEFORE,
  type OpenWindow,
  type Watermarks,
  type WindowOperator,
  type WindowState,
} from './window.ts';

export type { KeyRecord } from './record.ts';

/** The rules by which event time advances for the keys of a pipeline. */
interface TimeRules {
  readonly outOfOrderness: Millis;
  /**
   * Once a key has been silent for this long, by arrival time, its event time advances at the speed of the
   * clock.
   */
  readonly idleAfter: Millis;
  /**
   * For how long after its last record a key is remembered that holds nothing but its watermark; for ever
   * when undefined. A forgotten key begins anew with its next record, so no record may arrive later than this
   * for a window that has closed.
   */
  readonly maxLateness: Millis | undefined;
  /**
   * How much longer than that a sweep remembers it, as a record that was known when it came, and is not the key's last,
   * may come once more.
   */
  readonly knownFor?: Millis | undefined;
  /**
   * Set where a record arrives when it is read, as its source does not say when it came, or where its source says
   * nothing of how long it waited elsewhere. Then it may have waited
   * since the record before it, and its arrival says nothing of silence.
   */
  readonly arrivesWhenRead?: true | undefined;
}

/**
 * The rules that apply to every record of a key: which inputs are read, which windows it goes into, and how
 * event time advances.
 */
export interface KeyRules<in Rec = never> {
  readonly time: TimeRules;
  readonly inputs: Inputs<Rec>;
  readonly windows: readonly { readonly name: string; readonly operator: WindowOperator }[];
  /** Which windows may keep their slices together: see `familiesOf`. */
  readonly families?: Families | undefined;
}

/** One key as a commit stores it. The window states are in the order of the pipeline's windows. */
export interface StoredKey {
  readonly maxEventTime: EpochMillis;
  readonly lastArrival: EpochMillis;
  readonly watermark: EpochMillis;
  /** Undefined for a window that is new in the definition. */
  readonly windows: readonly (readonly Table[] | undefined)[];
}

/** The event time, arrival and watermark of a key before its first record. */
const NEVER = Number.NEGATIVE_INFINITY as EpochMillis;

/** Where the latest event time and arrival stand behind a key's watermarks, in the array that has them all. */
const MAX_EVENT_TIME = 2;
const LAST_ARRIVAL = 3;

/** The state of one key while a batch is folded: its watermark and its windows. */
export class KeyState {
  readonly #rules: KeyRules;
  #windows: readonly WindowState[];
  readonly #times: Watermarks = [NEVER, NEVER, NEVER, NEVER];

  constructor(rules: KeyRules, stored?: StoredKey) {
    this.#rules = rules;
    if (stored) {
      this.#times[BEFORE] = stored.watermark;
      this.#times[MAX_EVENT_TIME] = stored.maxEventTime;
      this.#times[LAST_ARRIVAL] = stored.lastArrival;
    }
    this.#windows = thawed(rules, stored);
  }

  /**
   * Takes in the key's next record in source order.
   *
   * @returns how many windows refuse the record as late; their places come first in `panes.refusing`
   */
  apply(record: KeyRecord, panes: Panes): number {
    const { at, arrival } = record;
    const { outOfOrderness, idleAfter, maxLateness } = this.#rules.time;
    const times = this.#times;
    if (arrival - this.#lastArrival > idleAfter) this.pass(this.reachedBy(record), undefined, panes);
    if (maxLateness !== undefined && !record.waited && this.#isForgotten(arrival)) this.#begin();
    if (arrival > this.#lastArrival) times[LAST_ARRIVAL] = arrival;

    const met = this.watermark;
    times[AFTER] = Math.max(met, at - outOfOrderness);
    panes.watermark(times[AFTER] as number);
    panes.record.set(record);
    let refusing = 0;
    for (let i = 0; i < this.#windows.length; i++) {
      const taken = (this.#windows[i] as WindowState).apply(panes.record, times, panes);
      if (!taken) panes.refusing[refusing++] = i;
    }
    if (refusing === this.#windows.length) return refusing;

    if (at > this.#maxEventTime) times[MAX_EVENT_TIME] = at;
    if ((times[AFTER] as number) > met) {
      const since = this.#advance(panes);
      if (panes.length > since) panes.endDue(since, this.watermark);
    }
    return refusing;
  }

  /**
   * Advances event time for a key that has been silent until the clock reads `now`, and closes the windows
   * that this silence closes.
   */
  idle(now: EpochMillis, panes: Panes): void {
    this.pass(this.reached(now), undefined, panes);
  }

  /**
   * Returns the watermark that silence until `now` brings: the present one, unless the key has been silent
   * for long.
   */
  reached(now: EpochMillis): EpochMillis {
    const { outOfOrderness, idleAfter } = this.#rules.time;
    const silence = now - this.#lastArrival - idleAfter;
    if (this.#maxEventTime === NEVER || silence <= 0) return this.watermark;
    return Math.max(this.#maxEventTime - outOfOrderness + silence, this.watermark) as EpochMillis;
  }

  /** Returns the watermark that the silence until a record's arrival brings, before the record is taken in. */
  reachedBy({ arrival, waited }: Pick<KeyRecord, 'arrival' | 'waited'>): EpochMillis {
    return waited || this.#rules.time.arrivesWhenRead ? this.watermark : this.reached(arrival);
  }

  /**
   * Advances event time to a watermark, if that is later than the present one.
   *
   * @param shown the watermark that the panes carry; without it, each pane carries the watermark at which it
   * is due
   */
  pass(watermark: EpochMillis, shown: EpochMillis | undefined, panes: Panes): void {
    if (watermark <= this.watermark) return;
    this.#times[AFTER] = watermark;
    const since = this.#advance(panes);
    if (panes.length > since) panes.endDue(since, shown);
  }

  /**
   * Returns the reading of the clock from which on `idle` emits panes, or the key may be forgotten; ∞ if that never
   * comes. It may be too early, and is never too late. A key that neither emits nor is forgotten at an instant keeps
   * its number of open windows until then.
   */
  restsUntil(): number {
    if (this.watermark === NEVER) return NEVER;
    const {
      outOfOrderness,
      idleAfter,
      maxLateness = Number.POSITIVE_INFINITY,
      knownFor = 0,
    } = this.#rules.time;
    const due = Math.min(...this.#windows.map((window) => window.restsUntil(this.watermark)));
    const silence = due - (this.#maxEventTime - outOfOrderness);
    const forgotten = this.#isEmpty()
      ? this.#lastArrival + maxLateness + knownFor + 1
      : Number.POSITIVE_INFINITY;
    return Math.min(this.#lastArrival + idleAfter + silence, forgotten);
  }

  /** Ends a commit: emits what the definition asks to show of windows that are still open. */
  update(panes: Panes): void {
    panes.watermark(this.watermark);
    for (let i = 0; i < this.#windows.length; i++)
      (this.#windows[i] as WindowState).update(this.watermark, panes);
  }

  /** Returns the number of windows that hold records and have not closed. */
  open(): number {
    if (this.watermark === NEVER) return 0;
    return this.#windows.reduce((total, window) => total + window.open(this.watermark), 0);
  }

  /** Lists the open windows of each definition, in order. */
  listOpen(): readonly (readonly OpenWindow[])[] {
    const begun = this.watermark !== NEVER;
    return this.#windows.map((window) => (begun ? window.listOpen(this.watermark) : []));
  }

  /**
   * Writes the open windows to `panes`, with their results so far: the first `limit` of each definition. What
   * the key emits later is the same as without the look.
   */
  peek(panes: Panes, limit = Number.POSITIVE_INFINITY): void {
    if (this.watermark === NEVER) return;
    panes.watermark(this.watermark);
    for (const window of this.#windows) window.peek(this.watermark, panes, limit);
  }

  /**
   * Returns the key to store, or undefined once it may be forgotten at `now`: once it holds no record, and
   * its last record arrived so long ago that none may follow for a window that has closed. The state must not
   * be used afterwards.
   */
  freeze(now: EpochMillis = NEVER): StoredKey | undefined {
    const { knownFor = 0 } = this.#rules.time;
    if (this.watermark === NEVER || this.#isForgotten(now - knownFor)) return undefined;
    const windows = new Array<readonly Table[]>(this.#windows.length);
    for (let i = 0; i < windows.length; i++) {
      windows[i] = (this.#windows[i] as WindowState).freeze(this.watermark);
    }
    return {
      maxEventTime: this.#maxEventTime,
      lastArrival: this.#lastArrival,
      watermark: this.watermark,
      windows,
    };
  }

  /** The key's watermark, which is −∞ before its first record. */
  get watermark(): EpochMillis {
    return this.#times[BEFORE] as EpochMillis;
  }

  get #maxEventTime(): EpochMillis {
    return this.#times[MAX_EVENT_TIME] as EpochMillis;
  }

  get #lastArrival(): EpochMillis {
    return this.#times[LAST_ARRIVAL] as EpochMillis;
  }

  /** Begins anew, windows included: even without records, a window remembers how far it has closed. */
  #begin(): void {
    this.#times.fill(NEVER);
    this.#windows = thawed(this.#rules, undefined);
  }

  #isForgotten(now: number): boolean {
    const { maxLateness = Number.POSITIVE_INFINITY } = this.#rules.time;
    if (this.watermark === NEVER || now - this.#lastArrival <= maxLateness) return false;
    return this.#isEmpty();
  }

  #isEmpty(): boolean {
    return this.#windows.every((window) => window.isEmpty(this.watermark));
  }

  /** Returns the number of the first pane that the windows emit as time passes. */
  #advance(panes: Panes): number {
    const times = this.#times;
    const { length } = panes;
    if (times[BEFORE] !== NEVER) {
      panes.watermark(undefined);
      for (let i = 0; i < this.#windows.length; i++) {
        (this.#windows[i] as WindowState).advance(times, panes);
      }
    }
    times[BEFORE] = times[AFTER] as number;
    return length;
  }
}

/** Thaws the windows of a key, in a plain loop, as each batch does it for each key that it touches. */
function thawed({ windows, families }: KeyRules, stored: StoredKey | undefined): readonly WindowState[] {
  const states = new Array<WindowState>(windows.length);
  for (let i = 0; i < states.length; i++) {
    const place = families ? (families.order[i] as number) : i;
    const longer = families?.longer[place]?.find((other) => haveSameSlices(stored, place, other));
    const { operator } = windows[place] as KeyRules['windows'][number];
    states[place] = operator.thaw(stored?.windows[place], longer === undefined ? undefined : states[longer]);
  }
  return states;
}

/** The windows of a pipeline that may keep their slices together. */
interface Families {
  /** The places of all windows, the longest of each family first. */
  readonly order: readonly number[];
  /** By place, those of the same slices that come before in `order`. */
  readonly longer: readonly (readonly number[])[];
}

/** Returns which windows have the same slices; undefined where none have. */
export function familiesOf(windows: KeyRules['windows']): Families | undefined {
  const operatorAt = (place: number): WindowOperator =>
    (windows[place] as KeyRules['windows'][number]).operator;
  const lengthAt = (place: number): number => operatorAt(place).grid?.length ?? 0;
  const order = [...windows.keys()].sort((a, b) => lengthAt(b) - lengthAt(a));
  const longer = windows.map(({ operator }, place) =>
    order.slice(0, order.indexOf(place)).filter((other) => isOfFamily(operatorAt(other), operator)),
  );
  return longer.some(({ length }) => length > 0) ? { order, longer } : undefined;
}

const isOfFamily = (a: WindowOperator, b: WindowOperator): boolean =>
  a.grid !== undefined && a.grid.slices === b.grid?.slices && a.lanes.isLike(b.lanes);

/**
 * Tells whether two windows of a family have taken in the same records so far: they keep their slices together, or have
 * none. A window that began after another, in a later version of the definition, has others for as long as that has any.
 */
function haveSameSlices(stored: StoredKey | undefined, place: number, other: number): boolean {
  const [slices] = stored?.windows[place] ?? [];
  const [others] = stored?.windows[other] ?? [];
  return slices === others || !(slices?.rows || others?.rows);
}
