import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVERS = join(ROOT, 'src/local/servers');

/**
 * Bundles a script that a test file starts many times, with what `startServersBeside` starts, and returns its path: each time,
 * tsx would take a processor for more than a second. The bundle is removed at the end of the file.
 */
export function bundled(script: URL): string {
  mkdirSync(join(ROOT, '.millrace'), { recursive: true });
  // Within the project, so that packages are found.
  const folder = mkdtempSync(join(ROOT, '.millrace/bundled-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  buildSync({
    absWorkingDir: ROOT,
    entryPoints: [fileURLToPath(script), join(SERVERS, 'servers.ts'), join(SERVERS, 'direct.ts')],
    entryNames: '[name]',
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: { millrace: './src/index.ts' },
    logLevel: 'error',
  });
  cpSync(join(SERVERS, 'thread.mjs'), join(folder, 'thread.mjs'));
  return join(folder, `${basename(script.pathname, '.ts')}.js`);
}
