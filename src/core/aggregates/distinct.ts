import type { PartAggregate, Parts } from '../aggregate.ts';
import { Hasher } from '../hash.ts';
import { optionsOf } from '../options.ts';
import type { Plain } from '../plain.ts';
import {
  type Allowed,
  nameOf,
  type PlainInvalid,
  plainInput,
  type ValueOptions,
  type ValuePath,
} from '../select.ts';
import { lowerBound } from './sorted.ts';

/**
 * Counts the different values; it is 0 when there is no record. A text, a number and any other value are
 * never equal to each other. Two objects are equal if their fields are.
 *
 * Up to 256 different values the count is exact, but for a chance below 1 in 100,000 that two of them share a
 * hash. Beyond, it is an estimate without bias, whose standard error is 1.04/√2,048 = 2.3 %: 19 in 20
 * estimates are within 4.6 %, and 1 in 370 is off by over 6.9 %. As the hash is no secret, someone can make
 * up values that mislead it.
 *
 * The result is the same to the bit however the records are cut into parts. A different value costs about 3.5
 * bytes, up to 0.9 KB; beyond 256 values there are 2,048 registers instead, of 0.8 to 1.1 KB in all. A record
 * takes about 40 ns; a new value takes about 100 ns up to the 256th.
 *
 * HyperLogLog: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
 * estimation algorithm", 2007. The estimator: Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches", 2017.
 *
 * @throws TypeError for an unknown option
 *
 * @example
 * ```ts
 * distinct('state') // of 'idle', 'busy', 'idle': 2
 * ```
 */
export function distinct<Rec, On extends PlainInvalid = 'poison'>(
  select: `${ValuePath<NoInfer<Rec>, NoInfer<On>>}` | ((record: NoInfer<Rec>) => Allowed<Plain, NoInfer<On>>),
  options: ValueOptions<On> = {},
): PartAggregate<Rec, number> {
  const { invalid } = optionsOf('distinct', options);
  return {
    signature: `distinct(${nameOf(select, invalid)})`,
    inputs: [plainInput<Rec>(select, invalid)],
    parts: HYPER_LOG_LOG,
    lower: estimate,
  };
}

/** Either the entries in ascending order, or the registers, which are more than the entries ever are. */
type Sketch = readonly number[];

const MAX_ENTRIES = 256;
const REGISTER_BITS = 11;
const REGISTERS = 2 ** REGISTER_BITS;
/** The number of those of a hash's first 32 bits that do not choose the register. */
const RANK_BITS = 32 - REGISTER_BITS;
/** The greatest rank, of a hash whose other 53 bits of the first 64 are all zero. */
const MAX_RANK = RANK_BITS + 32 + 1;

class HyperLogLog implements Parts<Sketch, Plain> {
  readonly identity = [];
  readonly #hasher = new Hasher();

  lift(x: Plain): Sketch {
    return [this.#entryOf(x)];
  }

  add(partial: number[], x: Plain): Sketch {
    // The identity has to stay empty, as every empty partial shares it.
    if (partial.length === 0) return this.lift(x);
    const entry = this.#entryOf(x);
    if (partial.length === REGISTERS) {
      raise(partial, entry);
      return partial;
    }
    const at = lowerBound(partial, entry);
    if (partial[at] === entry) return partial;
    if (at === partial.length) partial.push(entry);
    else partial.splice(at, 0, entry);
    return partial.length > MAX_ENTRIES ? registersOf(partial) : partial;
  }

  combine(earlier: Sketch, later: Sketch): Sketch {
    if (earlier.length === 0) return later;
    if (later.length === 0) return earlier;
    if (earlier.length === REGISTERS) return withAll(earlier, later);
    if (later.length === REGISTERS) return withAll(later, earlier);
    const entries = union(earlier, later);
    return entries.length > MAX_ENTRIES ? registersOf(entries) : entries;
  }

  /**
   * Returns what the sketch keeps of a hash: its first 32 bits, of which the upper 11 choose a register.
   * Where the other 21 are zero, it adds 2^32 times the rank of the next 32, so that the entry tells the rank
   * of all 53.
   */
  #entryOf(x: Plain): number {
    this.#hasher.value(x);
    const first = (this.#hasher.lanes[0] as number) >>> 0;
    if (first << REGISTER_BITS !== 0) return first;
    return first + (Math.clz32(this.#hasher.lanes[1] as number) + 1) * 2 ** 32;
  }
}

const HYPER_LOG_LOG = new HyperLogLog();

/**
 * Raises a register to the rank of an entry if that is greater. A rank is the place, from 1, of the first 1
 * among the bits that do not choose the register.
 */
function raise(registers: number[], entry: number): void {
  const rest = entry << REGISTER_BITS;
  const rank = rest === 0 ? RANK_BITS + Math.floor(entry / 2 ** 32) : Math.clz32(rest) + 1;
  const register = (entry >>> RANK_BITS) % REGISTERS;
  if (rank > (registers[register] as number)) registers[register] = rank;
}

function registersOf(entries: Sketch): number[] {
  const registers = new Array<number>(REGISTERS).fill(0);
  for (const entry of entries) raise(registers, entry);
  return registers;
}

/** Returns registers that have taken in the entries, or the registers, of another sketch. */
function withAll(registers: Sketch, other: Sketch): Sketch {
  const raised = [...registers];
  if (other.length === REGISTERS) {
    for (let at = 0; at < REGISTERS; at++) {
      raised[at] = Math.max(raised[at] as number, other[at] as number);
    }
  } else {
    for (const entry of other) raise(raised, entry);
  }
  return raised;
}

function union(a: Sketch, b: Sketch): Sketch {
  const entries: number[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const entryA = a[i] ?? Number.POSITIVE_INFINITY;
    const entryB = b[j] ?? Number.POSITIVE_INFINITY;
    entries.push(Math.min(entryA, entryB));
    if (entryA <= entryB) i++;
    if (entryB <= entryA) j++;
  }
  return entries;
}

/**
 * Ertl's improved raw estimator, without its term for registers of the greatest rank: no register reaches
 * that rank until there are about 2^60 values.
 */
function estimate(sketch: Sketch): number {
  if (sketch.length < REGISTERS) return sketch.length;
  const ofRank = new Array<number>(MAX_RANK + 1).fill(0);
  for (const rank of sketch) ofRank[rank] = (ofRank[rank] as number) + 1;
  let sum = 0;
  for (let rank = MAX_RANK; rank > 0; rank--) sum = (sum + (ofRank[rank] as number)) / 2;
  sum += REGISTERS * sigma((ofRank[0] as number) / REGISTERS);
  return Math.round((HALF_OVER_LN_2 * REGISTERS * REGISTERS) / sum);
}

/** 1 / (2·ln 2), as a literal because logarithms may differ in the last bit between machines. */
const HALF_OVER_LN_2 = 0.721_347_520_444_481_7;

/** Returns x + Σ x^(2^k)·2^(k−1) for k from 1, with 0 ≤ x < 1. */
function sigma(x: number): number {
  let sum = x;
  let power = x * x;
  for (let scale = 1; power * scale > sum * Number.EPSILON; scale *= 2, power *= power) sum += power * scale;
  return sum;
}
