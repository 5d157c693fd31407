import type { Plain } from '../plain.ts';
import { after, before, type EpochMillis, floorTo, type Millis } from '../time.ts';
import {
  type Aggregates,
  type Emission,
  Lanes,
  type TimedValues,
  type WindowOperator,
  type WindowState,
} from '../window.ts';

export interface SlidingSettings {
  readonly size: Millis;
  /** At most `size`, so that every record is in a window; equal to it, windows tumble. */
  readonly slide: Millis;
  readonly offset: Millis;
  readonly allowedLateness: Millis;
}

/**
 * Windows `[offset + k·slide, offset + k·slide + size)` by event time, emitted when the watermark reaches their end
 * and once more for each record that comes late for them.
 *
 * Kept as slices, stretches of gcd(size, slide) that no window edge cuts: each record is lifted into one slice, and
 * a closing window combines its slices from the earliest on, so the result is a function of the records' own order.
 * Traub et al., "Efficient Window Aggregation with General Stream Slicing", EDBT 2019.
 */
export function slidingOperator<Rec>(
  settings: SlidingSettings,
  aggregates: Aggregates<Rec>,
): WindowOperator<Rec> {
  const lanes = new Lanes(aggregates);
  const { size, slide, offset, allowedLateness } = settings;
  return {
    signature: `sliding(${size},${slide},${offset},${allowedLateness}){${lanes.signature}}`,
    ordered: false,
    select: (record) => lanes.select(record),
    thaw: (stored) => new SlidingState(settings, lanes, stored as StoredSliding | null),
  };
}

/** Slices by start, and the last revision of closed windows that a late record may still correct. */
type StoredSliding = readonly [
  slices: readonly (readonly [start: EpochMillis, count: number, ...partials: Plain[]])[],
  revisions: readonly (readonly [start: EpochMillis, revision: number])[],
];

interface Slice {
  readonly start: EpochMillis;
  count: number;
  partials: readonly Plain[];
}

class SlidingState<Rec> implements WindowState {
  readonly #settings: SlidingSettings;
  readonly #lanes: Lanes<Rec>;
  readonly #sliceLength: Millis;
  /** By start. */
  #slices: Slice[];
  /** By window start. */
  readonly #revisions: Map<EpochMillis, number>;

  constructor(settings: SlidingSettings, lanes: Lanes<Rec>, stored: StoredSliding | null) {
    const [slices, revisions] = stored ?? [[], []];
    this.#settings = settings;
    this.#lanes = lanes;
    this.#sliceLength = greatestCommonDivisor(settings.size, settings.slide);
    this.#slices = slices.map(([start, count, ...partials]) => ({ start, count, partials }));
    this.#revisions = new Map(revisions);
  }

  apply(
    record: TimedValues,
    watermark: EpochMillis | undefined,
    emit: (emission: Emission) => void,
  ): 'applied' | 'late' {
    const corrected: EpochMillis[] = [];
    let accepted = false;
    for (
      let start = this.#firstStart(record.at);
      start <= record.at;
      start = after(start, this.#settings.slide)
    ) {
      if (this.#expired(start, watermark)) continue;
      accepted = true;
      if (this.#closed(start, watermark)) corrected.push(start);
    }
    if (!accepted) return 'late';
    this.#add(record);
    for (const start of corrected) this.#emit('late', start, emit);
    return 'applied';
  }

  advance(from: EpochMillis, to: EpochMillis, emit: (emission: Emission) => void): void {
    for (const start of this.#startsHoldingRecords()) {
      if (!this.#closed(start, to)) break;
      if (!this.#closed(start, from)) this.#emit('final', start, emit);
    }
    this.#forget(to);
  }

  open(watermark: EpochMillis): number {
    return this.#startsHoldingRecords().filter((start) => !this.#closed(start, watermark)).length;
  }

  freeze(): StoredSliding | null {
    if (this.#slices.length === 0) return null;
    return [
      this.#slices.map(({ start, count, partials }) => [start, count, ...partials] as const),
      [...this.#revisions],
    ];
  }

  #add(record: TimedValues): void {
    const start = floorTo(record.at, this.#sliceLength, this.#settings.offset);
    const partials = this.#lanes.lift(record);
    const place = this.#slices.findLastIndex((slice) => slice.start <= start);
    const slice = this.#slices[place];
    if (slice?.start === start) {
      slice.count += 1;
      slice.partials = this.#lanes.combine(slice.partials, partials);
    } else {
      this.#slices.splice(place + 1, 0, { start, count: 1, partials });
    }
  }

  #emit(kind: 'final' | 'late', start: EpochMillis, emit: (emission: Emission) => void): void {
    const end = this.#endOf(start);
    const slices = this.#slices.filter((slice) => slice.start >= start && slice.start < end);
    const revision = (this.#revisions.get(start) ?? -1) + 1;
    const revisable = this.#settings.allowedLateness > 0;
    if (revisable) this.#revisions.set(start, revision);
    emit({
      kind,
      start,
      end,
      revision,
      revisable,
      count: slices.reduce((total, slice) => total + slice.count, 0),
      results: this.#lanes.lower(
        slices.map(({ partials }) => partials).reduce((a, b) => this.#lanes.combine(a, b)),
      ),
    });
  }

  /** Drops the slices and revisions of windows that no record may correct any more. */
  #forget(watermark: EpochMillis): void {
    this.#slices = this.#slices.filter(({ start }) => !this.#expired(this.#lastStart(start), watermark));
    for (const start of this.#revisions.keys())
      if (this.#expired(start, watermark)) this.#revisions.delete(start);
  }

  #startsHoldingRecords(): EpochMillis[] {
    const starts: EpochMillis[] = [];
    for (const slice of this.#slices) {
      let start = this.#firstStart(slice.start);
      const latest = starts.at(-1);
      if (latest !== undefined && start <= latest) start = after(latest, this.#settings.slide);
      for (; start <= slice.start; start = after(start, this.#settings.slide)) starts.push(start);
    }
    return starts;
  }

  /** The start of the earliest, and of the latest, window that holds an instant. */
  #firstStart(at: EpochMillis): EpochMillis {
    return after(this.#lastStart(before(at, this.#settings.size)), this.#settings.slide);
  }
  #lastStart(at: EpochMillis): EpochMillis {
    return floorTo(at, this.#settings.slide, this.#settings.offset);
  }

  #endOf(start: EpochMillis): EpochMillis {
    return after(start, this.#settings.size);
  }
  #closed(start: EpochMillis, watermark: EpochMillis | undefined): boolean {
    return watermark !== undefined && this.#endOf(start) <= watermark;
  }
  #expired(start: EpochMillis, watermark: EpochMillis | undefined): boolean {
    return watermark !== undefined && after(this.#endOf(start), this.#settings.allowedLateness) <= watermark;
  }
}

const greatestCommonDivisor = (a: Millis, b: Millis): Millis =>
  b === 0 ? a : greatestCommonDivisor(b, (a % b) as Millis);
