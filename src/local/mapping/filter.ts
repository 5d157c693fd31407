/** A filter pattern: for each field a list of what its value may be, or patterns for the fields within. */
export interface FilterPattern {
  readonly [field: string]: FilterPattern | readonly FilterRule[] | readonly FilterPattern[];
}

type Comparison = '=' | '<' | '<=' | '>' | '>=';

/** What a value may be. */
type FilterRule =
  | string
  | number
  | boolean
  | null
  | { readonly prefix: string }
  | { readonly suffix: string }
  | { readonly 'equals-ignore-case': string }
  | { readonly exists: boolean }
  | { readonly 'anything-but': string | number | readonly (string | number)[] }
  | {
      readonly numeric:
        | readonly [Comparison, number]
        | readonly [comparison: Comparison, bound: number, and: Comparison, other: number];
    };

/**
 * Says whether a value passes a pattern, by the rules of Lambda's event filtering: every field of the pattern must
 * pass, and a field passes if one rule of its list does. `$or` passes if one of its patterns does. Where the value
 * is a list, one member is enough.
 * https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
 */
export function passes(pattern: FilterPattern, value: unknown): boolean {
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return Object.entries(pattern).every(([field, expected]) => {
    if (field === '$or') return (expected as readonly FilterPattern[]).some((one) => passes(one, value));
    const found = Object.hasOwn(fields, field) ? fields[field] : undefined;
    if (Array.isArray(expected))
      return (expected as readonly FilterRule[]).some((rule) => allows(rule, found));
    return passes(expected as FilterPattern, found);
  });
}

function allows(rule: FilterRule, value: unknown): boolean {
  if (typeof rule === 'object' && rule !== null && 'exists' in rule)
    return rule.exists === (value !== undefined);
  if (Array.isArray(value)) return value.some((member) => allows(rule, member));
  if (typeof rule !== 'object' || rule === null) return rule === value;
  if ('prefix' in rule) return typeof value === 'string' && value.startsWith(rule.prefix);
  if ('suffix' in rule) return typeof value === 'string' && value.endsWith(rule.suffix);
  if ('equals-ignore-case' in rule) {
    return typeof value === 'string' && value.toLowerCase() === rule['equals-ignore-case'].toLowerCase();
  }
  if ('anything-but' in rule) {
    return value !== undefined && ![rule['anything-but']].flat().includes(value as string | number);
  }
  const [comparison, bound, and, other] = rule.numeric;
  if (typeof value !== 'number') return false;
  return compares(value, comparison, bound) && (and === undefined || compares(value, and, other as number));
}

function compares(value: number, comparison: Comparison, bound: number): boolean {
  if (comparison === '=') return value === bound;
  if (comparison === '<') return value < bound;
  if (comparison === '<=') return value <= bound;
  return comparison === '>' ? value > bound : value >= bound;
}
