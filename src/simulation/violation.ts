/** A rule that does not hold, and what was observed instead. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly rule: string;

  constructor(rule: string, seen?: unknown) {
    super(seen === undefined ? rule : `${rule}: ${JSON.stringify(seen, null, 1)}`);
    this.rule = rule;
  }
}

export function must(holds: boolean, rule: string, seen?: () => unknown): asserts holds {
  if (!holds) throw new Violation(rule, seen?.());
}

/** Checks that two lists hold the same items, each as often in both. */
export function mustMatch(seen: Iterable<string>, expected: Iterable<string>, rule: string): void {
  const missing = new Map<string, number>();
  for (const item of expected) missing.set(item, (missing.get(item) ?? 0) + 1);
  for (const item of seen) missing.set(item, (missing.get(item) ?? 0) - 1);
  const wrong = [...missing].filter(([, count]) => count !== 0);
  must(wrong.length === 0, rule, () =>
    wrong
      .slice(0, 6)
      .map(([item, count]) => `${count > 0 ? 'missing' : 'too much'} ${Math.abs(count)} × ${item}`),
  );
}
