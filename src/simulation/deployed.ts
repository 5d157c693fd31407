import type { Pipeline } from '../pipeline/pipeline.ts';
import { must } from './violation.ts';

/** A version of a pipeline's definition that has been deployed. */
export interface Deployed {
  readonly pipeline: Pipeline;
  /** The place of the version in the list of all versions. */
  readonly place: number;
  /**
   * For each of its windows, in order: the version in which the window began, if an earlier version had
   * another window of its name; 0 otherwise.
   */
  readonly epochs: readonly number[];
}

/**
 * Lists which versions have been deployed, in their order. Which windows begin anew depends on the versions
 * before.
 */
export class Deployments {
  readonly #versions: readonly Pipeline[];
  readonly #all: Deployed[] = [];

  constructor(versions: readonly Pipeline[]) {
    this.#versions = versions;
  }

  /** The version that was deployed last; 0 before any was. */
  get version(): number {
    return this.#all.at(-1)?.pipeline.version ?? 0;
  }

  /** How many versions have been deployed. */
  get length(): number {
    return this.#all.length;
  }

  at(version: number): Deployed {
    const deployed = this.#all.find(({ pipeline }) => pipeline.version === version);
    must(deployed !== undefined, 'A version is written down before it is at work', () => version);
    return deployed;
  }

  begin(version: number): void {
    must(version >= this.version, 'Older code does not go on where newer was at work', () => version);
    if (version === this.version) return;
    const place = this.#versions.findIndex((candidate) => candidate.version === version);
    const pipeline = this.#versions[place];
    must(pipeline !== undefined, 'Only versions that there are are put to work', () => version);
    const before = this.#all.at(-1);
    const names = this.#all.flatMap((deployed) => deployed.pipeline.rules.windows.map(({ name }) => name));
    const epochs = pipeline.rules.windows.map(({ name, operator: { signature } }) => {
      const at = before?.pipeline.rules.windows.findIndex((window) => window.name === name) ?? -1;
      if (before?.pipeline.rules.windows[at]?.operator.signature === signature) return before.epochs[at] ?? 0;
      return names.includes(name) ? version : 0;
    });
    this.#all.push({ pipeline, place, epochs });
  }
}

/**
 * Returns the place of a window of one version in another version that keeps it as it is; -1 where the other
 * does not keep it.
 */
export function placeIn({ pipeline, epochs }: Deployed, other: Deployed, at: number): number {
  const { name, operator } = pipeline.rules.windows[at] as Pipeline['rules']['windows'][number];
  return other.pipeline.rules.windows.findIndex(
    (window, place) =>
      window.name === name &&
      window.operator.signature === operator.signature &&
      other.epochs[place] === epochs[at],
  );
}
