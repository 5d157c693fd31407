import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Plain } from '../../src/core/plain.ts';
import {
  Inputs,
  type Invalid,
  isPlain,
  nameOf,
  numberInput,
  plainInput,
  SelectError,
} from '../../src/core/select.ts';
import { nested, plain } from './plain.ts';

type Select = string | ((record: never) => unknown);

function numberOf(record: unknown, select: Select, invalid?: Invalid): Plain | undefined {
  const inputs = new Inputs<unknown>();
  inputs.column(numberInput(select, invalid));
  return inputs.read(record)[0];
}
function plainOf(record: unknown, select: Select, invalid?: Invalid): Plain | undefined {
  const inputs = new Inputs<unknown>();
  inputs.column(plainInput(select, invalid));
  return inputs.read(record)[0];
}

const record = {
  celsius: 21.5,
  engine: { temperature: 90, maker: { name: 'Stephenson', address: { town: 'Wylam' } } },
  'engine.hours': 7,
  'engine.temperature.least': 3,
  missing: null,
  list: [1, 2],
};

describe('a selector reads', () => {
  it.each([
    ['celsius', 21.5],
    ['engine.temperature', 90],
    ['engine.hours', 7],
    ['engine.temperature.least', 3],
    [({ celsius }: typeof record) => celsius * 2, 43],
  ])('a number: %s', (select, value) => {
    expect(numberOf(record, select)).toBe(value);
  });

  it.each([
    ['engine.maker.name', 'Stephenson'],
    ['engine.maker.address.town', 'Wylam'],
    ['engine.maker', { name: 'Stephenson', address: { town: 'Wylam' } }],
    ['missing', null],
    ['list', [1, 2]],
    [({ celsius }: typeof record) => [celsius], [21.5]],
  ])('any plain value: %s', (select, value) => {
    expect(plainOf(record, select)).toEqual(value);
  });

  it('a field whose very name is a path before the path', () => {
    expect(numberOf({ 'a.b': 1, a: { b: 2 } }, 'a.b')).toBe(1);
    expect(numberOf({ a: { b: 2 } }, 'a.b')).toBe(2);
  });

  it('says of which kind each value is', () => {
    const inputs = new Inputs<unknown>();
    for (const input of [plainInput('engine'), numberInput('celsius'), numberInput('engine')])
      inputs.column(input);
    expect(inputs.kinds).toEqual(['plain', 'number', 'number']);
  });

  it('each value once a record, however many aggregates read it', () => {
    let calls = 0;
    const select = () => calls++;
    const inputs = new Inputs<unknown>();
    const columns = [
      numberInput(select),
      numberInput('celsius'),
      numberInput(select),
      numberInput('celsius', 'skip'),
      plainInput('celsius'),
    ].map((input) => inputs.column(input));
    expect(columns).toEqual([0, 1, 0, 2, 3]);
    expect(inputs.read(record)).toEqual([0, 21.5, 21.5, 21.5]);
    expect(calls).toBe(1);
  });
});

describe("an object's own fields are all that a selector reads", () => {
  class Machine {
    get celsius(): number {
      return 21.5;
    }
  }

  it.each([
    ['constructor', {}],
    ['toString', {}],
    ['__proto__', {}],
    ['engine.constructor', { engine: {} }],
    ['constructor.name', {}],
    ['celsius', Object.create({ celsius: 21.5 })],
    ['engine.celsius', { engine: Object.create({ celsius: 21.5 }) }],
    ['celsius', new Machine()],
    ['name.length', { name: 'text' }],
    ['celsius', null],
    ['celsius', undefined],
    ['celsius', 7],
    ['length', 'text'],
    ['length', () => 1],
  ])('%s is not one of %o', (select, from) => {
    const missing = new SelectError(`field "${select}" is undefined, not plain data`);
    expect(() => plainOf(from, select)).toThrow(missing);
  });

  it('a field called like what objects inherit is its own', () => {
    expect(numberOf(JSON.parse('{ "__proto__": 1 }'), '__proto__')).toBe(1);
    expect(numberOf(JSON.parse('{ "a": { "constructor": 1 } }'), 'a.constructor')).toBe(1);
    expect(numberOf(Object.assign(Object.create(null), { celsius: 1 }), 'celsius')).toBe(1);
  });
});

describe('a value that is missing or no finite number', () => {
  const broken = [
    ['undefined', undefined],
    ['null', null],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['string', '21.5'],
    ['boolean', true],
    ['a list', [21.5]],
    ['object', { celsius: 21.5 }],
    ['bigint', 21n],
  ] as const;

  it.each(broken)('makes the record poison unless told: %s', (kind, celsius) => {
    const [ofField, ofFunction] = [
      `field "celsius" is ${kind}, not a finite number`,
      `the selected value is ${kind}, not a finite number`,
    ];
    expect(() => numberOf({ celsius }, 'celsius')).toThrow(new SelectError(ofField));
    expect(() => numberOf({ celsius }, 'celsius', 'poison')).toThrow(new SelectError(ofField));
    expect(() => numberOf({ celsius }, () => celsius)).toThrow(new SelectError(ofFunction));
  });

  it.each(broken)('is passed over when told: %s', (_, celsius) => {
    expect(numberOf({ celsius }, 'celsius', 'skip')).toBeNaN();
  });

  it.each(broken)('is kept as it is, or as NaN, when told: %s', (_, celsius) => {
    expect(numberOf({ celsius }, 'celsius', 'keep')).toBe(typeof celsius === 'number' ? celsius : Number.NaN);
  });

  it('is a promise, whose failure is nobody else’s', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const later = (() => Promise.reject(new Error('no'))) as unknown as () => number;
    expect(() => numberOf({}, later)).toThrow(
      new SelectError('the selected value is a promise, not a finite number'),
    );
    expect(numberOf({}, later, 'skip')).toBeNaN();
    await new Promise(setImmediate);
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('is missing at the end of a path that breaks off', () => {
    for (const from of [{}, { engine: null }, { engine: 7 }, { engine: { maker: 'text' } }]) {
      expect(() => numberOf(from, 'engine.maker.rank')).toThrow(
        new SelectError('field "engine.maker.rank" is undefined, not a finite number'),
      );
      expect(numberOf(from, 'engine.maker.rank', 'skip')).toBeNaN();
    }
  });
});

describe('plain data', () => {
  const odd = [
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    Symbol('a'),
    () => 1,
    new Date(0),
    new Map(),
    [undefined],
    new Array(1),
    Object.assign([1], { more: 2 }),
    { at: new Date(0) },
    'a lone \ud800',
    { '\ud800': 1 },
    nested(25, 'lists'),
    nested(25, 'maps'),
  ];

  it.each(odd.map((value) => [value]))('is not %o', (value) => {
    expect(isPlain(value)).toBe(false);
    expect(() => plainOf({ value }, 'value')).toThrow(SelectError);
    expect(plainOf({ value }, 'value', 'skip')).toBeNaN();
  });

  it('is what JSON gives back as it was, to a depth of 24', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const parsed = JSON.parse(JSON.stringify(value));
        expect(plainOf({ value: parsed }, 'value')).toBe(parsed);
      }),
    );
    for (const within of ['lists', 'maps'] as const) expect(isPlain(nested(24, within))).toBe(true);
  });

  it('may hold any double where it is not read from a record', () => {
    expect(isPlain([Number.NaN, { least: Number.NEGATIVE_INFINITY }], 0, () => true)).toBe(true);
  });
});

describe('a selector that is wrong is refused', () => {
  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [7, '7'],
    [['celsius'], 'a list'],
    [{}, 'object'],
  ])('%o', (select, kind) => {
    const error = new TypeError(
      `Cannot select by ${kind} as a selector must be a field name, a path or a function`,
    );
    expect(() => numberInput(select)).toThrow(error);
    expect(() => plainInput(select)).toThrow(error);
  });

  it('with a treatment of invalid values that there is not', () => {
    expect(() => numberInput('celsius', 'drop' as Invalid)).toThrow(
      new RangeError('Cannot treat invalid values as "drop" as it must be "poison" or "skip" or "keep"'),
    );
    expect(() => plainInput('celsius', 'keep')).toThrow(
      new RangeError('Cannot treat invalid values as "keep" as it must be "poison" or "skip"'),
    );
  });
});

it('a signature names a field, a path, any function, and what becomes of invalid values', () => {
  expect(['celsius', 'engine.temperature', () => 1].map((select) => nameOf(select))).toEqual([
    'celsius',
    'engine.temperature',
    'λ',
  ]);
  expect([nameOf('celsius', 'poison'), nameOf('celsius', 'skip'), nameOf('celsius', 'keep')]).toEqual([
    'celsius',
    'celsius,skip',
    'celsius,keep',
  ]);
});
