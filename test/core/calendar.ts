/** Zones whose clocks change by an hour, by half an hour, at another time of the year, and never by whole hours from UTC. */
export const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'] as const;

const MINUTE = 60_000;
const DAY = 86_400_000;
const FROM = Date.UTC(2022, 0, 1);
const UNTIL = Date.UTC(2034, 0, 1);

/** From `since` on, the clocks of a zone show UTC and `offset`. */
export interface Shift {
  readonly since: number;
  readonly offset: number;
}

const known = new Map<string, readonly Shift[]>();

/** The clocks of a zone from 2022 to 2033: a day by day look at what Intl shows, and then by halves to the minute. */
export function shiftsOf(zone: string): readonly Shift[] {
  const found = known.get(zone) ?? lookedUp(zone);
  known.set(zone, found);
  return found;
}

function lookedUp(zone: string): Shift[] {
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  const offsetAt = (at: number): number => {
    const shown = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = shown;
    return Date.UTC(year, month - 1, day, hour, minute) - at;
  };
  const shifts = [{ since: Number.NEGATIVE_INFINITY, offset: offsetAt(FROM) }];
  for (let day = FROM; day < UNTIL; day += DAY) {
    const [before, after] = [offsetAt(day), offsetAt(day + DAY)];
    if (before === after) continue;
    let [last, since] = [day, day + DAY];
    while (since - last > MINUTE) {
      const middle = last + Math.floor((since - last) / 2 / MINUTE) * MINUTE;
      if (offsetAt(middle) === before) last = middle;
      else since = middle;
    }
    shifts.push({ since, offset: after });
  }
  return shifts;
}

/** Every edge of a window here, and every change of clocks, is a whole number of these. */
const STEP = 15 * MINUTE;
/** How far back a key may look from its first record on. */
const BACK = 20 * DAY;

/**
 * The windows that are `size` long on the clocks of a zone, found by watching the clock: it starts a window when it first
 * reads, or has gone past, a whole number of sizes after `offset`. Put back by a size or more, it begins anew; put back by
 * less, it starts none until it reads what it has not read before.
 */
export class LocalWindows {
  readonly #shifts: readonly Shift[];
  readonly #size: number;
  readonly #offset: number;
  #starts: number[] = [];
  #at = 0;
  /** How many changes of clocks there were by then. */
  #shift = 0;
  /** The latest reading so far. */
  #read = 0;

  constructor(zone: string, size: number, offset: number) {
    this.#shifts = shiftsOf(zone);
    this.#size = size;
    this.#offset = offset;
  }

  holding(at: number): { readonly start: number; readonly end: number } {
    if (this.#starts[0] === undefined || at < this.#starts[0]) this.#begin(at);
    while ((this.#starts.at(-1) as number) <= at) this.#watch();
    const place = this.#starts.findLastIndex((start) => start <= at);
    return { start: this.#starts[place] as number, end: this.#starts[place + 1] as number };
  }

  /** Begins long before an instant, and not within a day after a change. */
  #begin(at: number): void {
    let from = Math.floor((at - BACK) / STEP) * STEP;
    while (this.#shifts.some(({ since }) => from - DAY <= since && since <= from)) from -= DAY;
    this.#at = from;
    this.#shift = this.#shifts.findLastIndex(({ since }) => since <= from);
    this.#read = this.#reading();
    this.#starts = [];
    while (this.#starts.length === 0) this.#watch();
  }

  #watch(): void {
    const expected = this.#reading() + STEP;
    this.#at += STEP;
    if (this.#at === this.#shifts[this.#shift + 1]?.since) this.#shift++;
    const reads = this.#reading();
    if (expected - reads >= this.#size) this.#read = reads - STEP;
    if (this.#windowAt(reads) > this.#windowAt(this.#read)) this.#starts.push(this.#at);
    this.#read = Math.max(this.#read, reads);
  }

  /** What the clocks show, as if they showed UTC. */
  #reading(): number {
    return this.#at + (this.#shifts[this.#shift] as Shift).offset;
  }

  #windowAt(reading: number): number {
    return Math.floor((reading - this.#offset) / this.#size);
  }
}
