import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Random } from './random.ts';
import type { Case } from './truth.ts';

/**
 * Draws which versions environments run, by the round from which they do: a single version, or two while one
 * replaces the other. Some versions are taken back for a while.
 */
export function drawRollout(
  random: Random,
  versions: Case['versions'],
): ReadonlyMap<number, readonly Pipeline[]> {
  const plan = new Map<number, readonly Pipeline[]>();
  let round = 0;
  const from = (most: number, ...serving: readonly Pipeline[]): void => {
    round += random.whole(1, most);
    plan.set(round, serving);
  };
  for (const [at, next] of versions.entries()) {
    const before = versions[at - 1];
    if (before === undefined) continue;
    from(30, before, next);
    if (random.chance(0.4)) {
      // Now and then that is so soon that the next version has begun, and committed nothing.
      from(random.pick([1, 10]), before);
      from(10, before, next);
    }
    from(20, next);
    if (random.chance(0.3)) {
      from(10, before);
      from(10, next);
    }
  }
  return plan;
}

/** Returns a definition whose windows changed while its version did not. It must not run. */
export function mistaken([first, ...others]: Case['versions']): Pipeline | undefined {
  const windowsOf = ({ rules }: Pipeline): string =>
    JSON.stringify(rules.windows.map(({ name, operator: { signature } }) => [name, signature]));
  const next = others.find((version) => windowsOf(version) !== windowsOf(first));
  return next && { ...next, version: first.version };
}
