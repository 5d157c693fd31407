/** @throws TypeError when options are no object, or there is one that is not known */
export function checkOptions(action: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`Cannot ${action} as its options must be an object: it is ${typeof options}`);
  }
  for (const option of Object.keys(options)) {
    if (known.includes(option)) continue;
    throw new TypeError(
      `Cannot ${action} with "${option}" as ${known.length === 1 ? 'the only option is' : 'the options are'} ${known.join(', ')}`,
    );
  }
}

/**
 * The options of an aggregate, of which `invalid` is always one.
 *
 * @throws TypeError when they are no object, or there is one that is not known
 */
export function optionsOf<Options extends { readonly invalid?: unknown }>(
  kind: string,
  options: Options,
  ...own: readonly (keyof Options & string)[]
): Options {
  checkOptions(`compute ${kind}`, options, [...own, 'invalid']);
  return options;
}
