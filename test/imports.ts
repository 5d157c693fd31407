import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** Source texts by their path from the root of the repository. */
export type Sources = ReadonlyMap<string, string>;

/** Any package, and an import whose specifier is computed: nothing can be told of it. */
const ANY_PACKAGE = '<any package>';
const COMPUTED = '<computed>';

const DOMAIN = ['src/core/', 'src/pipeline/', 'src/ports/', 'src/wiring/'];
const LOG = [...DOMAIN, 'src/engine/group/', 'src/engine/format/', 'src/engine/log/'];
const COMPOSITION = ['src/', ANY_PACKAGE];
const LOCAL = [
  ...DOMAIN,
  'src/adapters/',
  'src/engine/',
  'src/query/',
  'src/handlers.ts',
  'src/local/',
  ANY_PACKAGE,
];

/**
 * Who may import what, as docs/design.md says under Layout. The first line that a path begins with is its rule; what ends with `/` or `:`
 * stands for all that begins with it, and `.` for the file's own folder.
 */
const TABLE: readonly (readonly [of: string, may: readonly string[]])[] = [
  ['src/core/', ['src/core/']],
  ['src/pipeline/', ['src/core/', 'src/pipeline/', '@standard-schema/spec']],
  ['src/ports/', ['src/core/', 'src/pipeline/', 'src/ports/']],
  ['src/engine/group/', [...DOMAIN, 'src/engine/group/', 'node:crypto']],
  ['src/engine/format/', [...DOMAIN, 'src/engine/group/', 'src/engine/format/', 'node:zlib']],
  ['src/engine/log/', [...LOG, 'node:crypto']],
  ['src/engine/intake/', [...LOG, 'src/engine/intake/', '@standard-schema/spec', 'node:crypto', 'node:zlib']],
  ['src/engine/delivery/parquet.ts', [...DOMAIN, 'hyparquet-writer', 'node:zlib']],
  ['src/engine/delivery/read-objects.ts', [...LOG, 'src/engine/delivery/', 'hyparquet', 'node:zlib']],
  ['src/engine/delivery/', [...LOG, 'src/engine/delivery/', 'node:zlib']],
  ['src/engine/inspect/', [...DOMAIN, 'src/engine/', 'node:crypto']],
  ['src/adapters/appsync/', [...DOMAIN, '.', 'src/adapters/aws/', '@smithy/signature-v4']],
  ['src/adapters/aws/', [...DOMAIN, '.', '@smithy/node-http-handler', '@smithy/signature-v4', 'node:crypto']],
  ['src/adapters/cloudwatch/', [...DOMAIN, '.', '@aws-sdk/client-cloudwatch']],
  [
    'src/adapters/dynamodb-stream/',
    [...DOMAIN, '.', 'src/adapters/shards/', '@aws-sdk/client-dynamodb-streams', 'aws-lambda'],
  ],
  ['src/adapters/dynamodb/', [...DOMAIN, '.', '@aws-sdk/client-dynamodb']],
  ['src/adapters/eventbridge/', [...DOMAIN, '.', 'src/adapters/aws/', '@aws-sdk/client-eventbridge']],
  ['src/adapters/shards/', [...DOMAIN, '.']],
  [
    'src/adapters/kinesis/',
    [
      ...DOMAIN,
      '.',
      'src/adapters/aws/',
      'src/adapters/shards/',
      '@aws-sdk/client-kinesis',
      'aws-lambda',
      'node:crypto',
    ],
  ],
  ['src/adapters/kafka/', [...DOMAIN, '.']],
  ['src/adapters/memory/', [...DOMAIN, '.']],
  ['src/adapters/rabbitmq/', [...DOMAIN, '.', 'node:crypto']],
  ['src/adapters/opentelemetry/', [...DOMAIN, '.', '@opentelemetry/api']],
  ['src/adapters/powertools/', [...DOMAIN, '.', '@aws-lambda-powertools/']],
  ['src/adapters/s3/', [...DOMAIN, '.', '@aws-sdk/client-s3']],
  ['src/adapters/sns/', [...DOMAIN, '.', 'src/adapters/aws/', '@aws-sdk/client-sns']],
  [
    'src/adapters/sqs/',
    [...DOMAIN, '.', 'src/adapters/aws/', '@aws-sdk/client-sqs', 'aws-lambda', 'node:buffer'],
  ],
  ['src/adapters/system/', [...DOMAIN, '.', 'node:timers/promises']],
  ['src/wiring/', ['src/wiring/']],
  [
    'src/simulation/',
    [
      ...DOMAIN,
      'src/engine/',
      'src/adapters/memory/',
      'src/adapters/kafka/',
      'src/adapters/rabbitmq/',
      'src/adapters/dynamodb-stream/',
      'src/adapters/kinesis/kpl.ts',
      'src/simulation/',
      'src/local/mapping/',
      'src/handlers.ts',
      'src/index.ts',
      'aws-lambda',
      'node:async_hooks',
      'node:crypto',
      'node:process',
      'node:zlib',
    ],
  ],
  [
    'src/init/templates/',
    ['src/index.ts', 'src/testing.ts', 'lib/index.ts', 'src/init/templates/', 'aws-cdk-lib', 'vitest'],
  ],
  ['src/init/', ['src/local/failure.ts', 'node:']],
  ['src/index.ts', ['src/core/', 'src/pipeline/']],
  ['src/query/', [...DOMAIN, 'src/engine/', 'src/query/', 'hono', 'node:crypto']],
  ['src/watch/', ['src/core/', 'src/pipeline/', 'src/ports/', 'src/watch/']],
  ['src/plan/', [...DOMAIN, 'src/engine/', 'src/plan/', 'src/watch/']],
  ['src/handlers.ts', COMPOSITION],
  ['src/lambda.ts', COMPOSITION],
  ['src/opentelemetry.ts', ['src/adapters/opentelemetry/', 'src/ports/', '@opentelemetry/api']],
  ['src/testing.ts', COMPOSITION],
  ['src/commands/', [...COMPOSITION, 'web/model/', COMPUTED]],
  ['src/producer.ts', COMPOSITION],
  [
    'src/producer/',
    [
      'src/core/time.ts',
      'src/ports/clock.ts',
      'src/adapters/kinesis/kpl.ts',
      'src/adapters/sqs/message.ts',
      'src/engine/group/key-group.ts',
      '.',
      '@aws-sdk/client-kinesis',
      '@aws-sdk/client-sqs',
      'node:crypto',
    ],
  ],
  // A package of its own.
  [
    'src/local/servers/',
    [
      'src/local/servers/',
      'src/local/mapping/',
      'src/local/closing.ts',
      'src/local/failure.ts',
      'src/core/time.ts',
      ANY_PACKAGE,
      COMPUTED,
    ],
  ],
  // What a run tells its page, folded: the server and the page share it.
  ['web/model/', ['web/model/']],
  ['web/view/', ['web/model/', 'web/view/', 'uplot']],
  ['web/build.ts', ['esbuild', 'node:']],
  ['src/local/http/', [...LOCAL, 'web/model/']],
  // Rules without I/O and time, which the servers, the local run and authors' tests share.
  ['src/local/mapping/', ['src/core/', 'src/local/mapping/']],
  ['src/local/', LOCAL],
  ['lib/loading.ts', ['node:', COMPUTED]],
  [
    'lib/',
    [
      'src/index.ts',
      'src/pipeline/',
      'src/plan/',
      'src/ports/telemetry.ts',
      'src/watch/',
      'src/wiring/',
      'lib/',
      'aws-cdk-lib',
      'constructs',
      'esbuild',
      'node:',
    ],
  ],
  ['functions/', ['src/index.ts', '.']],
  [
    'bin/',
    [
      '.',
      'src/index.ts',
      'src/commands/',
      'src/init/',
      'src/local/',
      'src/wiring/',
      'lib/',
      'functions/',
      ANY_PACKAGE,
    ],
  ],
];

/** The paths that the table has a line for. */
export const LINES: readonly string[] = TABLE.map(([of]) => of);

/** What a file imports: the specifiers of `import`, `export … from` and `import(…)`, types included. */
export function importsOf(text: string): string[] {
  const code = text.replaceAll(COMMENT, (match, comment) => (comment === undefined ? match : ' '));
  return [...code.matchAll(IMPORT)].map(({ groups }) => groups?.['from'] ?? groups?.['called'] ?? COMPUTED);
}

/** A comment, or a string that might hold what looks like one. */
const COMMENT =
  /(?:'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|(\/\*[\s\S]*?\*\/|\/\/[^\n]*)/g;
const IMPORT =
  /^[ \t]*(?:import|export)\b(?:[^'"`;()=]*?\bfrom\b)?\s*['"](?<from>[^'"\n]+)['"]|\bimport\s*\(\s*(?:['"`](?<called>[^'"`\n$]+)['"`]\s*[,)])?/gm;

/** Every import that the table does not allow, as one sentence each. */
export function violationsOf(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => {
    const rule = TABLE.find(([of]) => matches(of, path));
    if (rule === undefined) return [`${path} has no place in the table of imports`];
    return importsOf(text)
      .map((specifier) => targetOf(path, specifier))
      .filter((target) => !rule[1].some((allowed) => allows(allowed, path, target)))
      .map((target) => `${path} imports ${target}, but ${rule[0]} may not`);
  });
}

/** Files that import each other in a ring, each ring once, from its first file on. */
export function cyclesOf(sources: Sources): string[] {
  const rings = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]): void => {
    const ring = above.slice(above.indexOf(path));
    if (above.includes(path)) {
      const first = ring.indexOf(ring.toSorted()[0] as string);
      rings.add([...ring.slice(first), ...ring.slice(0, first), ring[first]].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const specifier of importsOf(sources.get(path) ?? ''))
      visit(targetOf(path, specifier), [...above, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return [...rings];
}

/** What the package calls its own files: `millrace/lambda`, and what begins with `#`. */
const {
  exports,
  imports,
}: Record<'exports' | 'imports', Readonly<Record<string, string>>> = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
);
const NAMED = new Map([
  ...Object.entries(exports).map(([name, file]) => [posix.join('millrace', name), file] as const),
  ...Object.entries(imports),
]);

/** What a specifier stands for: a path from the root, or a package. */
function targetOf(path: string, specifier: string): string {
  const named = NAMED.get(specifier);
  if (named !== undefined) return posix.normalize(named);
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier;
}

function allows(allowed: string, path: string, target: string): boolean {
  if (allowed === ANY_PACKAGE)
    return /^[a-z@]/.test(target) && !/^(src|lib|functions|bin|test|bench)\//.test(target);
  return matches(allowed === '.' ? `${posix.dirname(path)}/` : allowed, target);
}

const matches = (pattern: string, target: string): boolean =>
  target === pattern || target.startsWith(/[/:]$/.test(pattern) ? pattern : `${pattern}/`);
