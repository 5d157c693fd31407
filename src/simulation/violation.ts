/** A rule that does not hold, and what was seen instead. */
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

/** Two lists, the same items as often in both. */
export function mustMatch(seen: Iterable<string>, expected: Iterable<string>, rule: string): void {
  const left = new Map<string, number>();
  for (const one of expected) left.set(one, (left.get(one) ?? 0) + 1);
  for (const one of seen) left.set(one, (left.get(one) ?? 0) - 1);
  const wrong = [...left].filter(([, count]) => count !== 0);
  must(wrong.length === 0, rule, () =>
    wrong
      .slice(0, 6)
      .map(([one, count]) => `${count > 0 ? 'missing' : 'too much'} ${Math.abs(count)} × ${one}`),
  );
}
