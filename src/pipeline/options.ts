/** @throws TypeError when options are no object, or there is one that is not known */
export function checkOptions(action: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`Cannot ${action} as its options must be an object: it is ${typeof options}`);
  }
  for (const option of Object.keys(options)) {
    if (known.includes(option)) continue;
    throw new TypeError(`Cannot ${action} with "${option}" as the options are ${known.join(', ')}`);
  }
}
