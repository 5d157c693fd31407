import { type OraclePane, type OracleWindow, windowOf } from './oracle-windows.ts';
import type { Plan, Rec } from './windows.ts';

export type { OraclePane } from './oracle-windows.ts';

/**
 * The panes of one key by definition. Nothing is kept but the records, the watermark, what was emitted and, for sessions,
 * which records make one; every window is looked for among all records whenever something happens.
 */
export class Oracle {
  readonly panes: OraclePane[] = [];
  /** What happened that random cases reach only sometimes. */
  readonly seen = new Set<string>();
  readonly #plan: Plan;
  readonly #windows: readonly OracleWindow[];
  #watermark = Number.NEGATIVE_INFINITY;
  #maxApplied = Number.NEGATIVE_INFINITY;
  #lastArrival = Number.NEGATIVE_INFINITY;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#windows = Object.entries(plan.windows).map(([name, window]) =>
      windowOf(name, window, plan.allowedLateness, (what) => this.seen.add(what)),
    );
  }

  /** The places of the windows that refuse it. */
  apply(record: Rec): readonly number[] {
    this.idle(record.arrival);
    this.#lastArrival = Math.max(this.#lastArrival, record.arrival);
    const met = this.#watermark;
    const reached = Math.max(met, record.at - this.#plan.outOfOrderness);
    const answers = this.#windows.map((window) => window.take(record, met, reached));
    const refusing = [...answers.keys()].filter((place) => answers[place] === 'late');
    if (refusing.length === answers.length) return refusing;
    if (refusing.length > 0) this.seen.add('late: for some windows alone');

    this.panes.push(...answers.filter((answer) => answer !== 'late').flat());
    this.#maxApplied = Math.max(this.#maxApplied, record.at);
    this.#close(reached, () => reached);
    return refusing;
  }

  /** W = max(event time) − outOfOrderness + max(0, now − last arrival − idleAfter), once there was a record. */
  idle(now: number): void {
    if (this.#maxApplied === Number.NEGATIVE_INFINITY) return;
    const silence = Math.max(0, now - this.#lastArrival - this.#plan.idleAfter);
    this.#close(this.#maxApplied - this.#plan.outOfOrderness + silence, (end) => end);
  }

  /** The end of a commit. */
  update(): void {
    this.panes.push(...this.#windows.flatMap((window) => window.update(this.#watermark)));
  }

  /** Windows that hold a record and whose end the watermark has not reached. */
  open(): number {
    return this.#windows.reduce((total, window) => total + window.open(this.#watermark), 0);
  }

  /** The open windows, with their results so far. */
  peek(): OraclePane[] {
    return this.#windows.flatMap((window) => window.peek(this.#watermark));
  }

  /** The watermark rises, if it does: every window whose end it reaches emits, in that order. */
  #close(to: number, shown: (end: number) => number): void {
    const from = this.#watermark;
    if (to <= from) return;
    this.#watermark = to;
    const closed = this.#windows.flatMap((window) =>
      window.close(from, to, shown).map((pane) => ({ pane, due: pane.end + window.lingers })),
    );
    this.panes.push(...closed.sort((a, b) => a.due - b.due).map(({ pane }) => pane));
  }
}
