import type { Plain } from '../../src/core/plain.ts';
import { resultsOf } from './aggregates.ts';
import { LocalWindows } from './calendar.ts';
import type {
  BatchesPlan,
  CalendarPlan,
  CumulatePlan,
  Rec,
  RollingPlan,
  RunningPlan,
  SessionPlan,
  SlidingPlan,
  TrailingPlan,
  WindowPlan,
} from './windows.ts';

/** A pane as the documentation defines it. */
export interface OraclePane {
  readonly window: string;
  readonly kind: 'early' | 'final' | 'late' | 'retracted' | 'empty' | 'rolling' | 'running';
  readonly identity: number;
  readonly index?: number;
  readonly start: number;
  readonly end: number;
  readonly revision: number;
  readonly revisable: boolean;
  readonly count: number;
  readonly results: { readonly [aggregate: string]: Plain } | null;
  readonly watermark: number;
}

/** A record that a window took, and the watermark that it met. */
interface Taken {
  readonly record: Rec;
  readonly met: number;
}

interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** What of a pane is not told by what was emitted before. */
interface Emission extends Stretch {
  readonly identity: number;
  readonly index?: number;
  /** In source order; null: a pane without results. */
  readonly held: readonly Rec[] | null;
  /** Those of them that aggregates which need time order take in; all, unless told. */
  readonly timely?: readonly Rec[];
}

export type See = (what: string) => void;

/** One window of a definition: what it took, in source order, and what it emitted. */
export abstract class OracleWindow<Planned extends WindowPlan = WindowPlan> {
  /** How long after its end a window closes. */
  readonly lingers: number = 0;
  protected readonly plan: Planned;
  protected readonly allowedLateness: number;
  protected readonly see: See;
  protected readonly taken: Taken[] = [];
  /** What it took since the last commit. */
  protected fresh: Rec[] = [];
  readonly #name: string;
  readonly #revisions = new Map<number, number>();

  constructor(name: string, plan: Planned, allowedLateness: number, see: See) {
    this.#name = name;
    this.plan = plan;
    this.allowedLateness = allowedLateness;
    this.see = see;
  }

  /** The panes that a record itself brings about, or that it comes too late for this window. */
  abstract take(record: Rec, met: number, reached: number): OraclePane[] | 'late';

  /** The panes of windows whose end is in `(from, to]`. */
  close(_from: number, _to: number, _shown: (end: number) => number): OraclePane[] {
    return [];
  }

  /** The panes that the end of a commit brings about. */
  update(_watermark: number): OraclePane[] {
    return [];
  }

  /** Windows that hold a record and have not closed. */
  open(_watermark: number): number {
    return 0;
  }

  /** The windows that a look shows, without a trace in what is emitted later. */
  abstract peek(watermark: number): OraclePane[];

  protected keep(record: Rec, met: number): void {
    this.taken.push({ record, met });
    this.fresh.push(record);
  }

  /** The next revision of an identity. */
  protected pane(kind: OraclePane['kind'], emission: Emission, watermark: number): OraclePane {
    const pane = this.look(kind, emission, watermark);
    this.#revisions.set(pane.identity, pane.revision);
    return pane;
  }

  protected look(kind: OraclePane['kind'], emission: Emission, watermark: number): OraclePane {
    const { identity, index, start, end, held, timely = held ?? [] } = emission;
    const revision = (this.#revisions.get(identity) ?? -1) + 1;
    return {
      window: this.#name,
      kind,
      identity,
      ...(index !== undefined && { index }),
      start,
      end,
      revision,
      revisable: this.#revisable(kind),
      count: held?.length ?? 0,
      results: held && resultsOf(this.plan.aggregates, held, timely),
      watermark,
    };
  }

  #revisable(kind: OraclePane['kind']): boolean {
    if (kind === 'early' || kind === 'running') return true;
    if (kind === 'rolling' || kind === 'retracted' || this.plan.kind === 'batches') return false;
    return this.allowedLateness > 0;
  }
}

export function windowOf(name: string, plan: WindowPlan, allowedLateness: number, see: See): OracleWindow {
  switch (plan.kind) {
    case 'rolling':
      return new Rolling(name, plan, allowedLateness, see);
    case 'batches':
      return new Batches(name, plan, allowedLateness, see);
    case 'sliding':
    case 'calendar':
    case 'cumulate':
      return new Sliding(name, plan, allowedLateness, see);
    case 'trailing':
      return new Trailing(name, plan, allowedLateness, see);
    case 'session':
      return new Session(name, plan, allowedLateness, see);
    case 'running':
      return new Running(name, plan, allowedLateness, see);
  }
}

/** From the earliest event time to a millisecond after the latest. */
const spanOf = (held: readonly Rec[]): Stretch => ({
  start: Math.min(...held.map(({ at }) => at)),
  end: Math.max(...held.map(({ at }) => at)) + 1,
});

class Rolling extends OracleWindow<RollingPlan> {
  take(record: Rec, met: number, reached: number): OraclePane[] {
    this.keep(record, met);
    const { count, partial } = this.plan;
    const index = this.taken.length - 1;
    if (!partial && index < count - 1) {
      this.see('rolling: not full yet');
      return [];
    }
    const held = this.taken.slice(-count).map((taken) => taken.record);
    return [this.pane('rolling', { identity: index, index, ...spanOf(held), held }, reached)];
  }

  peek(watermark: number): OraclePane[] {
    const index = this.taken.length;
    const held = this.taken.slice(Math.max(0, index - this.plan.count + 1)).map(({ record }) => record);
    return held.length === 0
      ? []
      : [this.look('early', { identity: index, index, ...spanOf(held), held }, watermark)];
  }
}

class Batches extends OracleWindow<BatchesPlan> {
  take(record: Rec, met: number, reached: number): OraclePane[] {
    this.keep(record, met);
    const { count } = this.plan;
    if (this.taken.length % count !== 0) return [];
    const index = this.taken.length / count - 1;
    const held = this.taken.slice(-count).map((taken) => taken.record);
    return [this.pane('final', { identity: index, index, ...spanOf(held), held }, reached)];
  }

  peek(watermark: number): OraclePane[] {
    const index = Math.floor(this.taken.length / this.plan.count);
    const held = this.taken.slice(index * this.plan.count).map(({ record }) => record);
    return held.length === 0
      ? []
      : [this.look('early', { identity: index, index, ...spanOf(held), held }, watermark)];
  }
}

class Running extends OracleWindow<RunningPlan> {
  take(record: Rec, met: number, reached: number): OraclePane[] {
    this.keep(record, met);
    return this.plan.emit === 'record' ? [this.pane('running', this.#everything(), reached)] : [];
  }

  override update(watermark: number): OraclePane[] {
    const wanted = this.plan.emit === 'update' && this.fresh.length > 0;
    this.fresh = [];
    return wanted ? [this.pane('running', this.#everything(), watermark)] : [];
  }

  peek(watermark: number): OraclePane[] {
    return this.taken.length === 0 ? [] : [this.look('running', this.#everything(), watermark)];
  }

  #everything(): Emission {
    const held = this.taken.map(({ record }) => record);
    const timely = this.taken
      .filter(({ record, met }) => record.at >= met - this.allowedLateness)
      .map(({ record }) => record);
    if (timely.length < held.length) this.see('running: settled before a record came');
    return { identity: 0, ...spanOf(held), held, timely };
  }
}

/** How many empty windows in a row emit. */
const MAX_EMPTY = 1_000;

/** Windows that lie on a grid of event time: sliding, tumbling, by the clocks of a zone, and those that show themselves at steps. */
class Sliding extends OracleWindow<SlidingPlan | CalendarPlan | CumulatePlan> {
  #localWindows?: LocalWindows;
  #localSteps?: LocalWindows;

  take(record: Rec, met: number, reached: number): OraclePane[] | 'late' {
    const windows = this.#holding(record.at, record.at).filter(({ end }) => met < end + this.allowedLateness);
    if (windows.length === 0) return 'late';
    this.keep(record, met);
    const closed = windows.filter(({ end }) => end <= met);
    const open = windows.filter(({ end }) => end > met);
    if (closed.length > 0 && open.length > 0) this.see(`${this.plan.kind}: late for some windows alone`);
    return [
      ...closed.map((window) => this.#complete('late', window, reached)),
      ...(this.#emits('record') ? open.map((window) => this.#complete('early', window, reached)) : []),
    ];
  }

  override close(from: number, to: number, shown: (end: number) => number): OraclePane[] {
    const panes: OraclePane[] = [];
    let sinceHeld = Number.POSITIVE_INFINITY;
    for (const window of this.#onwards()) {
      panes.push(...this.#steps(window, from, to, shown));
      if (window.end > to) break;
      sinceHeld = this.#heldInTime(window) ? 0 : sinceHeld + 1;
      if (window.end <= from) continue;
      if (sinceHeld === 0) {
        panes.push(this.#complete('final', window, shown(window.end)));
      } else if (this.plan.emitEmpty && sinceHeld <= MAX_EMPTY) {
        const { start, end } = window;
        panes.push(this.pane('empty', { identity: start, start, end, held: null }, shown(end)));
        if (sinceHeld === MAX_EMPTY) this.see(`${this.plan.kind}: no more empty windows`);
      }
    }
    return panes;
  }

  override update(watermark: number): OraclePane[] {
    const touched = this.#all().filter((window) => this.fresh.some((record) => isIn(record, window)));
    this.fresh = [];
    if (!this.#emits('update')) return [];
    return touched
      .filter(({ end }) => end > watermark)
      .map((window) => this.#complete('early', window, watermark));
  }

  override open(watermark: number): number {
    return this.#open(watermark).length;
  }

  peek(watermark: number): OraclePane[] {
    return this.#open(watermark).map((window) =>
      this.look('early', { identity: window.start, ...window, held: this.#held(window) }, watermark),
    );
  }

  #open(watermark: number): Stretch[] {
    return this.#all().filter((window) => window.end > watermark && this.#held(window).length > 0);
  }

  #emits(emit: 'record' | 'update'): boolean {
    return this.plan.kind !== 'cumulate' && this.plan.emit === emit;
  }

  /** What a window shows at steps of its time in `(from, to]`, once it holds a record. */
  #steps(window: Stretch, from: number, to: number, shown: (end: number) => number): OraclePane[] {
    if (this.plan.kind !== 'cumulate') return [];
    const { step, offset, timeZone } = this.plan;
    if (timeZone !== undefined) this.#localSteps ??= new LocalWindows(timeZone, step, offset);
    const panes: OraclePane[] = [];
    const after = (at: number) => this.#localSteps?.holding(at).end ?? at + step;
    for (let end = after(window.start); end < window.end && end <= to; end = after(end)) {
      const held = this.taken.map(({ record }) => record).filter((one) => isIn(one, { ...window, end }));
      if (end <= from || held.length === 0) continue;
      if (this.taken.some(({ record, met }) => held.includes(record) && met > record.at + step)) {
        this.see('cumulate: late for a step');
      }
      panes.push(this.pane('early', { identity: window.start, start: window.start, end, held }, shown(end)));
    }
    return panes;
  }

  #complete(kind: 'early' | 'final' | 'late', window: Stretch, watermark: number): OraclePane {
    const { start, end } = window;
    if (this.plan.kind === 'calendar' && end - start !== this.plan.size) this.see('calendar: clocks change');
    return this.pane(kind, { identity: start, start, end, held: this.#held(window) }, watermark);
  }

  /** The records of a window: those within it that came before it was past correcting. */
  #held(window: Stretch): Rec[] {
    return this.taken
      .filter(({ record, met }) => isIn(record, window) && met < window.end + this.allowedLateness)
      .map(({ record }) => record);
  }

  /** Whether it held a record when the watermark passed its end. */
  #heldInTime(window: Stretch): boolean {
    return this.taken.some(({ record, met }) => isIn(record, window) && met < window.end);
  }

  /** The windows from that of the earliest record to that of the latest. */
  #all(): Stretch[] {
    const times = this.taken.map(({ record }) => record.at);
    return times.length === 0 ? [] : this.#holding(Math.min(...times), Math.max(...times));
  }

  /** Those, and then as many as may be empty. */
  *#onwards(): Generator<Stretch> {
    const windows = this.#all();
    yield* windows;
    let last = windows.at(-1);
    for (let more = 0; last && this.plan.emitEmpty && more < MAX_EMPTY; more++) {
      last = this.#after(last);
      yield last;
    }
  }

  /** The windows that hold an instant from `earliest` to `latest`, by start. */
  #holding(earliest: number, latest: number): Stretch[] {
    const windows: Stretch[] = [];
    for (let window = this.#first(earliest); window.start <= latest; window = this.#after(window)) {
      windows.push(window);
    }
    return windows;
  }

  /** The earliest window that holds an instant. */
  #first(at: number): Stretch {
    const local = this.#local();
    if (local) return local.holding(at);
    const { size, offset } = this.plan;
    const slide = this.#slide();
    let start = Math.ceil((at - offset) / slide) * slide + offset;
    while (start + size > at) start -= slide;
    return { start: start + slide, end: start + slide + size };
  }

  #after({ start, end }: Stretch): Stretch {
    return this.#local()?.holding(end) ?? { start: start + this.#slide(), end: end + this.#slide() };
  }

  #slide(): number {
    return this.plan.kind === 'sliding' ? this.plan.slide : this.plan.size;
  }

  #local(): LocalWindows | undefined {
    if (this.plan.kind === 'sliding' || this.plan.timeZone === undefined) return undefined;
    this.#localWindows ??= new LocalWindows(this.plan.timeZone, this.plan.size, this.plan.offset);
    return this.#localWindows;
  }
}

const isIn = ({ at }: Rec, { start, end }: Stretch): boolean => start <= at && at < end;

/** A window for each record, that ends with it. */
class Trailing extends OracleWindow<TrailingPlan> {
  take(record: Rec, met: number, reached: number): OraclePane[] | 'late' {
    if (record.at + this.plan.size + this.allowedLateness <= met) return 'late';
    this.keep(record, met);
    if (record.at + 1 > met) return [];
    if (record.at + 1 + this.allowedLateness <= met) this.see('trailing: late for its own pane alone');
    const changed = this.#inTime().filter(
      ({ record: { at } }) =>
        record.at <= at &&
        at < record.at + this.plan.size &&
        at + 1 <= met &&
        met < at + 1 + this.allowedLateness,
    );
    if (changed.length > 3) this.see('trailing: several panes corrected by one record');
    return changed.map((of) => this.#complete('late', of, reached));
  }

  override close(from: number, to: number, shown: (end: number) => number): OraclePane[] {
    const closed = this.#inTime().filter(({ record: { at } }) => from < at + 1 && at + 1 <= to);
    if (new Set(closed.map(({ record }) => record.at)).size < closed.length)
      this.see('trailing: equal times');
    return closed.map((of) => this.#complete('final', of, shown(of.record.at + 1)));
  }

  override open(watermark: number): number {
    return this.taken.filter(({ record }) => record.at + 1 > watermark).length;
  }

  peek(watermark: number): OraclePane[] {
    return this.#inTime()
      .filter(({ record }) => record.at + 1 > watermark)
      .map((of) => this.look('early', this.#whole(of), watermark));
  }

  #complete(kind: 'final' | 'late', of: Taken, watermark: number): OraclePane {
    return this.pane(kind, this.#whole(of), watermark);
  }

  #whole(of: Taken): Emission {
    const index = this.taken.indexOf(of);
    const window = { start: of.record.at - this.plan.size + 1, end: of.record.at + 1 };
    const held = this.taken
      .filter(({ record, met }) => isIn(record, window) && met < window.end + this.allowedLateness)
      .map(({ record }) => record);
    return { identity: index, index, ...window, held };
  }

  /** Equal times stay in source order. */
  #inTime(): Taken[] {
    return this.taken.toSorted((a, b) => a.record.at - b.record.at);
  }
}

/** Records that touch each other. */
interface Together {
  /** In source order. */
  readonly records: readonly Rec[];
  /** Of its panes, once it has any. */
  identity?: number;
  closed?: boolean;
}

class Session extends OracleWindow<SessionPlan> {
  /** A record at the very end of a session is in it, and on time until the watermark is past it. */
  override readonly lingers = 1;
  #kept: Together[] = [];
  #dropped = Number.NEGATIVE_INFINITY;

  take(record: Rec, met: number, reached: number): OraclePane[] | 'late' {
    this.#drop(met);
    const alone = Math.min(this.#gap(record), this.plan.maxDuration ?? Number.POSITIVE_INFINITY);
    if (record.at + alone + this.lingers + this.allowedLateness <= met) return 'late';
    if (record.at <= this.#dropped) {
      this.see('session: late for one that is gone');
      return 'late';
    }
    this.keep(record, met);
    const { united, retracted } = this.#unite(record);
    const panes = retracted.map((one) => this.#retract(one, reached));
    if (this.#closes(united) <= met) panes.push(this.#complete('late', united, reached));
    else if (this.plan.emit === 'record') panes.push(this.#complete('early', united, reached));
    return panes;
  }

  override close(from: number, to: number, shown: (end: number) => number): OraclePane[] {
    return this.#inTime()
      .filter((one) => from < this.#closes(one) && this.#closes(one) <= to)
      .map((one) => {
        if (this.#shown(one).end < this.#rawEnd(one)) this.see('session: as long as may be');
        if (one.closed) this.see('session: reopened, and closed again');
        one.closed = true;
        return this.#complete('final', one, shown(this.#closes(one)));
      });
  }

  override update(watermark: number): OraclePane[] {
    const touched = this.#inTime().filter((one) => this.fresh.some((record) => one.records.includes(record)));
    this.fresh = [];
    if (this.plan.emit !== 'update') return [];
    return touched
      .filter((one) => this.#closes(one) > watermark)
      .map((one) => this.#complete('early', one, watermark));
  }

  override open(watermark: number): number {
    return this.#kept.filter((one) => this.#closes(one) > watermark).length;
  }

  peek(watermark: number): OraclePane[] {
    return this.#inTime()
      .filter((one) => this.#closes(one) > watermark)
      .map((one) => {
        const { identity = this.#start(one), records: held } = one;
        return this.look('early', { identity, ...this.#shown(one), held }, watermark);
      });
  }

  /** Sessions that no record may change any more, and the latest event time in one. */
  #drop(met: number): void {
    const gone = this.#kept.filter((one) => this.#closes(one) + this.allowedLateness <= met);
    this.#kept = this.#kept.filter((one) => !gone.includes(one));
    this.#dropped = Math.max(this.#dropped, ...gone.flatMap(({ records }) => records.map(({ at }) => at)));
  }

  /** The session that a record makes, with those that it touches; and those of them that lose their identity. */
  #unite(record: Rec): { united: Together; retracted: Together[] } {
    let united: Together = { records: [record] };
    const joined: Together[] = [];
    for (const one of this.#inTime()) {
      if (this.#start(one) > this.#rawEnd(united) || this.#start(united) > this.#rawEnd(one)) continue;
      const records = [...one.records, ...united.records];
      const { start, end } = spanOf(records);
      if (end - 1 - start >= (this.plan.maxDuration ?? Number.POSITIVE_INFINITY)) {
        this.see('session: too long to join');
        continue;
      }
      united = { records };
      joined.push(one);
    }
    const known = joined.filter(({ identity }) => identity !== undefined);
    const identity = Math.min(...known.map((one) => one.identity as number));
    const retracted = known.filter((one) => one.identity !== identity);
    united = {
      records: this.taken.map((taken) => taken.record).filter((one) => united.records.includes(one)),
      ...(known.length > 0 && { identity }),
      closed: joined.some(({ closed }) => closed),
    };
    this.#kept = [...this.#kept.filter((one) => !joined.includes(one)), united];
    if (joined.length > 1) this.see('session: several become one');
    if (retracted.length > 1) this.see('session: two retracted by one record');
    return { united, retracted };
  }

  #retract(one: Together, watermark: number): OraclePane {
    return this.pane(
      'retracted',
      { identity: one.identity as number, ...this.#shown(one), held: null },
      watermark,
    );
  }

  #complete(kind: 'early' | 'final' | 'late', one: Together, watermark: number): OraclePane {
    one.identity ??= this.#start(one);
    return this.pane(kind, { identity: one.identity, ...this.#shown(one), held: one.records }, watermark);
  }

  #inTime(): Together[] {
    return this.#kept.toSorted((a, b) => this.#start(a) - this.#start(b));
  }

  #gap(record: Rec): number {
    return this.plan.gap === 'record' ? record.gap : this.plan.gap;
  }

  #start({ records }: Together): number {
    return Math.min(...records.map(({ at }) => at));
  }

  #rawEnd({ records }: Together): number {
    return Math.max(...records.map((record) => record.at + this.#gap(record)));
  }

  #closes(one: Together): number {
    return this.#shown(one).end + this.lingers;
  }

  #shown(one: Together): Stretch {
    const start = this.#start(one);
    return {
      start,
      end: Math.min(this.#rawEnd(one), start + (this.plan.maxDuration ?? Number.POSITIVE_INFINITY)),
    };
  }
}
