import module from 'node:module';

/** What a hook of Node's knows of a module, and what it answers, as far as it matters here. */
interface Context {
  readonly conditions: readonly string[];
}
interface Resolved {
  readonly url: string;
  readonly format?: string | null | undefined;
}

const TYPESCRIPT = /^file:(?!.*\/node_modules\/).*\.tsx?(?:\?|$)/;

const asEsModule = <Answer extends Resolved>(resolved: Answer, { conditions }: Context): Answer =>
  resolved.format === 'commonjs' && conditions.includes('import') && TYPESCRIPT.test(resolved.url)
    ? { ...resolved, format: 'module' }
    : resolved;

/**
 * The hook, as Node 20 calls it in a thread of its own.
 *
 * @public
 */
export const resolve = async <Answer extends Resolved>(
  specifier: string,
  context: Context,
  next: (specifier: string, context: Context) => Promise<Answer>,
): Promise<Answer> => asEsModule(await next(specifier, context), context);

/** The same in this thread, where Node can: there a hook of `register` would be asked after those that tsx has. */
interface Hooking {
  registerHooks?(hooks: {
    resolve(
      specifier: string,
      context: Context,
      next: (specifier: string, context: Context) => Resolved,
    ): Resolved;
  }): void;
}

let isDone = false;

/**
 * Has TypeScript files be ES modules from here on, as they are in the bundle for Lambda, whatever `package.json` stands above
 * them: without one that says so, tsx makes CommonJS of them, in which no `await` may stand at the top.
 */
export function importTypeScriptAsEsModules(): void {
  if (isDone) return;
  isDone = true;
  const { registerHooks } = module as Hooking;
  if (registerHooks === undefined) module.register(import.meta.url);
  else
    registerHooks({ resolve: (specifier, context, next) => asEsModule(next(specifier, context), context) });
}
