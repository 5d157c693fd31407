import type { Aggregates } from '../aggregate.ts';
import type { Alignment } from '../alignment.ts';
import { Lanes } from '../lanes.ts';
import {
  COUNT,
  EARLY,
  EMPTY,
  END,
  FINAL,
  IDENTITY,
  LATE,
  type Panes,
  REVISABLE,
  REVISION,
  START,
} from '../panes.ts';
import type { CurrentRecord } from '../record.ts';
import { countUp, Table } from '../table.ts';
import type { EpochMillis, Millis } from '../time.ts';
import {
  AFTER,
  BEFORE,
  type Emit,
  type OpenWindow,
  type Watermarks,
  type WindowOperator,
  type WindowRules,
  type WindowState,
} from '../window.ts';
import { SLICES, SliceFold } from './slice-fold.ts';
import { RECORDS, rowFrom, SLICE } from './slices.ts';

export interface SlidingSettings {
  readonly alignment: Alignment;
  readonly emit: Emit;
  readonly emitEmpty: boolean;
  /**
   * Returns the first instant after another at which windows show themselves as time passes. It is an edge of
   * a slice.
   */
  readonly stepAfter?: (at: number) => EpochMillis;
}

/** The settings that the states of all keys share. */
interface Rules extends SlidingSettings {
  readonly allowedLateness: Millis;
  readonly lanes: Lanes;
  readonly window: number;
  /** Combines the slices of one window on demand; shared by all keys. */
  readonly anyTime: SliceFold;
  /** Whether a window may emit more than once. */
  readonly revises: boolean;
}

/**
 * Windows of a fixed length by event time, overlapping or tumbling. A window emits when the watermark reaches
 * its end, again for each record that comes late for it, and before its end if the definition asks for it.
 *
 * The state is slices that no window edge cuts: each record is lifted into one slice, and a closing window
 * combines its slices, bracketed by time alone, so that the result is a function of the records' own order.
 * Traub et al., "Efficient Window Aggregation with General Stream Slicing", EDBT 2019.
 *
 * Windows of one key whose slices are the same stretches of time and hold the same partials keep them together. A record
 * that the shorter refuse as late, and the longer take in, is then in slices that the shorter do not read any more.
 *
 * @param shape the beginning of the signature, which tells these settings from others
 */
export function slidingOperator<Rec>(
  shape: string,
  settings: SlidingSettings,
  aggregates: Aggregates<Rec>,
  { allowedLateness, inputs, window }: WindowRules<never>,
): WindowOperator {
  const lanes = new Lanes(aggregates as Aggregates<never>, inputs, { header: 2 });
  const { width, plainWidth } = lanes.partials();
  const { alignment } = settings;
  const rules: Rules = {
    ...settings,
    allowedLateness,
    lanes,
    window,
    anyTime: new SliceFold(lanes, alignment, SLICES),
    revises: allowedLateness > 0 || settings.emit !== 'close' || settings.stepAfter !== undefined,
  };
  return {
    signature: `${shape},${allowedLateness},${settings.emit},${settings.emitEmpty}){${lanes.signature}}`,
    ordered: false,
    identity: 'start',
    lanes,
    layout: [
      { width, plainWidth },
      { width: 2, plainWidth: 0 },
      { width: 1, plainWidth: 0 },
    ],
    grid: alignment.grid,
    refusedFrom: (at) => alignment.end(alignment.last(at)) + allowedLateness,
    settledFrom: (end) => end + allowedLateness,
    thaw: (stored, longer) => new SlidingState(rules, stored, longer),
  };
}

/** How many empty windows in a row are emitted at most. */
const MOST_EMPTY = 1_000;

/** The place of the last revision in a row of revisions, after the window's start. */
const LAST = 1;

/**
 * A window of at most this many slices is combined anew each time, which is cheaper than a fold for each key.
 */
const FEW_SLICES = 16;

class SlidingState implements WindowState {
  readonly #rules: Rules;
  /** The slices by start. A row is the start, the number of records, and the partials. */
  readonly #slices: Table;
  /** Set where several states keep the slices: the serial of the last record that one of them has taken into these. */
  #shared: { taken: number } | undefined;
  /** Whether it is the longest of them, or the only one, which lets go of slices. */
  readonly #isLongest: boolean;
  /** The last revision, by start, of windows that have emitted and may emit again. */
  readonly #revisions: Table | undefined;
  /** One row once a window with records has closed: how many empty windows were emitted since. */
  readonly #empties: Table | undefined;
  /** Combines windows of many slices as they close, one after the other; undefined until one closes. */
  #closing: SliceFold | undefined;
  /** A watermark up to which nothing closes, found when the watermark was last looked at. */
  #closesAt = Number.NEGATIVE_INFINITY;
  /** The slices that took in a record in this commit. */
  #touched: Set<number> | undefined;

  constructor(rules: Rules, stored: readonly Table[] | undefined, longer: WindowState | undefined) {
    this.#rules = rules;
    const beside = longer instanceof SlidingState ? longer : undefined;
    this.#isLongest = beside === undefined;
    if (beside) this.#shared = beside.#shared ??= { taken: 0 };
    this.#slices = beside ? beside.#slices : (stored?.[0]?.tracked() ?? rules.lanes.partials(4));
    if (rules.revises) this.#revisions = stored?.[1]?.copy() ?? new Table(2, 0);
    if (rules.emitEmpty) this.#empties = stored?.[2]?.copy() ?? new Table(1, 0);
  }

  apply(record: CurrentRecord, watermarks: Watermarks, panes: Panes): boolean {
    const at = record.numbers[0] as EpochMillis;
    const watermark = watermarks[BEFORE] as number;
    // A window that holds `at` ends after it, so no record from the watermark on can be late.
    const late = at < watermark ? this.#lateFor(at, watermark) : NOTHING;
    if (late === undefined) return false;
    this.#add(record);
    if (late.length > 0) this.#emitAll(LATE, late, panes);
    if (this.#rules.emit === 'record') this.#emitAll(EARLY, this.#openAt(at, watermark), panes);
    return true;
  }

  advance(watermarks: Watermarks, panes: Panes): void {
    const to = watermarks[AFTER] as number;
    if (to < this.#closesAt) return;
    const { first, end } = this.#rules.alignment;
    const start = first(watermarks[BEFORE] as number);
    const closesAt = end(start);
    if (closesAt <= to || this.#rules.stepAfter !== undefined) this.#close(start, watermarks, panes);
    else this.#closesAt = closesAt;
  }

  /**
   * Closes the window that starts at `start`, which is the earliest open window, and the windows after it.
   */
  #close(start: EpochMillis, watermarks: Watermarks, panes: Panes): void {
    const { first, next, end } = this.#rules.alignment;
    const to = watermarks[AFTER] as number;
    const fold = this.#closingFold();
    while (end(start) <= to) {
      const row = rowFrom(this.#slices, start);
      const following = row < this.#slices.rows ? this.#start(row) : Number.POSITIVE_INFINITY;
      if (following < end(start)) {
        this.#emitSteps(start, watermarks, fold, panes);
        this.#emit(FINAL, start, fold, panes);
        if (this.#rules.emitEmpty) this.#setEmpties(0);
        start = next(start);
      } else if (this.#emitsEmpty()) {
        this.#emitEmpty(start, panes);
        start = next(start);
      } else if (following <= to) {
        start = first(following);
      } else {
        break;
      }
    }
    this.#emitSteps(start, watermarks, fold, panes);
    const expired = this.#expired(to);
    // The slices are not removed each time, as that moves all that stay; and not while others are still to close.
    if (this.#shared === undefined && 2 * expired > this.#slices.rows) this.#slices.remove(0, expired);
  }

  #closingFold(): SliceFold {
    const { lanes, alignment, anyTime } = this.#rules;
    if (alignment.slices <= FEW_SLICES) {
      anyTime.forget();
      return anyTime;
    }
    this.#closing ??= new SliceFold(lanes, alignment, SLICES);
    return this.#closing;
  }

  /**
   * Shows a window at each of its steps that the watermark passes before the window's end, from its first
   * record on.
   */
  #emitSteps(start: EpochMillis, watermarks: Watermarks, fold: SliceFold, panes: Panes): void {
    const { alignment, stepAfter } = this.#rules;
    const row = rowFrom(this.#slices, start);
    if (stepAfter === undefined || row === this.#slices.rows) return;
    const end = alignment.end(start);
    const to = watermarks[AFTER] as number;
    let step = stepAfter(Math.max(watermarks[BEFORE] as number, this.#start(row)));
    for (; step <= to && step < end; step = stepAfter(step)) this.#emit(EARLY, start, fold, panes, step);
  }

  update(watermark: number, panes: Panes): void {
    if (this.#touched === undefined) return;
    const starts = [...this.#touched].flatMap((slice) => this.#openAt(slice, watermark));
    this.#emitAll(
      EARLY,
      [...new Set(starts)].sort((a, b) => a - b),
      panes,
    );
    this.#touched = undefined;
  }

  open(watermark: number): number {
    const { first, last, next } = this.#rules.alignment;
    let open = 0;
    let start = first(watermark);
    for (let row = rowFrom(this.#slices, start); row < this.#slices.rows; row++) {
      const slice = this.#start(row);
      for (start = Math.max(start, first(slice)) as EpochMillis; start <= last(slice); start = next(start))
        open++;
    }
    return open;
  }

  listOpen(watermark: number): readonly OpenWindow[] {
    const { first, last, next, end } = this.#rules.alignment;
    const slices = this.#slices;
    const open: OpenWindow[] = [];
    let start = first(watermark);
    let [from, to, count] = [rowFrom(slices, start), rowFrom(slices, start), 0];
    for (let row = from; row < slices.rows; row++) {
      const slice = this.#start(row);
      for (start = Math.max(start, first(slice)) as EpochMillis; start <= last(slice); start = next(start)) {
        for (; to < slices.rows && this.#start(to) < end(start); to++) count += this.#records(to);
        for (; this.#start(from) < start; from++) count -= this.#records(from);
        open.push({ start, end: end(start), due: this.#due(start, slice, watermark), count });
      }
    }
    return open;
  }

  peek(watermark: number, panes: Panes, limit: number): void {
    const { anyTime } = this.#rules;
    anyTime.forget();
    for (const { start, end } of this.listOpen(watermark).slice(0, limit))
      this.#show(EARLY, start, anyTime, panes, end, this.#revisionOf(start));
  }

  /**
   * Returns when an open window emits next as time passes. `slice` holds its first record after the watermark
   * or, if there is none, before it.
   */
  #due(start: EpochMillis, slice: number, watermark: number): EpochMillis {
    return this.#rules.stepAfter?.(Math.max(watermark, slice)) ?? this.#rules.alignment.end(start);
  }

  restsUntil(watermark: number): number {
    const { alignment, allowedLateness } = this.#rules;
    const { first, last, end } = alignment;
    const slices = this.#slices;
    const earliest = first(watermark);
    const row = rowFrom(slices, earliest);
    const closes = this.#emitsEmpty() ? end(earliest) : Number.POSITIVE_INFINITY;
    if (row < slices.rows) {
      const slice = this.#start(row);
      const start = Math.max(earliest, first(slice)) as EpochMillis;
      return Math.min(closes, this.#due(start, slice, watermark));
    }
    if (this.#emitsEmpty() || this.isEmpty(watermark)) return closes;
    // Without slices, revisions of empty windows remain, which is rare.
    return slices.rows === 0 ? watermark : end(last(this.#start(slices.rows - 1))) + allowedLateness;
  }

  isEmpty(watermark: number): boolean {
    return (
      this.#slices.rows === this.#expired(watermark) &&
      (this.#revisions?.rows ?? 0) === this.#expiredRevisions(watermark) &&
      !this.#emitsEmpty()
    );
  }

  freeze(watermark: number): readonly Table[] {
    if (this.#isLongest) this.#slices.remove(0, this.#expired(watermark));
    this.#revisions?.remove(0, this.#expiredRevisions(watermark));
    if (this.#empties && !this.#emitsEmpty()) this.#empties.rows = 0;
    return [this.#slices, this.#revisions ?? NO_REVISIONS, this.#empties ?? NO_EMPTIES];
  }

  #add(record: CurrentRecord): void {
    const { alignment, emit } = this.#rules;
    const isTaken = this.#shared?.taken === record.serial;
    if (isTaken && this.#closing === undefined && emit !== 'update') return;
    const start = alignment.slice(record.numbers[0] as number);
    if (!isTaken) {
      const row = this.#sliceRow(start);
      this.#slices.touch(row);
      countUp(this.#slices.numbers, row * this.#slices.width + RECORDS);
      this.#rules.lanes.add(this.#slices, row, record);
      if (this.#shared) this.#shared.taken = record.serial;
    }
    this.#closing?.changed(start);
    if (emit === 'update') this.#touch(start);
  }

  #touch(slice: number): void {
    this.#touched ??= new Set();
    this.#touched.add(slice);
  }

  /** Returns the row of the slice that starts at `start`, and inserts it where there is none. */
  #sliceRow(start: number): number {
    const slices = this.#slices;
    const row = rowFrom(slices, start);
    const place = row * slices.width;
    if (row < slices.rows && slices.numbers[place + SLICE] === start) return row;
    if (row < slices.rows) slices.insert(row);
    else slices.push();
    slices.numbers[place + SLICE] = start;
    slices.numbers[place + RECORDS] = 0;
    this.#rules.lanes.clear(slices, row);
    return row;
  }

  /**
   * Lists the closed windows that a record corrects. It returns undefined when every window of the record
   * refuses it.
   */
  #lateFor(at: EpochMillis, watermark: number): readonly EpochMillis[] | undefined {
    const { first, last, next, end } = this.#rules.alignment;
    const corrected: EpochMillis[] = [];
    let accepted = false;
    for (let start = first(at); start <= last(at); start = next(start)) {
      if (end(start) + this.#rules.allowedLateness <= watermark) continue;
      accepted = true;
      if (end(start) <= watermark) corrected.push(start);
    }
    return accepted ? corrected : undefined;
  }

  /** Lists the windows that hold an instant and that the watermark has not closed. */
  #openAt(at: number, watermark: number): EpochMillis[] {
    const { first, last, next } = this.#rules.alignment;
    const open: EpochMillis[] = [];
    for (let start = first(Math.max(at, watermark)); start <= last(at); start = next(start)) {
      open.push(start);
    }
    return open;
  }

  #emitAll(kind: number, starts: readonly EpochMillis[], panes: Panes): void {
    const { anyTime } = this.#rules;
    anyTime.forget();
    for (const start of starts) this.#emit(kind, start, anyTime, panes);
  }

  #emit(
    kind: number,
    start: EpochMillis,
    fold: SliceFold,
    panes: Panes,
    end = this.#rules.alignment.end(start),
  ): void {
    this.#show(kind, start, fold, panes, end, this.#revise(start));
  }

  #show(
    kind: number,
    start: EpochMillis,
    fold: SliceFold,
    panes: Panes,
    end: EpochMillis,
    revision: number,
  ): void {
    const records = fold.window(this.#slices, start, end);
    const row = records.rows - 1;
    const count = records.numbers[row * records.width + RECORDS] as number;
    this.#begin(kind, start, end, revision, count, panes);
    panes.end(this.#rules.window, records, row);
  }

  #emitEmpty(start: EpochMillis, panes: Panes): void {
    this.#begin(EMPTY, start, this.#rules.alignment.end(start), this.#revise(start), 0, panes);
    panes.endEmpty(this.#rules.window);
    this.#setEmpties(this.#emptied(this.#empties as Table) + 1);
  }

  #begin(
    kind: number,
    start: EpochMillis,
    end: EpochMillis,
    revision: number,
    count: number,
    panes: Panes,
  ): void {
    const revisable = kind === EARLY || this.#rules.allowedLateness > 0;
    const { numbers, width, rows } = panes.begin(this.#rules.window, kind);
    const at = (rows - 1) * width;
    numbers[at + IDENTITY] = start;
    numbers[at + START] = start;
    numbers[at + END] = end;
    numbers[at + REVISION] = revision;
    numbers[at + REVISABLE] = revisable ? 1 : 0;
    numbers[at + COUNT] = count;
  }

  /** Counts the revisions of a window, and returns the next one. */
  #revise(start: EpochMillis): number {
    const revisions = this.#revisions;
    if (revisions === undefined) return 0;
    const row = rowFrom(revisions, start);
    const place = row * revisions.width;
    if (row < revisions.rows && revisions.numbers[place] === start) {
      return countUp(revisions.numbers, place + LAST) + 1;
    }
    revisions.insert(row);
    revisions.numbers[place] = start;
    revisions.numbers[place + LAST] = 0;
    return 0;
  }

  /** Returns the revision that a window would have if it emitted now. */
  #revisionOf(start: number): number {
    const revisions = this.#revisions;
    if (revisions === undefined) return 0;
    const place = rowFrom(revisions, start) * revisions.width;
    return revisions.numbers[place] === start && place < revisions.rows * revisions.width
      ? (revisions.numbers[place + LAST] as number) + 1
      : 0;
  }

  #emitsEmpty(): boolean {
    return this.#empties !== undefined && this.#empties.rows > 0 && this.#emptied(this.#empties) < MOST_EMPTY;
  }

  #emptied({ numbers }: Table): number {
    return numbers[0] as number;
  }

  #setEmpties(count: number): void {
    const empties = this.#empties as Table;
    if (empties.rows === 0) empties.push();
    empties.numbers[0] = count;
  }

  /** Returns how many slices no record can change any more and no window can show any more. */
  #expired(watermark: number): number {
    return rowFrom(this.#slices, this.#firstLive(watermark));
  }

  #expiredRevisions(watermark: number): number {
    return this.#revisions === undefined ? 0 : rowFrom(this.#revisions, this.#firstLive(watermark));
  }

  /** Returns the start of the earliest window that a record may still change. */
  #firstLive(watermark: number): EpochMillis {
    return this.#rules.alignment.first(watermark - this.#rules.allowedLateness);
  }

  #start(row: number): number {
    return this.#slices.numbers[row * this.#slices.width + SLICE] as number;
  }

  #records(row: number): number {
    return this.#slices.numbers[row * this.#slices.width + RECORDS] as number;
  }
}

const NOTHING: readonly EpochMillis[] = [];
/** What all states store that keep no revisions, or count no empty windows. No stored table is ever changed. */
const NO_REVISIONS = new Table(2, 0);
const NO_EMPTIES = new Table(1, 0);
