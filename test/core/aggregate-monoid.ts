import type {
  Aggregate,
  CellAggregate,
  DerivedAggregate,
  PartAggregate,
  Parts,
} from '../../src/core/aggregate.ts';
import { cloneOf, type Plain } from '../../src/core/plain.ts';
import { zeros } from '../../src/core/table.ts';
import type { EpochMillis } from '../../src/core/time.ts';

/** One record as an aggregate takes it in: its inputs and its event time. */
export interface Taken {
  readonly x: Plain;
  readonly y: Plain;
  readonly time: EpochMillis;
}

/** Any aggregate, its partials plain values that nothing changes. */
export interface Monoid {
  readonly identity: Plain;
  lift(record: Taken): Plain;
  combine(earlier: Plain, later: Plain): Plain;
  /** The partial with records added to it, one after another. */
  add(partial: Plain, records: readonly Taken[]): Plain;
  lower(partial: Plain): Plain;
}

export type AnyAggregate = Aggregate<never, Plain>;

export function monoidOf(aggregate: AnyAggregate): Monoid {
  if ('cells' in aggregate) return ofCells(aggregate);
  return 'parts' in aggregate ? ofParts(aggregate) : ofOthers(aggregate);
}

function ofCells({ cells, lower }: CellAggregate<never, Plain>): Monoid {
  const write = (fill: (to: number[]) => void, from?: Plain): Plain => {
    const to = from === undefined ? zeros(cells.width) : [...(from as readonly number[])];
    fill(to);
    return to;
  };
  const identity = write((to) => cells.clear(to, 0));
  const add = (partial: Plain, records: readonly Taken[]): Plain =>
    write((to) => {
      for (const { x, y, time } of records) cells.add(to, 0, (x ?? 0) as number, (y ?? 0) as number, time);
    }, partial);
  return {
    identity,
    add,
    lift: (record) => add(identity, [record]),
    combine: (earlier, later) =>
      write((to) => cells.join(to, 0, [...(later as readonly number[])], 0), earlier),
    lower: (partial) => lower([...(partial as readonly number[])], 0),
  };
}

function ofParts({ parts, lower }: PartAggregate<never, Plain>): Monoid {
  const { identity, lift, combine, add } = bound(parts);
  return {
    identity,
    lift: ({ x, y, time }) => lift(x, y, time),
    combine,
    add: (partial, records) =>
      records.reduce(
        (own, { x, y, time }) => (add === undefined ? combine(own, lift(x, y, time)) : add(own, x, y, time)),
        cloneOf(partial),
      ),
    lower,
  };
}

const bound = (parts: Parts) => ({
  identity: parts.identity,
  lift: parts.lift.bind(parts),
  combine: parts.combine.bind(parts),
  add: parts.add?.bind(parts),
});

function ofOthers({ of, derive }: DerivedAggregate<never, Plain>): Monoid {
  const monoids = Object.entries(of).map(([name, one]) => [name, monoidOf(one)] as const);
  const each = (make: (monoid: Monoid, at: number) => Plain): Plain[] =>
    monoids.map(([, monoid], at) => make(monoid, at));
  const at = (partial: Plain, place: number): Plain => (partial as readonly Plain[])[place] as Plain;
  return {
    identity: each(({ identity }) => identity),
    lift: (record) => each(({ lift }) => lift(record)),
    combine: (earlier, later) => each(({ combine }, place) => combine(at(earlier, place), at(later, place))),
    add: (partial, records) => each(({ add }, place) => add(at(partial, place), records)),
    lower: (partial) =>
      derive(
        Object.fromEntries(monoids.map(([name, { lower }], place) => [name, lower(at(partial, place))])),
      ),
  };
}

/** How records may be combined: the windows do all of these. */
export const BRACKETINGS: {
  readonly [how: string]: (monoid: Monoid, records: readonly Taken[]) => Plain;
} = {
  'one after another': (monoid, records) => monoid.add(monoid.identity, records),
  'in halves': halves,
  'in runs of seven': (monoid, records) =>
    Array.from({ length: Math.ceil(records.length / 7) }, (_, run) =>
      monoid.add(monoid.identity, records.slice(7 * run, 7 * run + 7)),
    ).reduce(monoid.combine, monoid.identity),
  'from the last to the first': (monoid, records) =>
    records.reduceRight((later, record) => monoid.combine(monoid.lift(record), later), monoid.identity),
};

function halves(monoid: Monoid, records: readonly Taken[]): Plain {
  if (records.length <= 1) return monoid.add(monoid.identity, records);
  const middle = records.length >> 1;
  return monoid.combine(halves(monoid, records.slice(0, middle)), halves(monoid, records.slice(middle)));
}
