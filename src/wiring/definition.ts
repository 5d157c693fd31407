/** What of a pipeline's definition may only change with its version: so it is written down, here and in its log. */

type Window = readonly [name: string, signature: string, ...rest: unknown[]];

/** The name of the first window that is not, or not at its place, in both alike; undefined where there is none. */
export function firstDiffering(some: readonly Window[], others: readonly Window[]): string | undefined {
  for (let at = 0; at < Math.max(some.length, others.length); at++) {
    const [one, other] = [some[at], others[at]];
    if (one?.[0] !== other?.[0] || one?.[1] !== other?.[1]) return (one ?? other)?.[0];
  }
  return undefined;
}

/** Why a version may not go on from a higher one that committed. */
export const wentDown = (pipeline: string, version: number, was: number): string =>
  `Cannot run version ${version} of "${pipeline}" as version ${was} has been at work: to go back to an earlier definition, give it a higher version`;

/** Why windows may not go on from others of the same version. */
export const changedWindows = (pipeline: string, version: number, window: string): string =>
  `Cannot run "${pipeline}" as its windows may only change with its version: "${window}" was added, removed, altered or moved; give it version: ${version + 1}`;

/** The file beside a pipeline's that holds what was last to be deployed of it, for `cdk synth` to compare. */
export const LOCK_FILE = 'pipeline.lock.json';

/** What a lock file holds. */
export interface Lock {
  readonly pipeline: string;
  readonly version: number;
  /** In the definition's order. */
  readonly windows: readonly (readonly [name: string, signature: string])[];
  readonly source: { readonly kind: string; readonly topic?: string };
}

/** What the lock of a pipeline is made from. */
interface Lockable {
  readonly name: string;
  readonly version: number;
  readonly source: { readonly kind: string; readonly topic?: string };
  readonly rules: {
    readonly windows: readonly { readonly name: string; readonly operator: { readonly signature: string } }[];
  };
}

export const lockOf = ({ name, version, source: { kind, topic }, rules }: Lockable): Lock => ({
  pipeline: name,
  version,
  source: topic === undefined ? { kind } : { kind, topic },
  windows: rules.windows.map(({ name, operator }) => [name, operator.signature] as const),
});

/** The text of a lock file. */
export const writeLock = (lock: Lock): string => `${JSON.stringify(lock, undefined, 2)}\n`;

/** @throws SyntaxError or TypeError when the text is none of a lock file */
export function readLock(text: string): Lock {
  const { pipeline, version, source, windows } = JSON.parse(text) as Partial<Lock>;
  const isWindow = (window: unknown): boolean =>
    Array.isArray(window) && window.length === 2 && window.every((part) => typeof part === 'string');
  if (
    typeof pipeline !== 'string' ||
    typeof version !== 'number' ||
    typeof source?.kind !== 'string' ||
    !Array.isArray(windows) ||
    !windows.every(isWindow)
  ) {
    throw new TypeError('it lacks "pipeline", "version", "source" or "windows"');
  }
  return { pipeline, version, source, windows };
}

/**
 * Why a definition may not be deployed after the one that a lock holds; undefined where it may.
 *
 * `refused`: handlers would refuse to run it, or its records. `behind`: they would not, and the lock is to be written anew.
 */
export function heldAgainst(
  lock: Lock,
  now: Lock,
): { readonly kind: 'refused' | 'behind'; readonly why: string } | undefined {
  const refused = (why: string) => ({ kind: 'refused', why }) as const;
  if (now.pipeline !== lock.pipeline)
    return refused(`Cannot run "${now.pipeline}" by the lock of "${lock.pipeline}"`);
  if (now.version < lock.version) return refused(wentDown(now.pipeline, now.version, lock.version));
  if (now.version > lock.version) {
    return {
      kind: 'behind',
      why: `Cannot hold version ${now.version} of "${now.pipeline}" to its lock as that is of version ${lock.version}`,
    };
  }
  const window = firstDiffering(now.windows, lock.windows);
  if (window !== undefined) return refused(changedWindows(now.pipeline, now.version, window));
  if (sourceText(now) !== sourceText(lock)) {
    return refused(
      `Cannot run "${now.pipeline}" as its source may only change with its version: it was ${sourceText(lock)}, and is ${sourceText(now)}; give it version: ${now.version + 1}`,
    );
  }
  return undefined;
}

const sourceText = ({ source: { kind, topic } }: Lock): string =>
  topic === undefined ? kind : `${kind} topic ${topic}`;
