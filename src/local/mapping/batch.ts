import { after, type EpochMillis, type Millis } from '../../core/time.ts';

/** The most bytes of one event: Lambda's bound of 6 MB, of which events keep some for all that is not data. */
export const MAX_EVENT_BYTES = 6 * 1_000_000;

/** When a batch is handed over. */
export interface Batching {
  /** The most records of a batch. */
  readonly batchSize: number;
  /** For how long a batch that is not full waits for more records; 0 for not at all. */
  readonly batchingWindow: Millis;
}

/** A record that waits to be in a batch. */
export interface Waiting {
  /** How many bytes it takes up in an event. */
  readonly bytes: number;
}

/**
 * Gathers records into batches: a batch is handed over when it has `batchSize` records, when the next record
 * would take it over 6 MB, or when its window is over. A record that is larger than an event goes alone.
 */
export class Gathering<Item extends Waiting> {
  readonly #batching: Batching;
  #items: Item[] = [];
  #since: EpochMillis | undefined;

  constructor(batching: Batching) {
    this.#batching = batching;
  }

  get size(): number {
    return this.#items.length;
  }

  add(items: readonly Item[], now: EpochMillis): void {
    if (items.length === 0) return;
    this.#since ??= now;
    for (const item of items) this.#items.push(item);
  }

  /** Returns when a batch is due: at once where it is full, at the end of the window, or undefined for none. */
  due(): EpochMillis | undefined {
    if (this.#since === undefined) return undefined;
    return this.#isFull() ? this.#since : after(this.#since, this.#batching.batchingWindow);
  }

  /** Takes the next batch if one is due. What does not fit waits for a window of its own. */
  take(now: EpochMillis): readonly Item[] | undefined {
    const due = this.due();
    if (due === undefined || due > now) return undefined;
    const batch = this.#items.slice(0, this.#fitting());
    this.#items = this.#items.slice(batch.length);
    this.#since = this.#items.length > 0 ? now : undefined;
    return batch;
  }

  /** Takes all that waits, in order. */
  drain(): readonly Item[] {
    const items = this.#items;
    this.#items = [];
    this.#since = undefined;
    return items;
  }

  #isFull(): boolean {
    const fitting = this.#fitting();
    return fitting === this.#batching.batchSize || fitting < this.#items.length;
  }

  /** Returns how many records the next batch has. */
  #fitting(): number {
    let bytes = 0;
    let fitting = 0;
    for (const item of this.#items) {
      bytes += item.bytes;
      if (fitting === this.#batching.batchSize || (fitting > 0 && bytes > MAX_EVENT_BYTES)) break;
      fitting++;
    }
    return fitting;
  }
}
