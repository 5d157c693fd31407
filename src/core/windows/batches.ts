import type { Aggregates } from '../aggregate.ts';
import { Lanes } from '../lanes.ts';
import { EARLY, FINAL, type Panes } from '../panes.ts';
import type { CurrentRecord } from '../record.ts';
import { Table } from '../table.ts';
import type { OpenWindow, Watermarks, WindowOperator, WindowRules, WindowState } from '../window.ts';
import { beginSpan, emitSpan, openSpan, SPAN, SPAN_RECORDS, takeInto } from './span.ts';

/** A window of every `count` records of the key in source order. It emits once it holds that many. */
export function batchesOperator<Rec>(
  count: number,
  aggregates: Aggregates<Rec>,
  { inputs, window }: WindowRules<never>,
): WindowOperator {
  const lanes = new Lanes(aggregates as Aggregates<never>, inputs, { header: SPAN });
  const { width, plainWidth } = lanes.partials();
  return {
    signature: `batches(${count}){${lanes.signature}}`,
    ordered: true,
    identity: 'index',
    lanes,
    layout: [
      { width: 1, plainWidth: 0 },
      { width, plainWidth },
    ],
    refusedFrom: () => Number.POSITIVE_INFINITY,
    settledFrom: () => Number.NEGATIVE_INFINITY,
    thaw: (stored) => new BatchesState(count, lanes, window, stored),
  };
}

class BatchesState implements WindowState {
  readonly #count: number;
  readonly #lanes: Lanes;
  readonly #window: number;
  /** One row: the ordinal of the batch that is being filled. */
  readonly #ordinal: Table;
  /** One row, which is the batch that is being filled; no row before its first record. */
  readonly #batch: Table;

  constructor(count: number, lanes: Lanes, window: number, stored: readonly Table[] | undefined) {
    this.#count = count;
    this.#lanes = lanes;
    this.#window = window;
    this.#ordinal = stored?.[0]?.copy() ?? new Table(1, 0);
    this.#batch = stored?.[1]?.copy() ?? lanes.partials(1);
    if (this.#ordinal.rows === 0) this.#ordinal.pushNumbers(0);
  }

  apply(record: CurrentRecord, _watermarks: Watermarks, panes: Panes): boolean {
    const batch = this.#batch;
    if (batch.rows === 0) beginSpan(this.#lanes, batch);
    takeInto(this.#lanes, batch, record);
    if (batch.numbers[SPAN_RECORDS] === this.#count) this.#emit(panes);
    return true;
  }

  advance(): void {}

  update(): void {}

  /** No batch is open, as a batch waits for records, not for time. */
  open(): number {
    return 0;
  }

  listOpen(): readonly OpenWindow[] {
    return this.#batch.rows === 0 ? [] : [openSpan(this.#batch)];
  }

  peek(_watermark: number, panes: Panes): void {
    if (this.#batch.rows === 0) return;
    const identity = this.#ordinal.numbers[0] as number;
    emitSpan(panes, this.#window, EARLY, this.#batch, { identity, revision: 0, revisable: 1 });
  }

  /** No pane waits for time, and a state that took a record in stays. */
  restsUntil(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** The state is empty until its first record: the ordinals of batches go on. */
  isEmpty(): boolean {
    return this.#batch.rows === 0 && this.#ordinal.numbers[0] === 0;
  }

  freeze(): readonly Table[] {
    return [this.#ordinal, this.#batch];
  }

  #emit(panes: Panes): void {
    const ordinal = this.#ordinal.numbers[0] as number;
    emitSpan(panes, this.#window, FINAL, this.#batch, { identity: ordinal, revision: 0, revisable: 0 });
    this.#batch.remove(0, 1);
    this.#ordinal.numbers[0] = ordinal + 1;
  }
}
