import type { Plain } from './plain.ts';

/** Thrown when a record lacks what an aggregate reads, which makes the record poison. */
export class SelectError extends Error {
  override readonly name = 'SelectError';
}

/**
 * What happens to a value that is missing or not of its kind (for numbers: not finite). With `poison` the
 * record is refused. With `skip` the aggregate passes over it. With `keep` NaN and the infinities are taken
 * as they are, and what is no number counts as NaN.
 */
export type Invalid = 'poison' | 'skip' | 'keep';

/** The options of an aggregate of numbers. */
export interface NumberOptions<On extends Invalid> {
  /** The default is `poison`. */
  readonly invalid?: On;
}

/** The options of an aggregate of plain values of any kind. */
export interface ValueOptions<On extends PlainInvalid> {
  /** The default is `poison`. */
  readonly invalid?: On;
}

export type PlainInvalid = Exclude<Invalid, 'keep'>;

/** Adds null to the type of a result where all records may have been passed over. */
export type OrNothing<On extends Invalid> = On extends 'skip' ? null : never;

/** What a selector may yield: unless records without it are refused, the value may be missing. */
export type Allowed<Kind, On> = On extends 'poison' ? Kind : Kind | null | undefined;

/** The names and paths of the fields of a record that hold a number. */
export type NumberPath<Rec, On extends Invalid> = PathTo<Rec, Allowed<number, On>>;

/** The names and paths of the fields of a record that hold a plain value. */
export type ValuePath<Rec, On extends Invalid> = PathTo<Rec, Allowed<Plain, On>>;

/**
 * Selects a number of a record: by a field name (`'celsius'`), by a path of own fields through nested objects
 * (`'engine.celsius'`, up to four names), or by a function of the record. A field whose very name has dots
 * comes before a path.
 *
 * Parameters spell this type out, with the paths in a template: the compiler then lists the fields of the record
 * to who has misspelt one, where it would show the name of this type.
 */
export type NumberSelector<Rec, On extends Invalid = 'poison'> =
  | NumberPath<Rec, On>
  | ((record: Rec) => Allowed<number, On>);

/** Selects any plain value of a record, in the ways of a `NumberSelector`. */
export type ValueSelector<Rec, On extends Invalid = 'poison'> =
  | ValuePath<Rec, On>
  | ((record: Rec) => Allowed<Plain, On>);

/** The type of what a selector yields where nothing is missing. */
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

/**
 * The paths to those fields of a record whose values are of a type. Objects on the way may be optional. A field that
 * only some members of a union have is missing in the others.
 *
 * It is a condition, of all members of a union at once, as the compiler then spells the paths out in its messages.
 */
export type PathTo<Rec, Value, Deeper extends readonly unknown[] = [1, 1, 1]> = [Rec] extends [unknown]
  ? {
      [Field in FieldOf<Rec>]:
        | (FieldIn<Rec, Field> extends Value ? Field : never)
        | (Deeper extends readonly [unknown, ...infer Rest]
            ? NonNullable<FieldIn<Rec, Field>> extends object
              ? `${Field}.${PathTo<NonNullable<FieldIn<Rec, Field>>, Value, Rest>}`
              : never
            : never);
    }[FieldOf<Rec>]
  : never;

/** The names of the fields that any member of a union has. */
type FieldOf<Rec> = Rec extends readonly unknown[] ? never : keyof Rec & string;

/** The type of a field, with undefined where a member of a union lacks it. */
type FieldIn<Rec, Field> = Rec extends unknown ? (Field extends keyof Rec ? Rec[Field] : undefined) : never;

/** One value that an aggregate reads of a record. */
export interface Input<in Rec = never> {
  readonly kind: 'number' | 'plain';
  readonly select: string | ((record: Rec) => unknown);
  readonly invalid: Invalid;
}

/**
 * Stands for a value that is passed over. It cannot be mistaken for a value, as no selected plain value is
 * NaN.
 */
const SKIPPED = Number.NaN;

/** @throws TypeError when `select` is no selector; RangeError for an unknown `invalid` */
export const numberInput = <Rec>(select: unknown, invalid: Invalid = 'poison'): Input<Rec> =>
  checked({ kind: 'number', select, invalid }, ['poison', 'skip', 'keep']);

/** @throws TypeError when `select` is no selector; RangeError for an unknown `invalid` */
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
      `Cannot treat invalid values as "${invalid}" as it must be "${allowed.join('" or "')}"`,
    );
  }
  return input as Input<Rec>;
}

/**
 * The values that the aggregates of a pipeline read. Each is read once a record, however many aggregates read
 * it.
 */
export class Inputs<in Rec> {
  readonly #columns: Column[] = [];

  get length(): number {
    return this.#columns.length;
  }

  /** The kinds of the values that `read` returns, in order. */
  get kinds(): readonly Input['kind'][] {
    return this.#columns.map(({ input }) => input.kind);
  }

  /** Returns the place of an input's value in what `read` returns. */
  column(input: Input<Rec>): number {
    const at = this.#columns.findIndex(
      ({ input: { kind, select, invalid } }) =>
        kind === input.kind && select === input.select && invalid === input.invalid,
    );
    return at >= 0 ? at : this.#columns.push(columnOf(input)) - 1;
  }

  /** The inputs, in the order of what `read` returns. */
  get all(): readonly Pick<Input, 'kind' | 'select' | 'invalid'>[] {
    return this.#columns.map(({ input }) => input);
  }

  /**
   * @throws SelectError when a value is missing or not of its kind, unless `invalid` says to pass it over or
   * keep it
   */
  read(record: Rec): readonly Plain[] {
    const columns = this.#columns;
    const values = new Array<Plain>(columns.length);
    for (let at = 0; at < columns.length; at++) values[at] = readColumn(columns[at] as Column, record);
    return values;
  }

  /** Whether all values that are read are numbers. */
  get areNumbers(): boolean {
    return this.#columns.every(({ isNumber }) => isNumber);
  }

  /**
   * Reads values that are numbers, as `read` does, into a row from `begin` on.
   *
   * @throws SelectError as `read` does
   */
  readNumbers(record: Rec, row: Float64Array, begin: number): void {
    const columns = this.#columns;
    for (let at = 0; at < columns.length; at++)
      row[begin + at] = readColumn(columns[at] as Column, record) as number;
  }
}

/** An input in the form in which `readColumn` reads it fastest. */
interface Column {
  readonly input: Input<never>;
  readonly isNumber: boolean;
  readonly keeps: boolean;
  readonly call: ((record: never) => unknown) | null;
  readonly name: string;
  /** The names of a path that has more than one; null otherwise. */
  readonly path: readonly string[] | null;
}

function columnOf(input: Input<never>): Column {
  const { kind, select, invalid } = input;
  const [call, name] = typeof select === 'string' ? [null, select] : [select, ''];
  const path = pathOf(name);
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

/** Returns what stands for a value that is missing or not of its kind. */
function instead({ kind, select, invalid }: Input<never>, value: unknown): Plain {
  // Nothing awaits this promise, so its rejection would end the process.
  if (value instanceof Promise) value.catch(() => {});
  if (invalid !== 'poison') return SKIPPED;
  const wanted = kind === 'number' ? 'a finite number' : 'plain data';
  throw new SelectError(`${describe(select)} is ${kindOf(value)}, not ${wanted}`);
}

/** Returns what reads the field of a name or path; undefined is read where there is none. */
export function fieldReader(name: string): (record: unknown) => unknown {
  const path = pathOf(name);
  return path === null ? (record) => ownField(record, name) : (record) => alongPath(record, name, path);
}

/** Returns the names of a path that has more than one; null otherwise. */
const pathOf = (name: string): readonly string[] | null => (name.includes('.') ? name.split('.') : null);

/** Reads an own field, as what an object inherits is none of its fields. */
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
 * How deep a selected value may nest: below the 32 levels of a DynamoDB item and the 64 levels that the codec
 * reads back, with room for what encloses the value.
 */
const MAX_DEPTH = 24;

/**
 * Says whether a commit would return the value as it is. Finite numbers only, unless `isNumber` says
 * otherwise, as JSON has no NaN and no infinities.
 */
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

/**
 * Names a selector, and what it does about an invalid value, for a signature. A function has no lasting name,
 * so it is always λ.
 */
export const nameOf = (select: unknown, invalid: Invalid = 'poison'): string =>
  (typeof select === 'string' ? select : 'λ') + (invalid === 'poison' ? '' : `,${invalid}`);
