import type { Pipeline } from '../pipeline/pipeline.ts';
import { must } from './violation.ts';

/** A version of a pipeline's definition that has been put to work. */
export interface Deployed {
  readonly pipeline: Pipeline;
  /** Its place among the versions that there are. */
  readonly place: number;
  /** Of each of its windows, in order: the version in which it began, where another of its name came before it; else 0. */
  readonly epochs: readonly number[];
}

/** Which versions have been put to work, in their order: what begins anew hangs on those before. */
export class Deployments {
  readonly #versions: readonly Pipeline[];
  readonly #all: Deployed[] = [];

  constructor(versions: readonly Pipeline[]) {
    this.#versions = versions;
  }

  /** The version that was put to work last; 0 before any was. */
  get version(): number {
    return this.#all.at(-1)?.pipeline.version ?? 0;
  }

  /** How many have been. */
  get length(): number {
    return this.#all.length;
  }

  at(version: number): Deployed {
    const known = this.#all.find(({ pipeline }) => pipeline.version === version);
    must(known !== undefined, 'A version is written down before it is at work', () => version);
    return known;
  }

  begin(version: number): void {
    must(version >= this.version, 'Older code does not go on where newer was at work', () => version);
    if (version === this.version) return;
    const place = this.#versions.findIndex((one) => one.version === version);
    const pipeline = this.#versions[place];
    must(pipeline !== undefined, 'Only versions that there are are put to work', () => version);
    const before = this.#all.at(-1);
    const names = this.#all.flatMap((one) => one.pipeline.rules.windows.map(({ name }) => name));
    const epochs = pipeline.rules.windows.map(({ name, operator: { signature } }) => {
      const at = before?.pipeline.rules.windows.findIndex((one) => one.name === name) ?? -1;
      if (before?.pipeline.rules.windows[at]?.operator.signature === signature) return before.epochs[at] ?? 0;
      return names.includes(name) ? version : 0;
    });
    this.#all.push({ pipeline, place, epochs });
  }
}

/** Where a window of one version stands in another that keeps it as it is; -1 in one that does not. */
export function placeIn({ pipeline, epochs }: Deployed, other: Deployed, at: number): number {
  const { name, operator } = pipeline.rules.windows[at] as Pipeline['rules']['windows'][number];
  return other.pipeline.rules.windows.findIndex(
    (one, place) =>
      one.name === name &&
      one.operator.signature === operator.signature &&
      other.epochs[place] === epochs[at],
  );
}
