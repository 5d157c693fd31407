import type { LiveModel } from './model.ts';

const collator = new Intl.Collator('en', { numeric: true });

/** The keys that are known, in the order in which a person looks for one, with the number of panes that each has. */
export class Keys {
  #sorted: readonly string[] = [];
  #known = new Set<string>();

  /** Returns the keys; the same array as long as they are the same. */
  of(model: LiveModel): readonly string[] {
    const now = new Set([...model.all].map(({ key }) => key));
    const isSame = now.size === this.#known.size && [...now].every((key) => this.#known.has(key));
    if (!isSame) {
      this.#known = now;
      this.#sorted = [...now].sort(collator.compare);
    }
    return this.#sorted;
  }
}

/** The keys that have a text in them, those that begin with it first. */
export function matching(keys: readonly string[], text: string): readonly string[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return keys;
  const found = keys.filter((key) => key.toLowerCase().includes(wanted));
  const begins = (key: string) => key.toLowerCase().startsWith(wanted);
  return [...found.filter(begins), ...found.filter((key) => !begins(key))];
}

/**
 * The key that has the most panes of a window, which is the one that a person is shown first. Where no pane of the
 * window is known it is the first key that is.
 */
export function busiest(model: LiveModel, window: number): string | undefined {
  let [most, key]: [number, string | undefined] = [0, undefined];
  for (const series of model.all) {
    const size = series.window === window ? series.size : 0;
    if (key === undefined || size > most) [most, key] = [size, series.key];
  }
  return key;
}
