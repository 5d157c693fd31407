import conditionParser from 'dynalite/db/conditionParser.js';

const { parse } = conditionParser;

/** What a text was parsed to, and what it was parsed with. */
interface Parsed {
  readonly result: object;
  readonly values: Readonly<Record<string, object>>;
  readonly unusedNames: readonly string[];
  readonly unusedValues: readonly string[];
}

const MAX_PARSED = 1_000;

/** What is refused, or not, by more of a value than its type. */
const LOOKS_INTO_VALUES = /between|attribute_type/i;

/**
 * Lets dynalite parse a condition once for all requests that differ in their values alone.
 *
 * Its parser tries each bracket again and again, a millisecond for the condition of a row: more than half of all the time
 * that it took for one.
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
    const before = parsed.get(key);
    if (before === undefined) {
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
    context.unusedAttrNames = only(unusedAttrNames, before.unusedNames);
    context.unusedAttrVals = only(unusedAttrVals, before.unusedValues);
    const values = new Map(Object.entries(before.values).map(([name, value]) => [value, attrVals[name]]));
    return withValues(before.result, values) as object;
  };
}

const only = (marks: Record<string, true>, names: readonly string[]): Record<string, true> =>
  Object.fromEntries(Object.entries(marks).filter(([name]) => names.includes(name)));

/** A copy with each value of the one request in the place of that of the other. */
function withValues(part: unknown, values: ReadonlyMap<unknown, unknown>): unknown {
  if (values.has(part)) return values.get(part);
  if (Array.isArray(part)) return part.map((one) => withValues(one, values));
  if (typeof part !== 'object' || part === null) return part;
  return Object.assign(
    Object.create(Object.getPrototypeOf(part)),
    Object.fromEntries(Object.entries(part).map(([name, one]) => [name, withValues(one, values)])),
  );
}
