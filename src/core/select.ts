import type { Plain } from './plain.ts';

/** The record lacks what an aggregate reads: it is poison. */
export class SelectError extends Error {
  override readonly name = 'SelectError';
}

/**
 * What becomes of a value that is missing or not of its kind (for numbers: finite): the record is refused (`poison`), the
 * aggregate passes over it (`skip`), or NaN and the infinities are taken as they are, and what is no number as NaN (`keep`).
 */
export type Invalid = 'poison' | 'skip' | 'keep';

/** Of an aggregate of numbers. */
export interface NumberOptions<On extends Invalid> {
  /** `poison` unless told. */
  readonly invalid?: On;
}

/** Of an aggregate of any plain values. */
export interface ValueOptions<On extends PlainInvalid> {
  /** `poison` unless told. */
  readonly invalid?: On;
}

export type PlainInvalid = Exclude<Invalid, 'keep'>;

/** What a value may be besides: records that lack it may all have been passed over. */
export type OrNothing<On extends Invalid> = On extends 'skip' ? null : never;

/** What a selector may yield: unless records without it are refused, it may be missing. */
type Allowed<Kind, On> = On extends 'poison' ? Kind : Kind | null | undefined;

/**
 * A field name (`'celsius'`), a path of own fields through nested objects (`'engine.celsius'`, up to four names), or a
 * function of the record, that yields a number. A field whose very name has dots comes before a path.
 */
export type NumberSelector<Rec, On extends Invalid = 'poison'> =
  | PathTo<Rec, Allowed<number, On>>
  | ((record: Rec) => Allowed<number, On>);

/** Likewise of any plain value. */
export type ValueSelector<Rec, On extends Invalid = 'poison'> =
  | PathTo<Rec, Allowed<Plain, On>>
  | ((record: Rec) => Allowed<Plain, On>);

/** What a selector yields where nothing is missing. */
export type Selected<Rec, Select> = Extract<
  Select extends (record: never) => infer Value ? Value : ValueAt<Rec, Select>,
  Plain
>;

type ValueAt<Rec, Path> = Path extends keyof Rec
  ? Rec[Path]
  : Path extends `${infer Field}.${infer Rest}`
    ? Field extends keyof Rec
      ? ValueAt<NonNullable<Rec[Field]>, Rest>
      : never
    : never;

/** The paths to a record's fields whose values are of a type; objects on the way may be optional. */
type PathTo<Rec, Value, Deeper extends readonly unknown[] = [1, 1, 1]> = Rec extends readonly unknown[]
  ? never
  : {
      [Field in keyof Rec & string]:
        | (Rec[Field] extends Value ? Field : never)
        | (Deeper extends readonly [unknown, ...infer Rest]
            ? NonNullable<Rec[Field]> extends object
              ? `${Field}.${PathTo<NonNullable<Rec[Field]>, Value, Rest>}`
              : never
            : never);
    }[keyof Rec & string];

/** One value that an aggregate reads of a record. */
export interface Input<in Rec = never> {
  readonly kind: 'number' | 'plain';
  readonly select: string | ((record: Rec) => unknown);
  readonly invalid: Invalid;
}

/** What stands for a value that is passed over: no selected plain value is NaN. */
const SKIPPED = Number.NaN;

/** @throws TypeError when it selects nothing; RangeError when there is no such `invalid` */
export const numberInput = <Rec>(select: unknown, invalid: Invalid = 'poison'): Input<Rec> =>
  checked({ kind: 'number', select, invalid }, ['poison', 'skip', 'keep']);

/** @throws TypeError when it selects nothing; RangeError when there is no such `invalid` */
export const plainInput = <Rec>(select: unknown, invalid: Invalid = 'poison'): Input<Rec> =>
  checked({ kind: 'plain', select, invalid }, ['poison', 'skip']);

function checked<Rec>(
  input: { readonly kind: 'number' | 'plain'; readonly select: unknown; readonly invalid: Invalid },
  allowed: readonly Invalid[],
): Input<Rec> {
  const { select, invalid } = input;
  if (typeof select !== 'function' && typeof select !== 'string') {
    throw new TypeError(
      `Cannot select by ${kindOf(select)} as a selector must be a field name, a path or a function`,
    );
  }
  if (!allowed.includes(invalid)) {
    throw new RangeError(
      `Cannot treat invalid values as "${invalid}" as it must be ${allowed.map((one) => `"${one}"`).join(' or ')}`,
    );
  }
  return input as Input<Rec>;
}

/** The values that the aggregates of a pipeline read, each read once a record however many aggregates read it. */
export class Inputs<in Rec> {
  readonly #columns: Column[] = [];

  get length(): number {
    return this.#columns.length;
  }

  /** Where the value of an input stands in what `read` gives. */
  column(input: Input<Rec>): number {
    const known = this.#columns.findIndex(
      ({ input: other }) =>
        other.kind === input.kind && other.select === input.select && other.invalid === input.invalid,
    );
    return known >= 0 ? known : this.#columns.push(columnOf(input)) - 1;
  }

  /** @throws SelectError when a value is missing or not of its kind, and that is not to be passed over */
  read(record: Rec): readonly Plain[] {
    const columns = this.#columns;
    const values = new Array<Plain>(columns.length);
    for (let at = 0; at < columns.length; at++) values[at] = readColumn(columns[at] as Column, record);
    return values;
  }
}

/** An input, made ready to be read. */
interface Column {
  readonly input: Input<never>;
  readonly isNumber: boolean;
  readonly keeps: boolean;
  readonly call: ((record: never) => unknown) | null;
  readonly name: string;
  /** The names of a path of more than one. */
  readonly path: readonly string[] | null;
}

function columnOf(input: Input<never>): Column {
  const { kind, select, invalid } = input;
  const [call, name] = typeof select === 'string' ? [null, select] : [select, ''];
  const path = name.includes('.') ? name.split('.') : null;
  return { input, isNumber: kind === 'number', keeps: invalid === 'keep', call, name, path };
}

function readColumn(column: Column, record: unknown): Plain {
  const { call, path, name } = column;
  const value =
    call !== null
      ? call(record as never)
      : path === null
        ? ownField(record, name)
        : alongPath(record, name, path);
  if (column.isNumber) {
    if (typeof value === 'number' && (Number.isFinite(value) || column.keeps)) return value;
  } else if (isPlain(value)) {
    return value;
  }
  return instead(column.input, value);
}

/** What stands for a value that is missing or not of its kind. */
function instead({ kind, select, invalid }: Input<never>, value: unknown): Plain {
  // Nobody waits for it, so that its failure would be the process's.
  if (value instanceof Promise) value.catch(() => {});
  if (invalid !== 'poison') return SKIPPED;
  const wanted = kind === 'number' ? 'a finite number' : 'plain data';
  throw new SelectError(`${describe(select)} is ${kindOf(value)}, not ${wanted}`);
}

/** What an object inherits is none of its fields. */
const ownField = (from: unknown, name: string): unknown =>
  typeof from === 'object' && from !== null && Object.hasOwn(from, name)
    ? (from as { readonly [name: string]: unknown })[name]
    : undefined;

function alongPath(record: unknown, name: string, path: readonly string[]): unknown {
  const whole = ownField(record, name);
  if (whole !== undefined) return whole;
  let value = record;
  for (const field of path) value = ownField(value, field);
  return value;
}

const describe = (select: unknown): string =>
  typeof select === 'string' ? `field "${select}"` : 'the selected value';

const kindOf = (value: unknown): string =>
  value === null
    ? 'null'
    : typeof value === 'number'
      ? String(value)
      : Array.isArray(value)
        ? 'a list'
        : value instanceof Promise
          ? 'a promise'
          : typeof value;

/**
 * How deep a selected value may nest: below the 32 levels of a DynamoDB item and the 64 that the codec reads back, with room
 * for what is around it.
 */
const MAX_DEPTH = 24;

/** Whether a commit would give the value back as it is. JSON could not if there were NaN or infinities in it. */
export function isPlain(value: unknown, depth = 0, isNumber = Number.isFinite): value is Plain {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'number') return isNumber(value);
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || depth === MAX_DEPTH) return false;
  const names = Object.keys(value);
  const isOwn = Array.isArray(value)
    ? names.length === value.length
    : [Object.prototype, null].includes(Object.getPrototypeOf(value)) &&
      names.every((name) => name.isWellFormed());
  return isOwn && Object.values(value).every((item) => isPlain(item, depth + 1, isNumber));
}

/** What a signature calls a selector and what it does without a value: functions have no lasting name. */
export const nameOf = (select: unknown, invalid: Invalid = 'poison'): string =>
  (typeof select === 'string' ? select : 'λ') + (invalid === 'poison' ? '' : `,${invalid}`);
