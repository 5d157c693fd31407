import validations from 'dynalite/validations/index.js';

const { checkTypes } = validations;

/**
 * Lets dynalite take an item to be put as it is where it is well typed, and nothing in it would be converted or left out.
 *
 * Its own check, which finds out the type of each part of each value anew and copies it, took a fifth of what a row did.
 */
export function takeWellTypedItems(): void {
  validations.checkTypes = (data, types) => {
    const puts = putsOf(data, types);
    const items = puts.map(({ Item }) => Item);
    if (!items.every(areAttributes)) return checkTypes(data, types);
    for (const put of puts) put.Item = {};
    const checked = checkTypes(data, types);
    for (const [at, put] of putsOf(checked, types).entries()) put.Item = items[at];
    return checked;
  };
}

type Fields = Record<string, unknown>;

/** What an assignment to a field of that name would not make a field of. */
const NO_FIELD = '__proto__';

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !Object.hasOwn(value, NO_FIELD);

/** What holds the items of a PutItem or a BatchWriteItem, in order; nothing of another request. */
function putsOf(data: Fields, types: Fields): Fields[] {
  if ('Item' in types) return [data];
  const tables = 'RequestItems' in types ? data['RequestItems'] : undefined;
  const writes = isObject(tables) ? Object.values(tables).filter(Array.isArray).flat() : [];
  return writes
    .filter(isObject)
    .map(({ PutRequest }) => PutRequest)
    .filter(isObject);
}

const areAttributes = (value: unknown): boolean => isObject(value) && Object.values(value).every(isAttribute);

/** Whether a value has one type, and that content of it. Bytes and sets are left to the other check. */
function isAttribute(value: unknown): boolean {
  if (!isObject(value)) return false;
  const [type, ...others] = Object.keys(value);
  if (type === undefined || others.length > 0) return false;
  const content = value[type];
  if (type === 'S' || type === 'N') return typeof content === 'string';
  if (type === 'BOOL' || type === 'NULL') return typeof content === 'boolean';
  if (type === 'L') return Array.isArray(content) && content.every(isAttribute);
  return type === 'M' && areAttributes(content);
}
