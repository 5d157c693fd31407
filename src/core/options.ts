/** @throws TypeError when the options are not an object, or for an unknown option */
export function checkOptions(action: string, options: object, allowed: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`Cannot ${action} as its options must be an object: it is ${typeof options}`);
  }
  for (const option of Object.keys(options)) {
    if (allowed.includes(option)) continue;
    const rule = allowed.length === 1 ? 'the only option is' : 'the options are';
    throw new TypeError(`Cannot ${action} with "${option}" as ${rule} ${allowed.join(', ')}`);
  }
}

/**
 * Returns the options of an aggregate after checking their names. `invalid` is always one of them.
 *
 * @throws TypeError when the options are not an object, or for an unknown option
 */
export function optionsOf<Options extends { readonly invalid?: unknown }>(
  kind: string,
  options: Options,
  ...own: readonly (keyof Options & string)[]
): Options {
  checkOptions(`compute ${kind}`, options, [...own, 'invalid']);
  return options;
}
