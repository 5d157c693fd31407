/** The largest item that one write unit, and one read unit, takes: of a write of an item, and of a consistent read. */
const WRITE_UNIT = 1_024;
const READ_UNIT = 4_096;

export const writeUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / WRITE_UNIT));
export const readUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / READ_UNIT));

/** What an item takes beside its attributes' values: the names of an entry's attributes, its numbers, and its log. */
export const ENTRY_BYTES = 90;

/** What an item weighs beside its values, for DynamoDB's storage alone. */
export const ITEM_OVERHEAD = 100;

/**
 * Returns the bytes of a value as DynamoDB counts them: texts in UTF-8, two digits of a number a byte, and for
 * whatever holds others three bytes and one for each of them.
 */
export function attributeBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'number') return Math.ceil(String(value).replace(/\D/g, '').length / 2) + 1;
  if (typeof value !== 'object' || value === null) return 1;
  const isList = Array.isArray(value);
  return Object.entries(value).reduce(
    (bytes, [name, item]) => bytes + 1 + (isList ? 0 : Buffer.byteLength(name)) + attributeBytes(item),
    3,
  );
}
