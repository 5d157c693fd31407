import type { Shape } from './wire.ts';

/** What a page shows of a run: a window and a result by their places, and a key. */
export interface Picked {
  readonly window: number;
  readonly result: number;
  readonly key: string | undefined;
}

/** Reads what the fragment of an address picks, by names: `#key=PWM&window=hourly&result=flights`. */
export function readPicked(shape: Shape, fragment: string): Partial<Picked> {
  const names = new URLSearchParams(fragment.replace(/^#/, ''));
  const key = names.get('key');
  const window = shape.windows.findIndex(({ name }) => name === names.get('window'));
  const result = shape.windows[window]?.results.indexOf(names.get('result') ?? '') ?? -1;
  return {
    ...(key === null ? {} : { key }),
    ...(window < 0 ? {} : { window }),
    ...(result < 0 ? {} : { result }),
  };
}

export function writtenPicked({ windows }: Shape, { window, result, key }: Picked): string {
  const { name = '', results = [] } = windows[window] ?? {};
  return `#${new URLSearchParams({ ...(key === undefined ? {} : { key }), window: name, result: results[result] ?? '' })}`;
}
