import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { enterReport, shown } from '../report.ts';

/** Processes run in the folder of the benchmarks. */
const ROOT = join(process.cwd(), '..');
const GOAL = 30;

const modulesIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `./${folder}/${name}`);

/** An entry that keeps all that the modules export, of the same name or not. */
const all = (modules: readonly string[]): string =>
  modules.map((module, at) => `export * as m${at} from '${module}';`).join('\n');

async function sizeOf(name: string, code: string, goal?: number): Promise<string[]> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
  });
  const bytes = outputFiles[0]?.contents ?? new Uint8Array();
  const zipped = gzipSync(bytes, { level: 9 }).length / 1_000;
  const verdict = goal === undefined ? '' : zipped <= goal ? 'met' : 'missed';
  return [name, shown(bytes.length / 1_000), shown(zipped), goal === undefined ? '' : String(goal), verdict];
}

enterReport(async () => ({
  head: ['bundled and minified', 'KB', 'KB gzipped', 'goal', ''],
  rows: [
    await sizeOf('all of src/core', all(modulesIn('src/core')), GOAL),
    await sizeOf('all that an author imports: src/index.ts', "export * from './src/index.ts';"),
    await sizeOf(
      'a definition: functions/flights/pipeline.ts',
      "export * from './functions/flights/pipeline.ts';",
    ),
  ],
  faults: [],
}));
