import { KeyState } from '../core/key.ts';
import { Panes } from '../core/panes.ts';
import type { EpochMillis } from '../core/time.ts';
import { type GroupPane, listPanes } from '../engine/group.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Truth } from './truth.ts';

/** What became of a record that was taken in. */
export type Outcome = 'applied' | 'late' | 'poison';

/**
 * What must come of the records: each key's windows folded in memory, without commits, entries or anything
 * stored; all that is told of commits is where they end, for windows that show themselves then.
 */
export class Oracle {
  readonly #pipeline: Pipeline;
  /** What was done so far, to be done again without a record that throws. */
  readonly #done: (Truth | 'commit')[] = [];
  #states = new Map<string, { readonly number: number; readonly state: KeyState }>();
  #touched = new Set<string>();
  #panes: Panes;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
    this.#panes = new Panes(pipeline.rules);
  }

  take(truth: Truth): Outcome {
    if (truth.content === undefined) return 'poison';
    try {
      const outcome = this.#apply(truth);
      this.#done.push(truth);
      return outcome;
    } catch {
      this.#states = new Map();
      this.#touched = new Set();
      this.#panes = new Panes(this.#pipeline.rules);
      for (const one of this.#done) {
        if (one === 'commit') this.#commit();
        else this.#apply(one);
      }
      return 'poison';
    }
  }

  /** A commit ends. */
  commit(): void {
    this.#commit();
    this.#done.push('commit');
  }

  /** Every key is silent until `now`. */
  idle(now: EpochMillis): void {
    for (const { number, state } of this.#states.values()) {
      this.#panes.key = number;
      state.idle(now, this.#panes);
    }
  }

  panes(): readonly GroupPane[] {
    const layouts = this.#panes.layouts.map((layout, at) => ({
      ...layout,
      ordered: this.#pipeline.rules.windows[at]?.operator.ordered ?? false,
      epoch: 0,
    }));
    return listPanes({ keys: [...this.#states.keys()], layouts, tables: this.#panes.tables });
  }

  #apply({ content, arrival }: Truth): Outcome {
    const { key, at, values } = content as Required<Truth>['content'];
    const known = this.#states.get(key) ?? {
      number: this.#states.size,
      state: new KeyState(this.#pipeline.rules),
    };
    this.#states.set(key, known);
    this.#touched.add(key);
    this.#panes.key = known.number;
    return known.state.apply({ at, arrival, values }, this.#panes);
  }

  #commit(): void {
    for (const key of this.#touched) {
      const known = this.#states.get(key);
      if (known === undefined) continue;
      this.#panes.key = known.number;
      known.state.update(this.#panes);
    }
    this.#touched.clear();
  }
}
