import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * How long a bundle may take to load. Lambda gives a function 10 s. This limit only ends a bundle that hangs,
 * also on a slow machine.
 */
const PATIENCE_MILLIS = 60_000;

/** The variables that Lambda itself sets and that a function reads while it loads. */
const LAMBDA = { AWS_REGION: 'us-east-1', AWS_LAMBDA_FUNCTION_NAME: 'any', TZ: ':UTC' };

/**
 * Loads a bundle once, in a process of its own, as Lambda would: with the variables of its function and no
 * others, away from any `node_modules`. The process has no network, so that no service is called while a
 * stack is synthesized. A connection that the bundle opens without waiting for it does no harm.
 *
 * @param bundle an `index.mjs` that `bundle` wrote, with its map
 * @param environment the variables of the function
 * @throws Error with the reason, such as a missing import, and the lines of the sources that led to it
 */
export function checkLoading(bundle: string, environment: Readonly<Record<string, string>>): void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-loading-'));
  try {
    const copy = join(folder, 'index.mjs');
    copyFileSync(bundle, copy);
    const map = JSON.parse(readFileSync(`${bundle}.map`, 'utf8'));
    // With this root, stack frames say where the sources are on this machine.
    writeFileSync(
      `${copy}.map`,
      JSON.stringify({ ...map, sourceRoot: pathToFileURL(join(process.cwd(), '/')).href }),
    );
    const { status, output, error } = spawnSync(
      process.execPath,
      ['--enable-source-maps', '--input-type=module', '--eval', LOAD, pathToFileURL(copy).href],
      {
        cwd: folder,
        env: { ...LAMBDA, ...environment },
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
        timeout: PATIENCE_MILLIS,
        encoding: 'utf8',
      },
    );
    const said = output?.[3] ?? '';
    if (said === LOADED) return;
    const reason = said ? reasonOf(said) : (error?.message ?? endOf(status));
    throw new Error(
      `Cannot use the bundle of a function as it must load in Lambda: ${reason} ` +
        `(tried on Node ${process.version})`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const LOADED = 'loaded';

/**
 * The script of the other process. It reports on a pipe of its own, to which nothing that the bundle prints
 * can go.
 */
const LOAD = `
  import { writeSync } from 'node:fs';
  import { Socket } from 'node:net';

  const say = (text) => {
    writeSync(3, text);
    process.reallyExit();
  };
  const offlineIn = (error) => (error?.code === 'OFFLINE' ? error : error?.cause && offlineIn(error.cause));
  const fail = (error) => {
    const offline = offlineIn(error);
    say((offline ? offline.message + '\\n' : '') + (error?.stack ?? 'it throws what is no error'));
  };
  const failLater = (error) => {
    if (!offlineIn(error)) fail(error);
  };

  Socket.prototype.connect = function (...given) {
    const [to, host] = given.flat();
    const address = typeof to === 'object' ? (to.path ?? to.host + ':' + to.port) : host + ':' + to;
    const message = 'it waits for ' + address + ', and is loaded without a network';
    return this.destroy(Object.assign(new Error(message), { code: 'OFFLINE' }));
  };
  process.on('uncaughtException', failLater);
  process.on('unhandledRejection', failLater);
  const bundle = await import(process.argv[1]).catch(fail);
  if (typeof bundle.handler === 'function') say('${LOADED}');
  say('it must export a function "handler", and exports ' + Object.keys(bundle).join(', '));
`;

/**
 * Returns the first line of the report, and the places in sources that the frames of its stack name, the
 * innermost first.
 */
function reasonOf(said: string): string {
  const [message = '', ...lines] = said.split('\n');
  const places = lines.flatMap((line) => {
    const [, place] = /^ {4}at (?:.* \()?((?:file:\/\/)?\/[^()]+\.[cm]?[jt]sx?:\d+:\d+)\)?$/.exec(line) ?? [];
    if (place === undefined || place.includes('millrace-loading-')) return [];
    return place.startsWith('file:') ? fileURLToPath(place) : place;
  });
  return places.length > 0 ? `${message}, at ${[...new Set(places)].join(', ')}` : message;
}

/** Says how a process ended that reported nothing. */
const endOf = (status: number | null): string =>
  status === UNSETTLED ? 'it waits for what never comes' : `it ends the process, with exit code ${status}`;

/** The exit code with which Node ends when the main module still waits and nothing is left to run. */
const UNSETTLED = 13;
