import type { Plain } from './plain.ts';

/** The record lacks what an aggregate reads: it is poison. */
export class SelectError extends Error {
  override readonly name = 'SelectError';
}

/** A field name, or a function of the record, that yields a number. */
export type NumberSelector<Rec> = FieldOf<Rec, number> | ((record: Rec) => number);
/** A field name, or a function of the record, that yields any plain value. */
export type ValueSelector<Rec> = FieldOf<Rec, Plain> | ((record: Rec) => Plain);

/** What a selector yields. */
export type Selected<Rec, Select> = (Select extends keyof Rec
  ? Rec[Select]
  : Select extends (record: never) => infer Value
    ? Value
    : never) &
  Plain;

/** The names of a record's fields whose values are of a type. */
type FieldOf<Rec, Value> = {
  [Field in keyof Rec & string]: Rec[Field] extends Value ? Field : never;
}[keyof Rec & string];

/** Reads a finite number. */
export const numberFrom =
  <Rec>(select: NumberSelector<Rec>) =>
  (record: Rec): number => {
    const value = read(select, record);
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new SelectError(`${describe(select)} is ${kindOf(value)}, not a finite number`);
  };

/** Reads any plain value. */
export const valueFrom =
  <Rec, Select extends ValueSelector<Rec>>(select: Select) =>
  (record: Rec): Selected<Rec, Select> => {
    const value = read(select, record);
    if (isPlain(value)) return value as Selected<Rec, Select>;
    throw new SelectError(`${describe(select)} is ${kindOf(value)}, not plain data`);
  };

const read = (select: string | number | symbol | ((record: never) => unknown), record: unknown): unknown =>
  typeof select === 'function'
    ? select(record as never)
    : (record as Record<PropertyKey, unknown> | null)?.[select];

const describe = (select: unknown): string =>
  typeof select === 'string' ? `field "${select}"` : 'the selected value';

const kindOf = (value: unknown): string =>
  value === null
    ? 'null'
    : typeof value === 'number'
      ? String(value)
      : Array.isArray(value)
        ? 'a list'
        : typeof value;

/**
 * How deep a selected value may nest: below the 32 levels of a DynamoDB item and the 64 that the codec reads back, with room
 * for what is around it.
 */
const MAX_DEPTH = 24;

/** Whether a commit would give the value back as it is. */
function isPlain(value: unknown, depth = 0): value is Plain {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || depth === MAX_DEPTH) return false;
  const names = Object.keys(value);
  const isOwn = Array.isArray(value)
    ? names.length === value.length
    : [Object.prototype, null].includes(Object.getPrototypeOf(value)) &&
      names.every((name) => name.isWellFormed());
  return isOwn && Object.values(value).every((item) => isPlain(item, depth + 1));
}

/** What a signature calls a selector: functions have no lasting name. */
export const nameOf = (select: unknown): string => (typeof select === 'string' ? select : 'λ');
