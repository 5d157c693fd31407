import type { PartAggregate, Parts } from '../../src/core/aggregate.ts';
import { cloneOf, type Plain } from '../../src/core/plain.ts';
import type { EpochMillis } from '../../src/core/time.ts';

/** The records of these tests: one value each. */
export interface Rec {
  readonly number: number;
  readonly value: Plain;
}

/** An aggregate of one input, as its window uses it: times do not matter to it. */
export interface Sketching<Result = Plain> {
  readonly signature: string;
  readonly identity: Plain;
  readonly lift: (value: Plain) => Plain;
  readonly add: (partial: Plain, value: Plain) => Plain;
  readonly combine: (earlier: Plain, later: Plain) => Plain;
  readonly lower: (partial: Plain) => Result;
}

export function sketching<Result>(aggregate: PartAggregate<Rec, Result>): Sketching<Result> {
  return sketchingPairs(aggregate, (value) => [value, null]);
}

/** An aggregate of two inputs, each of whose values is a pair. */
export const sketchingWeighed = <Result>(aggregate: PartAggregate<Rec, Result>): Sketching<Result> =>
  sketchingPairs(aggregate, (pair) => pair as [Plain, number]);

function sketchingPairs<Result>(
  aggregate: PartAggregate<Rec, Result>,
  inputs: (value: Plain) => readonly [Plain, Plain],
): Sketching<Result> {
  const parts = aggregate.parts as Required<Parts>;
  const at = 0 as EpochMillis;
  return {
    signature: aggregate.signature,
    identity: parts.identity,
    lift: (value) => parts.lift(...inputs(value), at),
    add: (partial, value) => parts.add(partial, ...inputs(value), at),
    combine: (earlier, later) => parts.combine(earlier, later),
    lower: (partial) => aggregate.lower(partial),
  };
}

/** All values in one part, one after the other. */
export function added({ identity, add }: Sketching<unknown>, values: ArrayLike<Plain>): Plain {
  let partial = cloneOf(identity);
  for (let at = 0; at < values.length; at++) partial = add(partial, values[at] as Plain);
  return partial;
}

/** As many parts as told, each of neighbours; then neighbours combined in pairs, until there is one. */
export function merged(sketch: Sketching<unknown>, values: readonly Plain[], parts: number): Plain {
  const size = Math.ceil(values.length / parts);
  let level = Array.from({ length: parts }, (_, at) =>
    added(sketch, values.slice(at * size, (at + 1) * size)),
  );
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, at) =>
      level.slice(2 * at, 2 * at + 2).reduce(sketch.combine),
    );
  }
  return level[0] as Plain;
}

/** Parts that end where `cuts` tell, combined from the left or from the right. */
export function cut(
  sketch: Sketching<unknown>,
  values: readonly Plain[],
  cuts: readonly number[],
  from: 'left' | 'right',
): Plain {
  const ends = cuts.map((one) => one % (values.length + 1)).sort((a, b) => a - b);
  const parts = [...ends, values.length].map((end, at) =>
    added(sketch, values.slice(at === 0 ? 0 : ends[at - 1], end)),
  );
  return from === 'left'
    ? parts.reduce((all, part) => sketch.combine(all, part))
    : parts.reduceRight((all, part) => sketch.combine(part, all));
}
