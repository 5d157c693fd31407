import type { Aggregates } from '../aggregate.ts';
import { Lanes } from '../lanes.ts';
import { type Panes, RUNNING } from '../panes.ts';
import type { CurrentRecord } from '../record.ts';
import { countUp, Table } from '../table.ts';
import type { EpochMillis, Millis } from '../time.ts';
import {
  BEFORE,
  type Emit,
  type OpenWindow,
  type Watermarks,
  type WindowOperator,
  type WindowRules,
  type WindowState,
} from '../window.ts';
import { beginSpan, emitSpan, SPAN, takeInto } from './span.ts';

export interface RunningSettings {
  readonly emit: Exclude<Emit, 'close'>;
}

/**
 * A window of everything since the key began. Aggregates that need the order of time are settled up to
 * `allowedLateness` before the watermark, and pass over records that come later than that. All other
 * aggregates take every record.
 */
export function runningOperator<Rec>(
  settings: RunningSettings,
  aggregates: Aggregates<Rec>,
  { allowedLateness, inputs, window }: WindowRules<never>,
): WindowOperator {
  const lanes = new Lanes(aggregates as Aggregates<never>, inputs, { header: SPAN });
  const { width, plainWidth } = lanes.partials();
  return {
    signature: `running(${settings.emit},${allowedLateness}){${lanes.signature}}`,
    ordered: true,
    identity: 'none',
    lanes,
    layout: [
      { width: 1, plainWidth: 0 },
      { width, plainWidth },
    ],
    refusedFrom: () => Number.POSITIVE_INFINITY,
    settledFrom: () => Number.POSITIVE_INFINITY,
    thaw: (stored) => new RunningState({ ...settings, allowedLateness }, lanes, window, stored),
  };
}

class RunningState implements WindowState {
  readonly #settings: RunningSettings & { readonly allowedLateness: Millis };
  readonly #lanes: Lanes;
  readonly #window: number;
  /** One row: the next revision. */
  readonly #revision: Table;
  /** One row for all records; no row before the first record. */
  readonly #all: Table;
  #changed = false;

  constructor(
    settings: RunningSettings & { readonly allowedLateness: Millis },
    lanes: Lanes,
    window: number,
    stored: readonly Table[] | undefined,
  ) {
    this.#settings = settings;
    this.#lanes = lanes;
    this.#window = window;
    this.#revision = stored?.[0]?.copy() ?? new Table(1, 0);
    this.#all = stored?.[1]?.copy() ?? lanes.partials(1);
  }

  apply(record: CurrentRecord, watermarks: Watermarks, panes: Panes): boolean {
    if (this.#all.rows > 0) {
      // A record at the watermark itself may still come in time.
      const settled = (watermarks[BEFORE] as number) - this.#settings.allowedLateness - 1;
      this.#lanes.settle(this.#all, 0, settled as EpochMillis);
    } else {
      beginSpan(this.#lanes, this.#all);
      this.#revision.pushNumbers(0);
    }
    takeInto(this.#lanes, this.#all, record);
    if (this.#settings.emit === 'record') this.#emit(panes);
    this.#changed = true;
    return true;
  }

  advance(): void {}

  update(_watermark: number, panes: Panes): void {
    if (this.#changed && this.#settings.emit === 'update') this.#emit(panes);
  }

  /** No window is open in the sense of `open`, as the window never closes. */
  open(): number {
    return 0;
  }

  /** No window is listed, as the window never closes. */
  listOpen(): readonly OpenWindow[] {
    return [];
  }

  /** The window never closes, so a look shows it at any time. */
  peek(_watermark: number, panes: Panes): void {
    if (this.#all.rows > 0) this.#show(panes);
  }

  /** No pane waits for time, and a state that took a record in stays. */
  restsUntil(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** The state is empty until its first record: the window never closes. */
  isEmpty(): boolean {
    return this.#all.rows === 0;
  }

  freeze(): readonly Table[] {
    return [this.#revision, this.#all];
  }

  #emit(panes: Panes): void {
    this.#show(panes);
    countUp(this.#revision.numbers, 0);
  }

  #show(panes: Panes): void {
    const revision = this.#revision.numbers[0] as number;
    emitSpan(panes, this.#window, RUNNING, this.#all, { identity: 0, revision, revisable: 1 });
  }
}
