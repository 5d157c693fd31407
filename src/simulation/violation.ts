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

/** Checks that two lists hold the same items, each as often in both. The violation shows some that either lacks. */
export function mustMatch(seen: Iterable<string>, expected: Iterable<string>, rule: string): void {
  const missing = new Map<string, number>();
  for (const item of expected) missing.set(item, (missing.get(item) ?? 0) + 1);
  for (const item of seen) missing.set(item, (missing.get(item) ?? 0) - 1);
  const wrong = [...missing].filter(([, count]) => count !== 0);
  const some = (what: string, sign: number) =>
    wrong
      .filter(([, count]) => sign * count > 0)
      .slice(0, 6)
      .map(([item, count]) => `${what} ${sign * count} × ${item}`);
  must(wrong.length === 0, rule, () => [...some('missing', 1), ...some('too much', -1)]);
}
