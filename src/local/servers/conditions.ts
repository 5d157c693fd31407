import conditionParser from 'dynalite/db/conditionParser.js';

const { parse } = conditionParser;

/** The result of parsing a condition, and what the parser was given and left unused. */
interface Parsed {
  readonly result: object;
  readonly values: Readonly<Record<string, object>>;
  readonly unusedNames: readonly string[];
  readonly unusedValues: readonly string[];
}

const MAX_PARSED = 1_000;

/**
 * The parser accepts or refuses these by a value's content, not by its type alone. So it parses each one
 * anew.
 */
const LOOKS_INTO_VALUES = /between|attribute_type/i;

/**
 * Makes dynalite parse a condition once for all requests that differ in their values alone.
 *
 * Its parser tries each bracket again and again. For the condition of a row that takes a millisecond, more
 * than half of all the time that dynalite took for a row.
 */
export function useParsedConditions(): void {
  const parsed = new Map<string, Parsed>();
  conditionParser.parse = (text, options) => {
    const { context } = options;
    if (LOOKS_INTO_VALUES.test(text)) return parse(text, options);
    const { attrNames, unusedAttrNames, unusedAttrVals } = context;
    const attrVals = context.attrVals ?? {};
    const types = Object.entries(attrVals).map(([name, value]) => [name, Object.keys(value)]);
    const key = JSON.stringify([text, attrNames, types, unusedAttrNames, unusedAttrVals]);
    const cached = parsed.get(key);
    if (cached === undefined) {
      const result = parse(text, options);
      if (typeof result === 'string') return result;
      if (parsed.size === MAX_PARSED) parsed.clear();
      parsed.set(key, {
        result,
        values: attrVals,
        unusedNames: Object.keys(unusedAttrNames),
        unusedValues: Object.keys(unusedAttrVals),
      });
      return result;
    }
    context.unusedAttrNames = only(unusedAttrNames, cached.unusedNames);
    context.unusedAttrVals = only(unusedAttrVals, cached.unusedValues);
    const values = new Map(Object.entries(cached.values).map(([name, value]) => [value, attrVals[name]]));
    return withValues(cached.result, values) as object;
  };
}

const only = (marks: Record<string, true>, names: readonly string[]): Record<string, true> =>
  Object.fromEntries(Object.entries(marks).filter(([name]) => names.includes(name)));

/**
 * Copies a parsed condition, and puts each value of this request in the place of that of the request it was
 * parsed for.
 */
function withValues(part: unknown, values: ReadonlyMap<unknown, unknown>): unknown {
  if (values.has(part)) return values.get(part);
  if (Array.isArray(part)) return part.map((item) => withValues(item, values));
  if (typeof part !== 'object' || part === null) return part;
  return Object.assign(
    Object.create(Object.getPrototypeOf(part)),
    Object.fromEntries(Object.entries(part).map(([name, field]) => [name, withValues(field, values)])),
  );
}
