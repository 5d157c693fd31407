import type { EpochMillis } from '../core/time.ts';
import type { Random } from './random.ts';
import type { RecordedPane } from './recording.ts';
import type { Delivery, SourceModel } from './source.ts';

/**
 * The logs of another pipeline, and what wakes the handler that reads them: one wake-up at a time, as a stream's mapping
 * has it, and others beside it. Some come as nothing is there to be read.
 */
export class PanesModel implements SourceModel {
  readonly #random: Random;
  readonly #panes: readonly RecordedPane[];
  /** Whether the reader has noted a pane as taken in. */
  readonly #isRead: (pane: RecordedPane) => boolean;
  #arrived = 0;
  /** When the other pipeline does its last, from when on its sweeper alone goes on; undefined once that is past. */
  #end: EpochMillis | undefined;
  #isBusy = false;

  constructor(
    random: Random,
    end: EpochMillis | undefined,
    panes: readonly RecordedPane[],
    isRead: (pane: RecordedPane) => boolean,
  ) {
    this.#random = random;
    this.#end = end;
    this.#panes = panes;
    this.#isRead = isRead;
  }

  put(now: EpochMillis): void {
    while ((this.#panes[this.#arrived]?.at ?? Number.POSITIVE_INFINITY) <= now) this.#arrived++;
    if (this.#end !== undefined && this.#end < now) this.#end = undefined;
  }

  nextArrival(): EpochMillis | undefined {
    return this.#panes[this.#arrived]?.at ?? this.#end;
  }

  get drained(): boolean {
    return this.#panes.slice(0, this.#arrived).every(this.#isRead);
  }

  next(): Delivery | undefined {
    if (this.#isBusy || (this.drained && !this.#random.chance(0.1))) return undefined;
    this.#isBusy = true;
    return {
      ...this.#wakeUp(),
      settle: () => {
        this.#isBusy = false;
        return new Set();
      },
    };
  }

  again(): Delivery | undefined {
    return { ...this.#wakeUp(), settle: () => new Set() };
  }

  redrive(): readonly never[] {
    return [];
  }

  /** The frontier of a reader is asked of the logs. */
  frontier(): Promise<never> {
    return Promise.reject(new Error('Nobody asks a model of panes what waits'));
  }

  #wakeUp(): Pick<Delivery, 'batch' | 'event'> {
    return { batch: [], event: {} };
  }
}
