/** Source texts by their path from the root of the repository. */
type Sources = ReadonlyMap<string, string>;

/** What the package shows under its own paths; what they are composed of has the same names. */
const ENTRIES = ['src/index.ts', 'src/lambda.ts', 'src/testing.ts'];

/** An interface that files have in common, each with its own source: exports are found by these names. */
const SHARED: readonly (readonly [folder: string, names: readonly string[]])[] = [
  ['src/adapters/', ['recordsOf', 'responseOf', 'sourceOf', 'letGo']],
];

/** The names that more than one file defines and exports, as one sentence each. What is exported from elsewhere is no definition. */
export function doubledNames(sources: Sources): string[] {
  const files = new Map<string, string[]>();
  for (const [path, text] of sources) {
    if (ENTRIES.includes(path)) continue;
    for (const name of definedIn(text)) {
      if (SHARED.some(([folder, names]) => path.startsWith(folder) && names.includes(name))) continue;
      files.set(name, [...(files.get(name) ?? []), path]);
    }
  }
  return [...files]
    .filter(([, paths]) => paths.length > 1)
    .map(([name, paths]) => `${name} is defined in ${paths.join(' and in ')}`);
}

const EXPORT =
  /^export (?:default )?(?:declare )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|type|interface|enum) (\w+)/gm;

/** Overloads and a type beside a value of its name are one. */
const definedIn = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(EXPORT)].map(([, name]) => name as string));
