import { type Plan, RECENT, type Rec, type WindowPlan } from './core-windows.ts';

/** A pane as DESIGN sections 3 and 4 define it. */
export interface OraclePane {
  readonly window: string;
  readonly kind: 'final' | 'late' | 'rolling';
  readonly start: number;
  readonly end: number;
  readonly revision: number;
  readonly index?: number;
  readonly count: number;
  readonly results: object;
  readonly watermark: number;
}

/** A record and the watermark that it met. */
interface Met {
  readonly record: Rec;
  readonly watermark: number;
}

/**
 * The panes of one key by definition: every window is found by trying every instant as its start, and holds what a look
 * through all records so far finds. Nothing is kept but the records, the watermark, and what was emitted.
 */
export class Oracle {
  readonly panes: OraclePane[] = [];
  readonly #plan: Plan;
  readonly #all: Met[] = [];
  #watermark = Number.NEGATIVE_INFINITY;
  #maxApplied = Number.NEGATIVE_INFINITY;
  #lastArrival = Number.NEGATIVE_INFINITY;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  apply(record: Rec): 'applied' | 'late' {
    this.idle(record.arrival);
    this.#lastArrival = Math.max(this.#lastArrival, record.arrival);
    const met = this.#watermark;
    if (
      !this.#windows().some(([, window]) => window.kind === 'rolling' || this.#takes(window, record, met))
    ) {
      return 'late';
    }

    this.#all.push({ record, watermark: met });
    this.#maxApplied = Math.max(this.#maxApplied, record.at);
    const reached = Math.max(met, record.at - this.#plan.outOfOrderness);
    for (const [name, window] of this.#windows()) {
      if (window.kind === 'rolling') {
        this.#emitRolling(name, window.count, reached);
        continue;
      }
      for (const start of startsOf(window, record.at, record.at)) {
        const end = start + window.size;
        if (end <= met && met < end + this.#plan.allowedLateness) {
          this.#emit(name, window, 'late', start, reached);
        }
      }
    }
    this.#close(reached, () => reached);
    return 'applied';
  }

  /** W = max(event time) − outOfOrderness + max(0, now − last arrival − idleAfter), once there was a record. */
  idle(now: number): void {
    if (this.#all.length === 0) return;
    const silence = Math.max(0, now - this.#lastArrival - this.#plan.idleAfter);
    const reached = this.#maxApplied - this.#plan.outOfOrderness + silence;
    this.#close(reached, (end) => end);
  }

  /** Windows that hold a record and whose end the watermark has not reached. */
  open(): number {
    return this.#timeWindows().flatMap(([, window]) =>
      this.#allStarts(window).filter(
        (start) => start + window.size > this.#watermark && this.#recordsIn(window, start).length > 0,
      ),
    ).length;
  }

  /** The watermark rises, if it does: every window whose end it reaches, and that holds a record, emits. */
  #close(to: number, shown: (end: number) => number): void {
    const from = this.#watermark;
    if (to <= from) return;
    this.#watermark = to;
    for (const [name, window] of this.#timeWindows()) {
      for (const start of this.#allStarts(window)) {
        const end = start + window.size;
        if (from < end && end <= to && this.#recordsIn(window, start).length > 0) {
          this.#emit(name, window, 'final', start, shown(end));
        }
      }
    }
  }

  #emit(name: string, window: Sliding, kind: 'final' | 'late', start: number, watermark: number): void {
    const held = this.#recordsIn(window, start);
    const revision = this.panes.filter((pane) => pane.window === name && pane.start === start).length;
    const end = start + window.size;
    this.panes.push({
      window: name,
      kind,
      start,
      end,
      revision,
      count: held.length,
      results: resultsOf(held),
      watermark,
    });
  }

  #emitRolling(name: string, count: number, watermark: number): void {
    const held = this.#all.slice(-count).map(({ record }) => record);
    const times = held.map(({ at }) => at);
    this.panes.push({
      window: name,
      kind: 'rolling',
      start: Math.min(...times),
      end: Math.max(...times) + 1,
      revision: 0,
      index: this.#all.length - 1,
      count: held.length,
      results: resultsOf(held),
      watermark,
    });
  }

  /** The records of a window: those within it that came before it was past correcting. */
  #recordsIn(window: Sliding, start: number): Rec[] {
    const end = start + window.size;
    return this.#all
      .filter(({ record }) => start <= record.at && record.at < end)
      .filter(({ watermark }) => watermark < end + this.#plan.allowedLateness)
      .map(({ record }) => record);
  }

  #takes(window: Sliding, record: Rec, watermark: number): boolean {
    return startsOf(window, record.at, record.at).some(
      (start) => watermark < start + window.size + this.#plan.allowedLateness,
    );
  }

  #allStarts(window: Sliding): number[] {
    const times = this.#all.map(({ record }) => record.at);
    return times.length === 0 ? [] : startsOf(window, Math.min(...times), Math.max(...times));
  }

  #windows(): [string, WindowPlan][] {
    return Object.entries(this.#plan.windows);
  }

  #timeWindows(): [string, Sliding][] {
    return this.#windows().filter((one): one is [string, Sliding] => one[1].kind === 'sliding');
  }
}

type Sliding = Extract<WindowPlan, { kind: 'sliding' }>;

/** The starts of all windows `[offset + k·slide, offset + k·slide + size)` that hold an instant from `least` to `most`. */
function startsOf({ size, slide, offset }: Sliding, least: number, most: number): number[] {
  const starts: number[] = [];
  for (let start = least - size + 1; start <= most; start++) {
    if (Number.isInteger((start - offset) / slide)) starts.push(start);
  }
  return starts;
}

/** What the aggregates of `rulesOf` say of some records, given in source order. */
function resultsOf(held: readonly Rec[]): object {
  const values = held.map(({ value }) => value);
  const total = values.reduce((a, b) => a + b);
  // A stable sort: equal times keep the order of their source.
  const byTime = held.toSorted((a, b) => a.at - b.at);
  return {
    count: held.length,
    sum: total,
    mean: total / held.length,
    min: Math.min(...values),
    max: Math.max(...values),
    range: Math.max(...values) - Math.min(...values),
    first: byTime[0]?.tag,
    last: byTime.at(-1)?.tag,
    recent: byTime.slice(-RECENT).map(({ tag }) => tag),
    all: byTime.map(({ tag, value }) => [tag, value]),
  };
}
