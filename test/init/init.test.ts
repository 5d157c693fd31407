import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { init, TEMPLATE_NAMES } from '../../src/init/init.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-init-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A folder with some files in it. */
function folder(name: string, ...files: readonly string[]): string {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  for (const file of files) writeFileSync(join(path, file), '');
  return path;
}

const read = (...path: readonly string[]): string => readFileSync(join(...path), 'utf8');

describe('an app', () => {
  it.each(TEMPLATE_NAMES)('has a pipeline, its test and its records: %s', (template) => {
    const app = join(scratch, `new-${template}`);
    expect(init(app, template)).toContain(`cd ${app}\n  npm install\n  npm start\n  npm test\n`);
    const files = readdirSync(app, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(files.map(({ name }) => name).sort()).toEqual(
      [
        '.gitignore',
        'README.md',
        'app.ts',
        'cdk.json',
        'deploy.yml',
        'package.json',
        'pipeline.lock.json',
        'pipeline.ts',
        'tsconfig.json',
        `${template}.ndjson`,
        `${template}.test.ts`,
      ].sort(),
    );
    expect(read(app, 'README.md')).not.toContain('{{');
  });

  it('pins what it is developed with, and is called like its folder', () => {
    const app = folder('My First App');
    init(app);
    const { name, dependencies, devDependencies } = JSON.parse(read(app, 'package.json'));
    expect(name).toBe('my-first-app');
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)))).toEqual([]);
  });

  it('may be made where git has been before', () => {
    mkdirSync(join(folder('cloned'), '.git'));
    expect(init(join(scratch, 'cloned'))).toContain('Made cloned');
  });
});

describe('an app is refused', () => {
  it('in a folder that holds something, which stays as it is', () => {
    const full = folder('full', 'notes.md', 'plan.md', 'photo.jpg');
    expect(() => init(full)).toThrow(
      `Cannot make an app in "${full}" as it must be an empty folder: it holds notes.md and 2 more`,
    );
    expect(readdirSync(full)).toHaveLength(3);
  });

  it('in a file', () => {
    const file = join(folder('of-files', 'notes.md'), 'notes.md');
    expect(() => init(file)).toThrow(
      `Cannot make an app in "${file}" as it must be an empty folder: not a directory`,
    );
  });

  it('of a template that there is not', () => {
    expect(() => init(join(scratch, 'never'), 'sensor')).toThrow(
      'Cannot begin with the template "sensor" as it must be one of sensors, trades, clicks',
    );
    expect(readdirSync(scratch)).not.toContain('never');
  });
});
