import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Returns what the compiler says of a copy of some of the project's folders, once `change` has changed files of it.
 *
 * @param options compiler options that differ from the project's own
 */
export function compiled(
  folders: readonly string[],
  change: (copy: string) => void,
  options: Readonly<Record<string, unknown>> = {},
): string {
  const copy = mkdtempSync(join(tmpdir(), 'millrace-compiled-'));
  try {
    for (const folder of folders) cpSync(join(PROJECT, folder), join(copy, folder), { recursive: true });
    change(copy);
    symlinkSync(join(PROJECT, 'node_modules'), join(copy, 'node_modules'));
    cpSync(join(PROJECT, 'package.json'), join(copy, 'package.json'));
    const config = {
      extends: join(PROJECT, 'tsconfig.json'),
      compilerOptions: options,
      include: folders,
    };
    writeFileSync(join(copy, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc');
    return spawnSync(process.execPath, [tsc], { encoding: 'utf8', cwd: copy }).stdout;
  } finally {
    rmSync(copy, { recursive: true });
  }
}
