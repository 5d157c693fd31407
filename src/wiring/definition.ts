/** The part of a definition that may only change with its version. It is kept in a lock file, and in its log. */

type Window = readonly [name: string, signature: string, ...rest: unknown[]];

/**
 * Returns the name of the first window that differs between two lists, or is at another place; undefined
 * where the lists are alike.
 */
export function firstDiffering(before: readonly Window[], after: readonly Window[]): string | undefined {
  for (let at = 0; at < Math.max(before.length, after.length); at++) {
    const [a, b] = [before[at], after[at]];
    if (a?.[0] !== b?.[0] || a?.[1] !== b?.[1]) return (a ?? b)?.[0];
  }
  return undefined;
}

/** Says why a version may not continue after a higher version has committed. */
export const wentDown = (pipeline: string, version: number, was: number): string =>
  `Cannot run version ${version} of "${pipeline}" as version ${was} has been at work: ` +
  'to go back to an earlier definition, give it a higher version';

/** Says why windows may not continue after other windows of the same version. */
export const changedWindows = (pipeline: string, version: number, window: string): string =>
  `Cannot run "${pipeline}" as its windows may only change with its version: ` +
  `"${window}" was added, removed, altered or moved; give it version: ${version + 1}`;

/** Says why a source may not go on with another id under the same version. */
export const changedIdentity = (pipeline: string, version: number, was: string | undefined): string =>
  `Cannot run "${pipeline}" as the id of its source may only be added, removed or replaced with its version: ` +
  `it had ${identityText(was)}; give it version: ${version + 1}`;

/** Says why a source without order may not go on without the id by which its records are known. */
export const lostIdentity = (pipeline: string, was: string): string =>
  `Cannot run "${pipeline}" with another id as the records of a source without order are known by their id alone, ` +
  `and those that come again would be counted again: keep ${identityText(was)}, or give the pipeline another name`;

/**
 * The file beside a pipeline's file, `pipeline.lock.json` for `pipeline.ts`, that holds the last definition to
 * be deployed, for `cdk synth` to compare.
 */
export const lockFileOf = (pipelineFile: string): string => pipelineFile.replace(/\.\w+$/, '.lock.json');

/** The content of a lock file. */
export interface Lock {
  readonly pipeline: string;
  readonly version: number;
  /** The windows in the order of the definition. */
  readonly windows: readonly (readonly [name: string, signature: string])[];
  readonly source: LockedSource;
}

interface LockedSource {
  readonly kind: string;
  readonly topic?: string;
  /** What its records are known by beside their positions, where that is anything. */
  readonly id?: string;
}

/** The part of a pipeline from which its lock is made. */
interface Lockable {
  readonly name: string;
  readonly version: number;
  readonly source: {
    readonly kind: string;
    readonly topic?: string;
    readonly identity?: string | undefined;
    readonly placedBy?: string;
  };
  readonly rules: {
    readonly windows: readonly { readonly name: string; readonly operator: { readonly signature: string } }[];
  };
}

export function lockOf({ name, version, source, rules }: Lockable): Lock {
  // What a place is made of is an id, too, where a queue gives its messages no place of their own.
  const { kind, topic, placedBy, identity: id = placedBy } = source;
  return {
    pipeline: name,
    version,
    source: { kind, ...(topic === undefined ? {} : { topic }), ...(id === undefined ? {} : { id }) },
    windows: rules.windows.map(({ name, operator }) => [name, operator.signature] as const),
  };
}

/** Returns the text of a lock file. */
export const writeLock = (lock: Lock): string => `${JSON.stringify(lock, undefined, 2)}\n`;

/** @throws SyntaxError or TypeError when the text is not that of a lock file */
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
 * Says why a definition may not be deployed after the definition that a lock holds; undefined where it may.
 *
 * `refused` means that handlers would refuse to run it, or refuse its records. `behind` means that they would
 * not, and that the lock file has to be written anew.
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
      why:
        `Cannot hold version ${now.version} of "${now.pipeline}" to its lock as ` +
        `that is of version ${lock.version}`,
    };
  }
  const window = firstDiffering(now.windows, lock.windows);
  if (window !== undefined) return refused(changedWindows(now.pipeline, now.version, window));
  if (sourceText(now) !== sourceText(lock)) {
    return refused(
      `Cannot run "${now.pipeline}" as its source may only change with its version: it was ` +
        `${sourceText(lock)}, and is ${sourceText(now)}; give it version: ${now.version + 1}`,
    );
  }
  return undefined;
}

const sourceText = ({ source: { kind, topic, id } }: Lock): string =>
  `${kind}${topic === undefined ? '' : ` topic ${topic}`}${id === undefined ? '' : ` with ${identityText(id)}`}`;

const identityText = (id: string | undefined): string => (id === undefined ? 'no id' : `id: ${id}`);
