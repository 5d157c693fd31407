import { isAfter } from '../core/position.ts';
import { type EpochMillis, millis } from '../core/time.ts';
import type { Progress } from '../ports/stores.ts';
import { placeAgain } from './place.ts';
import type { Random } from './random.ts';
import type { SourceShape } from './shapes.ts';
import type { Case, Lineage, Truth } from './truth.ts';
import { must } from './violation.ts';

/** The answer of a handler to an event source mapping. */
export interface BatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: unknown }[];
}

/** One batch on its way. */
export interface Delivery {
  readonly batch: readonly Truth[];
  readonly event: unknown;
  /**
   * Tells the mapping which records are redelivered; the others are done.
   *
   * @param givesUp whether the mapping gives those up that it would redeliver
   * @returns the records that are not redelivered after all, as they were given up or went to a dead-letter queue
   */
  settle(back: ReadonlySet<Truth>, givesUp: boolean): ReadonlySet<Truth>;
}

/** A source and its event source mapping. */
export interface SourceModel {
  /** Puts everything into the source that arrives by now. */
  put(now: EpochMillis): void;
  /** Returns when the next record arrives, or undefined when all have. */
  nextArrival(): EpochMillis | undefined;
  /** Whether no record that has arrived waits, is in flight, or is in a dead-letter queue. */
  readonly drained: boolean;
  /** Returns a batch that can be delivered, cut anywhere, or undefined when there is none. */
  next(): Delivery | undefined;
  /** Delivers a batch once more, beside whatever is in flight. Nobody waits for the answer. */
  again(): Delivery | undefined;
  /**
   * Moves records back from the dead-letter queue.
   *
   * @returns the records as which they come, which are new records for most sources
   */
  redrive(now: EpochMillis): readonly Truth[];
  /** Returns the arrival of the first record that waits; `now` when none does. */
  frontier(now: EpochMillis, progress: Progress): Promise<EpochMillis>;
}

/** Returns the records of a batch that an answer asks to redeliver. */
export function namedBy(
  shape: SourceShape,
  batch: readonly Truth[],
  { batchItemFailures }: BatchResponse,
): ReadonlySet<Truth> {
  const back = new Set<Truth>();
  for (const { itemIdentifier } of batchItemFailures) {
    const name = JSON.stringify(itemIdentifier);
    const at = batch.findIndex((truth) => JSON.stringify(shape.identifierOf(truth)) === name);
    const found = batch[at];
    must(found !== undefined, 'An answer names records of its batch');
    back.add(found);
    if (!shape.fromNamedOn) continue;
    for (const truth of batch.slice(at)) if (truth.lineage === found.lineage) back.add(truth);
  }
  return back;
}

/** Returns the answer that asks for a whole batch again, where a handler can only say so by an error. */
export const wholeBatchAgain =
  ({ asksForAll, identifierOf }: SourceShape, batch: readonly Truth[]) =>
  (thrown: unknown): BatchResponse => {
    if (!asksForAll(thrown)) throw thrown;
    return { batchItemFailures: batch.map((truth) => ({ itemIdentifier: identifierOf(truth) })) };
  };

export const sourceModel = (random: Random, shape: SourceShape, simulated: Case): SourceModel =>
  shape.ordered ? new OrderedSource(random, shape, simulated) : new Queue(random, shape, simulated);

/** Draws how many records a batch has, if there are that many. */
const drawLength = (random: Random, { records }: SourceShape): number =>
  Math.min(records, random.whole(1, random.pick([1, 4, 12, 40])));

/**
 * Keeps batches that were delivered, to deliver them once more. A queue delivers a message only as often as
 * it may fail.
 */
class Deliveries {
  readonly #random: Random;
  readonly #receives: number;
  readonly #batches: (readonly Truth[])[] = [];
  readonly #received = new Map<Truth, number>();
  readonly #gone = new Set<Truth>();
  #dead: Truth[] = [];

  constructor(random: Random, { receives }: SourceShape) {
    this.#random = random;
    this.#receives = receives;
  }

  add(batch: readonly Truth[]): void {
    this.#batches.push(batch);
    for (const truth of batch) this.#received.set(truth, (this.#received.get(truth) ?? 0) + 1);
  }

  /** Returns a batch, mostly one of the last two, which it then races. Some batches are cut. */
  again(): readonly Truth[] | undefined {
    if (this.#batches.length === 0) return undefined;
    const old = this.#random.chance(0.3);
    const whole = this.#random
      .pick(old ? this.#batches : this.#batches.slice(-2))
      .filter((truth) => !this.#gone.has(truth));
    if (whole.length === 0) return undefined;
    return this.#random.chance(0.5) ? whole : whole.slice(0, this.#random.whole(1, whole.length));
  }

  /** Moves those of the failed records to the dead-letter queue that failed too often, and returns them. */
  bury(failed: ReadonlySet<Truth>): ReadonlySet<Truth> {
    const dead = [...failed].filter((truth) => (this.#received.get(truth) ?? 0) >= this.#receives);
    for (const truth of dead) this.#gone.add(truth);
    this.#dead.push(...dead);
    return new Set(dead);
  }

  /** Delivers dead records anew. */
  takeBack(dead: readonly Truth[]): void {
    for (const truth of dead) {
      this.#gone.delete(truth);
      this.#received.delete(truth);
    }
  }

  /** Delivers the records no more. */
  drop(truths: ReadonlySet<Truth>): void {
    for (const truth of truths) this.#gone.add(truth);
  }

  get hasDead(): boolean {
    return this.#dead.length > 0;
  }

  unbury(): readonly Truth[] {
    return this.#dead.splice(0);
  }
}

/** For how long a stream has a record. */
const KEPT = millis('1d');

/** One lineage as its mapping sees it. */
interface Lane extends Lineage {
  truths: readonly Truth[];
  /** How many of the truths the source holds. */
  arrived: number;
  /** Those of the arrived truths that are not done, in order. */
  waiting: readonly Truth[];
  busy: boolean;
}

/** A stream, a topic or a FIFO queue: each lineage in order, with one batch of it in flight. */
class OrderedSource implements SourceModel {
  readonly #random: Random;
  readonly #shape: SourceShape;
  readonly #lanes: readonly Lane[];
  readonly #deliveries: Deliveries;
  /** Whether its mapping gave a batch up. */
  #givesUp = false;
  /** Whether a lineage may be read before the lineages that it continues are done. */
  readonly #early: boolean;
  readonly #resent: Case['resent'];

  constructor(random: Random, shape: SourceShape, { lineages, resent }: Case) {
    this.#random = random;
    this.#shape = shape;
    this.#resent = resent;
    this.#early = random.chance(0.25);
    this.#deliveries = new Deliveries(random, shape);
    this.#lanes = lineages.map((lineage) => ({ ...lineage, arrived: 0, waiting: [], busy: false }));
  }

  put(now: EpochMillis): void {
    for (const lane of this.#lanes) {
      const before = lane.arrived;
      while ((lane.truths[lane.arrived]?.arrival ?? Number.POSITIVE_INFINITY) <= now) lane.arrived++;
      if (lane.arrived > before) lane.waiting = [...lane.waiting, ...lane.truths.slice(before, lane.arrived)];
    }
  }

  nextArrival(): EpochMillis | undefined {
    return earliest(this.#lanes.map(({ truths, arrived }) => truths[arrived]));
  }

  get drained(): boolean {
    return this.#lanes.every(({ waiting }) => waiting.length === 0) && !this.#deliveries.hasDead;
  }

  next(): Delivery | undefined {
    const random = this.#random;
    const ready = random.shuffled(this.#lanes.filter((lane) => this.#isReady(lane)));
    if (ready.length === 0) return undefined;
    const lanes = ready.slice(0, random.whole(1, Math.min(this.#shape.lineages, ready.length)));
    let room = Math.max(lanes.length, drawLength(random, this.#shape));
    const batch = lanes.flatMap((lane, at) => {
      const others = lanes.length - 1 - at;
      const most = Math.min(lane.waiting.length, room - others);
      const cut = lane.waiting.slice(0, others === 0 ? most : random.whole(1, most));
      room -= cut.length;
      return cut;
    });
    for (const lane of lanes) lane.busy = true;
    this.#deliveries.add(batch);
    return {
      batch,
      event: this.#shape.eventOf(batch),
      settle: (back, givesUp) => {
        const dead = givesUp ? back : this.#deliveries.bury(back);
        if (givesUp) this.#deliveries.drop(back);
        this.#givesUp ||= givesUp;
        const over = new Set(batch.filter((truth) => !back.has(truth) || dead.has(truth)));
        for (const lane of lanes) {
          lane.busy = false;
          lane.waiting = lane.waiting.filter((truth) => !over.has(truth));
        }
        return dead;
      },
    };
  }

  again(): Delivery | undefined {
    const batch = this.#deliveries.again();
    return batch && { batch, event: this.#shape.eventOf(batch), settle: () => new Set() };
  }

  redrive(now: EpochMillis): readonly Truth[] {
    return this.#deliveries.unbury().map((truth) => {
      const lane = this.#lanes.find(({ name }) => name === truth.lineage) as Lane;
      const at = lane.truths.filter(({ arrival }) => arrival <= now).length;
      const again = this.#resent(truth, placeAgain(truth, lane.truths[at - 1]?.position), now);
      lane.truths = lane.truths.toSpliced(at, 0, again);
      return again;
    });
  }

  async frontier(now: EpochMillis, progress: Progress): Promise<EpochMillis> {
    const firsts: (Truth | undefined)[] = [];
    // Where a batch was given up its end may never be noted. What is not noted is read until the stream drops it.
    const isGone = (truth: Truth) => this.#givesUp && truth.arrival + KEPT < now;
    for (const { name, truths, arrived, waiting } of this.#lanes) {
      const noted = this.#shape.notes ? await progress.read(name) : undefined;
      const from = truths.findIndex(
        (truth) =>
          (noted === undefined || isAfter(truth.position, noted)) &&
          (!isGone(truth) || waiting.includes(truth)),
      );
      firsts.push(this.#shape.notes ? (from < 0 || from >= arrived ? undefined : truths[from]) : waiting[0]);
    }
    return Math.min(now, earliest(firsts) ?? now) as EpochMillis;
  }

  #isReady({ waiting, busy, parents }: Lane): boolean {
    if (busy || waiting.length === 0) return false;
    return this.#early || parents.every((at) => isOver(this.#lanes[at] as Lane));
  }
}

const isOver = ({ truths, arrived, waiting }: Lane): boolean =>
  arrived === truths.length && waiting.length === 0;

const earliest = (truths: readonly (Truth | undefined)[]): EpochMillis | undefined => {
  const arrivals = truths.flatMap((truth) => (truth === undefined ? [] : [truth.arrival]));
  return arrivals.length === 0 ? undefined : (Math.min(...arrivals) as EpochMillis);
};

/**
 * A standard queue: messages in any order, several batches in flight, and a dead-letter queue for messages
 * that fail too often.
 */
class Queue implements SourceModel {
  readonly #random: Random;
  readonly #shape: SourceShape;
  readonly #deliveries: Deliveries;
  readonly #resent: Case['resent'];
  #coming: readonly Truth[];
  #arrived = 0;
  #visible: Truth[] = [];
  readonly #inFlight = new Set<Truth>();

  constructor(random: Random, shape: SourceShape, { lineages, resent }: Case) {
    this.#random = random;
    this.#shape = shape;
    this.#resent = resent;
    this.#deliveries = new Deliveries(random, shape);
    this.#coming = lineages.flatMap(({ truths }) => truths).sort((a, b) => a.arrival - b.arrival);
  }

  put(now: EpochMillis): void {
    for (;;) {
      const next = this.#coming[this.#arrived];
      if (next === undefined || next.arrival > now) break;
      this.#visible.push(next);
      this.#arrived++;
    }
  }

  nextArrival(): EpochMillis | undefined {
    return this.#coming[this.#arrived]?.arrival;
  }

  get drained(): boolean {
    return this.#visible.length + this.#inFlight.size === 0 && !this.#deliveries.hasDead;
  }

  next(): Delivery | undefined {
    if (this.#visible.length === 0) return undefined;
    const mixed = this.#random.chance(0.5) ? this.#random.shuffled(this.#visible) : this.#visible;
    const batch = mixed.slice(0, drawLength(this.#random, this.#shape));
    const taken = new Set(batch);
    this.#visible = this.#visible.filter((truth) => !taken.has(truth));
    for (const truth of batch) this.#inFlight.add(truth);
    this.#deliveries.add(batch);
    return {
      batch,
      event: this.#shape.eventOf(batch),
      settle: (back) => {
        const dead = this.#deliveries.bury(back);
        for (const truth of batch) {
          this.#inFlight.delete(truth);
          if (back.has(truth) && !dead.has(truth)) this.#visible.push(truth);
        }
        return dead;
      },
    };
  }

  /** Delivers at least once, so that some messages come twice in one batch. */
  again(): Delivery | undefined {
    const whole = this.#deliveries.again();
    if (whole === undefined) return undefined;
    const batch = this.#random.chance(0.2) ? [...whole, this.#random.pick(whole)] : whole;
    return { batch, event: this.#shape.eventOf(batch), settle: () => new Set() };
  }

  redrive(now: EpochMillis): readonly Truth[] {
    const dead = this.#deliveries.unbury();
    if (this.#shape.keepsIds) {
      this.#deliveries.takeBack(dead);
      this.#visible.push(...dead);
      return dead;
    }
    const again = dead.map((truth) => this.#resent(truth, placeAgain(truth, undefined), now));
    const at = this.#coming.filter(({ arrival }) => arrival <= now).length;
    this.#coming = this.#coming.toSpliced(at, 0, ...again);
    return again;
  }

  async frontier(now: EpochMillis): Promise<EpochMillis> {
    const waiting = [...this.#visible, ...this.#inFlight];
    return Math.min(now, earliest(waiting) ?? now) as EpochMillis;
  }
}
