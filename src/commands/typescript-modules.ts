import { existsSync, readFileSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/wasm-typescript';

/** What a hook of Node's knows of a module, and what it answers, as far as it matters here. */
interface Context {
  readonly conditions: readonly string[];
  readonly parentURL?: string | undefined;
}
interface Resolved {
  readonly url: string;
  readonly format?: string | null | undefined;
}
interface Loaded {
  readonly format: string | null | undefined;
  readonly source?: unknown;
  readonly shortCircuit?: boolean;
}

const TYPESCRIPT = /^file:(?!.*\/node_modules\/).*\.m?tsx?(?:\?|$)/;

/** What a compiler would find under the name of an import: beside it, or in the place of the JavaScript that would be made of it. */
const CANDIDATES: readonly (readonly [name: RegExp, file: string])[] = [
  [/\.js$/, '.ts'],
  [/\.mjs$/, '.mts'],
  [/$/, '.ts'],
  [/\/?$/, '/index.ts'],
];

/** The file that TypeScript means by a relative import, where there is none of that very name. */
function meant(specifier: string, { parentURL }: Context): string {
  if (parentURL === undefined || !TYPESCRIPT.test(parentURL) || !/^\.{1,2}\//.test(specifier))
    return specifier;
  const { href } = new URL(specifier, parentURL);
  const files = [href, ...CANDIDATES.map(([name, file]) => href.replace(name, file))];
  return files.find((file) => /\.\w+$/.test(file) && existsSync(fileURLToPath(file))) ?? specifier;
}

const asEsModule = <Answer extends Resolved>(resolved: Answer, { conditions }: Context): Answer =>
  conditions.includes('import') && TYPESCRIPT.test(resolved.url)
    ? { ...resolved, format: 'module' }
    : resolved;

/** How SWC reports what is no TypeScript. */
interface Unparsed {
  readonly message: string;
  readonly startLine: number;
  readonly startColumn: number;
}

/** A TypeScript file as JavaScript, without the imports that only types are made of, and with the way back to its lines. */
function javaScriptOf(url: string): string {
  const filename = fileURLToPath(url);
  const options = { mode: 'transform', module: true, sourceMap: true, filename } as const;
  const text = readFileSync(filename, 'utf8');
  try {
    const { code, map = '' } = transformSync(text, options);
    return `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}`;
  } catch (error) {
    const { message, startLine, startColumn } = error as Unparsed;
    // What else would have been right there is a list of all that the language has.
    const [fault] = message.split('. Expected ');
    throw new SyntaxError(`${filename}:${startLine}:${startColumn + 1}: ERROR: ${fault}`, { cause: error });
  }
}

const loaded = (url: string, { format }: { readonly format?: string | null }): Loaded | undefined =>
  format === 'module' && TYPESCRIPT.test(url)
    ? { format, source: javaScriptOf(url), shortCircuit: true }
    : undefined;

/**
 * The hooks, as Node 20 calls them in a thread of its own.
 *
 * @public
 */
export const resolve = async <Answer extends Resolved>(
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => Promise<Answer>,
): Promise<Answer> => asEsModule(await next(meant(specifier, context), context), context);

/** @public */
export const load = async <LoadContext extends { readonly format?: string | null }>(
  url: string,
  context: LoadContext,
  next: (url: string, context: LoadContext) => Promise<Loaded>,
): Promise<Loaded> => loaded(url, context) ?? next(url, context);

/** The same in this thread, where Node can: there a hook of `register` would be asked after those that others have. */
interface Hooking {
  registerHooks?(hooks: {
    resolve(
      specifier: string,
      context: Context,
      next: (specifier: string, context: Context) => Resolved,
    ): Resolved;
    load<LoadContext extends { readonly format?: string | null }>(
      url: string,
      context: LoadContext,
      next: (url: string, context: LoadContext) => Loaded,
    ): Loaded;
  }): void;
}

let isDone = false;

/**
 * Has TypeScript files be loaded from here on, as ES modules, whatever `package.json` stands above them: as they are in the bundle
 * for Lambda, where an `await` may stand at the top and an import may leave the extension out.
 *
 * Every Node does so by the parser that newer ones have built in, which alone are asked for nothing: Node 20 has none, and the
 * others know neither enums nor imports without their extension.
 */
export function importTypeScriptAsEsModules(): void {
  if (isDone) return;
  isDone = true;
  process.setSourceMapsEnabled(true);
  const { registerHooks } = module as Hooking;
  if (registerHooks === undefined) module.register(import.meta.url);
  else
    registerHooks({
      resolve: (specifier, context, next) => asEsModule(next(meant(specifier, context), context), context),
      load: (url, context, next) => loaded(url, context) ?? next(url, context),
    });
}
