import type { Aggregates } from '../aggregate.ts';
import { Lanes } from '../lanes.ts';
import {
  COUNT,
  EARLY,
  END,
  FINAL,
  IDENTITY,
  LATE,
  type Panes,
  RETRACTED,
  REVISABLE,
  REVISION,
  START,
  WATERMARK,
} from '../panes.ts';
import type { CurrentRecord } from '../record.ts';
import { numberInput, SelectError } from '../select.ts';
import { Table } from '../table.ts';
import { type Duration, type EpochMillis, type Millis, millis } from '../time.ts';
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

export interface SessionSettings {
  /** A length of time, or a function of the record that returns one. */
  readonly gap: Millis | ((record: never) => Duration);
  readonly maxDuration: Millis | undefined;
  readonly emit: Emit;
}

/**
 * A window of records that are at most a gap from a neighbour, by event time. A session is `[first, last +
 * gap)`, or ends at the greatest such end where gaps differ, and is at most `maxDuration` long: a record that
 * would make it longer begins another session. It closes a millisecond after its end, as a record at the very
 * end would still belong to it, and such a record is on time until the watermark is past it.
 *
 * A record that reaches several sessions unites them. The identity of a session is its start when it was
 * first emitted. United sessions keep the least identity among them, and every other session of them that was
 * emitted is retracted. Akidau et al., "The Dataflow Model", VLDB 2015, for sessions that merge.
 */
export function sessionOperator<Rec>(
  settings: SessionSettings,
  aggregates: Aggregates<Rec>,
  { allowedLateness, inputs, window }: WindowRules<never>,
): WindowOperator {
  const { gap, maxDuration, emit } = settings;
  const lanes = new Lanes(aggregates as Aggregates<never>, inputs, { header: SESSION });
  const { width, plainWidth } = lanes.partials();
  const gapOf = typeof gap === 'function' ? gapColumn(inputs.column(numberInput(gapIn(gap)))) : () => gap;
  const named = typeof gap === 'function' ? 'λ' : gap;
  const longest = Math.min(typeof gap === 'function' ? LONGEST_GAP : gap, maxDuration ?? LONGEST_GAP);
  return {
    signature: `session(${named},${maxDuration ?? '∞'},${emit},${allowedLateness}){${lanes.signature}}`,
    ordered: false,
    identity: 'start',
    lanes,
    layout: [
      { width, plainWidth },
      { width: 1, plainWidth: 0 },
    ],
    refusedFrom: (at) => at + longest + 1 + allowedLateness,
    settledFrom: (end) => end + 1 + allowedLateness,
    thaw: (stored) => new SessionState({ gapOf, maxDuration, emit, allowedLateness }, lanes, window, stored),
  };
}

const gapColumn =
  (column: number) =>
  (record: CurrentRecord): number =>
    record.value(column) as number;

/** The longest gap, so that no session ends where ISO 8601 has no four digits of year. */
const LONGEST_GAP = millis('366d');

const gapIn =
  (gap: (record: never) => Duration) =>
  (record: never): number => {
    const length = millis(gap(record));
    if (length > 0 && length <= LONGEST_GAP) return length;
    throw new SelectError('the gap of a session must be > 0 and <= "366d"');
  };

/**
 * The header of a row of partials: the least event time; the greatest event time plus gap; the greatest event
 * time; the number of records; the identity once emitted, and NaN before; the next revision; whether a record
 * came in this commit.
 */
const FIRST = 0;
const UNTIL = 1;
const LAST = 2;
const RECORDS = 3;
const KNOWN_AS = 4;
const NEXT = 5;
const TOUCHED = 6;
const SESSION = 7;

interface Settings {
  gapOf(record: CurrentRecord): number;
  readonly maxDuration: Millis | undefined;
  readonly emit: Emit;
  readonly allowedLateness: Millis;
}

class SessionState implements WindowState {
  readonly #settings: Settings;
  readonly #lanes: Lanes;
  readonly #window: number;
  /** The sessions that are open, and those that a record may still change, by start, ties in source order. */
  readonly #sessions: Table;
  /** One row once a session was forgotten: the greatest event time of any forgotten session. */
  readonly #forgotten: Table;

  constructor(settings: Settings, lanes: Lanes, window: number, stored: readonly Table[] | undefined) {
    this.#settings = settings;
    this.#lanes = lanes;
    this.#window = window;
    this.#sessions = stored?.[0]?.copy() ?? lanes.partials(1);
    this.#forgotten = stored?.[1]?.copy() ?? new Table(1, 0);
  }

  apply(record: CurrentRecord, watermarks: Watermarks, panes: Panes): boolean {
    const at = record.numbers[0] as number;
    const watermark = watermarks[BEFORE] as number;
    const until = at + this.#settings.gapOf(record);
    if (this.#isLate(at, until, watermark)) return false;
    const session = this.#unite(at, until, panes);
    this.#lanes.add(this.#sessions, session, record);
    this.#set(session, RECORDS, this.#get(session, RECORDS) + 1);
    this.#set(session, TOUCHED, 1);
    if (this.#closes(session) <= watermark) {
      this.#emit(LATE, session, panes);
    } else if (this.#settings.emit === 'record') {
      this.#emit(EARLY, session, panes);
    }
    return true;
  }

  advance(watermarks: Watermarks, panes: Panes): void {
    const to = watermarks[AFTER] as number;
    for (let row = 0; row < this.#sessions.rows; row++) {
      const closes = this.#closes(row);
      if ((watermarks[BEFORE] as number) < closes && closes <= to) this.#emit(FINAL, row, panes);
      if (this.#isExpired(row, to)) this.#forget(row--);
    }
  }

  update(watermark: number, panes: Panes): void {
    for (let row = 0; row < this.#sessions.rows; row++) {
      const shows = this.#settings.emit === 'update' && this.#get(row, TOUCHED) === 1;
      if (shows && this.#closes(row) > watermark) this.#emit(EARLY, row, panes);
      this.#set(row, TOUCHED, 0);
    }
  }

  open(watermark: number): number {
    let open = 0;
    for (let row = 0; row < this.#sessions.rows; row++) if (this.#closes(row) > watermark) open++;
    return open;
  }

  listOpen(watermark: number): readonly OpenWindow[] {
    const rows = Array.from({ length: this.#sessions.rows }, (_, row) => ({
      start: this.#get(row, FIRST) as EpochMillis,
      end: this.#end(row) as EpochMillis,
      due: this.#closes(row) as EpochMillis,
      count: this.#get(row, RECORDS),
    }));
    return rows.filter(({ due }) => due > watermark);
  }

  peek(watermark: number, panes: Panes, limit: number): void {
    let shown = 0;
    for (let row = 0; row < this.#sessions.rows && shown < limit; row++) {
      if (this.#closes(row) <= watermark) continue;
      this.#show(EARLY, row, this.#identity(row), panes);
      shown++;
    }
  }

  restsUntil(watermark: number): number {
    let until = Number.POSITIVE_INFINITY;
    for (let row = 0; row < this.#sessions.rows; row++) {
      const closes = this.#closes(row);
      until = Math.min(until, closes > watermark ? closes : closes + this.#settings.allowedLateness);
    }
    return until;
  }

  isEmpty(): boolean {
    return this.#sessions.rows === 0;
  }

  freeze(): readonly Table[] {
    return [this.#sessions, this.#forgotten];
  }

  /**
   * Says whether a session of this record alone could change no more. Where gaps differ, or sessions are cut
   * at `maxDuration`, a session that held the record's time may have been forgotten; if the record began it
   * again, it would be taken for the same session.
   */
  #isLate(at: number, until: number, watermark: number): boolean {
    const { allowedLateness, maxDuration = Number.POSITIVE_INFINITY } = this.#settings;
    if (Math.min(until, at + maxDuration) + 1 + allowedLateness <= watermark) return true;
    return this.#forgotten.rows > 0 && at <= (this.#forgotten.numbers[0] as number);
  }

  #forget(row: number): void {
    const last = this.#get(row, LAST);
    if (this.#forgotten.rows === 0) this.#forgotten.pushNumbers(last);
    this.#forgotten.numbers[0] = Math.max(this.#forgotten.numbers[0] as number, last);
    this.#sessions.remove(row, row + 1);
  }

  /**
   * Unites the sessions that a record at `at`, with a gap until `end`, reaches, or begins one. It returns the
   * row of that session, which does not hold the record yet.
   */
  #unite(at: number, end: number, panes: Panes): number {
    const reached = this.#reached(at, end);
    const [first, ...others] = reached.rows;
    if (first === undefined) return this.#begin(at, end);
    this.#identify(reached.rows, panes);
    for (const later of others) this.#join(first, later);
    for (const later of others.reverse()) this.#sessions.remove(later, later + 1);
    this.#set(first, FIRST, reached.start);
    this.#set(first, UNTIL, reached.end);
    this.#set(first, LAST, reached.last);
    return first;
  }

  /**
   * Returns the sessions that the record reaches, in order, and the span that they make together, which grows
   * as it takes them in.
   */
  #reached(at: number, until: number): { rows: number[]; start: number; last: number; end: number } {
    const { maxDuration = Number.POSITIVE_INFINITY } = this.#settings;
    const rows: number[] = [];
    let [start, last, end] = [at, at, until];
    for (let row = 0; row < this.#sessions.rows; row++) {
      if (this.#get(row, FIRST) > end || start > this.#get(row, UNTIL)) continue;
      const earliest = Math.min(start, this.#get(row, FIRST));
      const latest = Math.max(last, this.#get(row, LAST));
      if (latest - earliest >= maxDuration) continue;
      rows.push(row);
      [start, last, end] = [earliest, latest, Math.max(end, this.#get(row, UNTIL))];
    }
    return { rows, start, last, end };
  }

  #begin(start: number, end: number): number {
    const sessions = this.#sessions;
    let row = sessions.rows;
    while (row > 0 && this.#get(row - 1, FIRST) > start) row--;
    sessions.insert(row);
    this.#set(row, FIRST, start);
    this.#set(row, UNTIL, end);
    this.#set(row, LAST, start);
    this.#set(row, RECORDS, 0);
    this.#set(row, KNOWN_AS, Number.NaN);
    this.#set(row, NEXT, 0);
    this.#lanes.clear(sessions, row);
    return row;
  }

  /**
   * Gives the first of the sessions the least identity of them all, and retracts the other sessions that were
   * emitted.
   */
  #identify(rows: readonly number[], panes: Panes): void {
    const emitted = rows.filter((row) => !Number.isNaN(this.#get(row, KNOWN_AS)));
    const [keeper] = emitted.toSorted((a, b) => this.#get(a, KNOWN_AS) - this.#get(b, KNOWN_AS));
    if (keeper === undefined) return;
    for (const row of emitted) if (row !== keeper) this.#retract(row, panes);
    const first = rows[0] as number;
    this.#set(first, KNOWN_AS, this.#get(keeper, KNOWN_AS));
    this.#set(first, NEXT, this.#get(keeper, NEXT));
  }

  /** Joins a later session into an earlier one. */
  #join(to: number, later: number): void {
    this.#lanes.merge(this.#sessions, to, this.#sessions, later);
    this.#set(to, RECORDS, this.#get(to, RECORDS) + this.#get(later, RECORDS));
  }

  #emit(kind: number, row: number, panes: Panes): void {
    this.#set(row, KNOWN_AS, this.#identity(row));
    this.#show(kind, row, this.#get(row, KNOWN_AS), panes);
    this.#set(row, NEXT, this.#get(row, NEXT) + 1);
  }

  #show(kind: number, row: number, identity: number, panes: Panes): void {
    const revisable = kind === EARLY || this.#settings.allowedLateness > 0;
    this.#beginPane(kind, row, identity, this.#get(row, RECORDS), revisable, panes);
    panes.end(this.#window, this.#sessions, row);
  }

  /** Returns by what a session is known once it is emitted. */
  #identity(row: number): number {
    const known = this.#get(row, KNOWN_AS);
    return Number.isNaN(known) ? this.#get(row, FIRST) : known;
  }

  #retract(row: number, panes: Panes): void {
    this.#beginPane(RETRACTED, row, this.#get(row, KNOWN_AS), 0, false, panes);
    panes.endEmpty(this.#window);
  }

  #beginPane(
    kind: number,
    row: number,
    identity: number,
    count: number,
    revisable: boolean,
    panes: Panes,
  ): void {
    const { numbers, width, rows } = panes.begin(this.#window, kind);
    const at = (rows - 1) * width;
    numbers[at + IDENTITY] = identity;
    numbers[at + START] = this.#get(row, FIRST);
    numbers[at + END] = this.#end(row);
    numbers[at + REVISION] = this.#get(row, NEXT);
    numbers[at + REVISABLE] = revisable ? 1 : 0;
    numbers[at + COUNT] = count;
    if (kind === FINAL) numbers[at + WATERMARK] = this.#closes(row);
  }

  #end(row: number): number {
    const { maxDuration = Number.POSITIVE_INFINITY } = this.#settings;
    return Math.min(this.#get(row, UNTIL), this.#get(row, FIRST) + maxDuration);
  }

  #closes(row: number): number {
    return this.#end(row) + 1;
  }

  #isExpired(row: number, watermark: number): boolean {
    return this.#closes(row) + this.#settings.allowedLateness <= watermark;
  }

  #get(row: number, column: number): number {
    return this.#sessions.numbers[row * this.#sessions.width + column] as number;
  }

  #set(row: number, column: number, value: number): void {
    this.#sessions.numbers[row * this.#sessions.width + column] = value;
  }
}
