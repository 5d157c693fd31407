import fc from 'fast-check';
import { expect } from 'vitest';
import type { Plain } from '../../src/core/plain.ts';

/** Where whole numbers change how they are written, and where doubles stop being whole numbers. */
export const EDGES: readonly number[] = [
  0,
  -0,
  1,
  -1,
  -64,
  -65,
  127,
  128,
  191,
  192,
  255,
  256,
  16_383,
  16_384,
  2 ** 31,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  2 ** 53,
  -(2 ** 53),
  2 ** 53 + 2,
  2 ** 63,
  0.5,
  0.1,
  Number.MIN_VALUE,
  -Number.MIN_VALUE,
  2 ** -1_022 - Number.MIN_VALUE,
  Number.EPSILON,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];

/** Names and texts that have tripped other formats. */
const ODD_TEXTS: readonly string[] = [
  '',
  '__proto__',
  'constructor',
  'toString',
  '0',
  '-1',
  '\0',
  '\ufeff',
  '\u{1f600}',
];

/** Any number: doubles, whole numbers, and every edge. */
const number: fc.Arbitrary<number> = fc.oneof(
  fc.double(),
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  fc.constantFrom(...EDGES),
);

/** Any well-formed text. */
const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ maxLength: 3 }),
  fc.constantFrom(...ODD_TEXTS),
);

/** Any plain data. */
export const plain: fc.Arbitrary<Plain> = fc.letrec<{ plain: Plain }>((tie) => ({
  plain: fc.oneof(
    { maxDepth: 6, depthSize: 'medium' },
    fc.constant(null),
    fc.boolean(),
    number,
    text,
    fc.array(tie('plain'), { maxLength: 6 }),
    fc.array(fc.tuple(text, tie('plain')), { maxLength: 6 }).map((entries) => Object.fromEntries(entries)),
  ),
})).plain;

/** A value inside `depth` lists, or inside `depth` maps. */
export function nested(depth: number, within: 'lists' | 'maps', value: Plain = null): Plain {
  let outer = value;
  for (let level = 0; level < depth; level++) outer = within === 'lists' ? [outer] : { a: outer };
  return outer;
}

/** Whether two values are the same to the bit: the sign of a zero, the names' order, whose names they are. */
export function identical(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  const names = Reflect.ownKeys(a);
  const others = Reflect.ownKeys(b);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    names.length === others.length &&
    names.every(
      (name, at) => name === others[at] && identical((a as Bag)[name as string], (b as Bag)[name as string]),
    )
  );
}

/** Fails, showing both, unless they are the same to the bit. */
export function expectIdentical(actual: unknown, expected: unknown): void {
  if (identical(actual, expected)) return;
  expect(actual).toStrictEqual(expected);
  throw new Error('Expected the same to the bit: the order of names or a prototype differs');
}

type Bag = { readonly [name: string]: unknown };

/** Freezes a value and all that it holds, so that writing to any of it throws. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
