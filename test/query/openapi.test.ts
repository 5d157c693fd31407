import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { bucket, type Pipeline } from '../../src/index.ts';
import { openApiOf } from '../../src/query/openapi.ts';
import { measured } from './asked.ts';

const REDOCLY = fileURLToPath(new URL('../../node_modules/@redocly/cli/bin/cli.js', import.meta.url));
const QUIET = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };

/** What the linter of OpenAPI says of some descriptions. */
function lint(descriptions: readonly object[]): { readonly status: number | null; readonly said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-openapi-'));
  try {
    const files = descriptions.map((description, at) => {
      const file = join(folder, `${at}.json`);
      writeFileSync(file, JSON.stringify(description));
      return file;
    });
    const options = { encoding: 'utf8', env: { ...process.env, ...QUIET }, cwd: folder } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [REDOCLY, 'lint', ...files], options);
    return { status, said: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it('is a description of which the linter has nothing to say, signed or not, with rows or without', () => {
  const bare = { ...flights, sinks: [bucket()] } as Pipeline;
  const descriptions = [flights, measured, bare].flatMap((pipeline) =>
    [true, false].map((isSigned) => openApiOf(pipeline as Pipeline, isSigned)),
  );
  const { status, said } = lint(descriptions);
  // It numbers what it has to say.
  expect(said).not.toMatch(/\[\d+\]/);
  expect(status).toBe(0);
});

it('is refused by the linter where it is wrong', () => {
  const { info: _, ...without } = openApiOf(flights as Pipeline, true);
  expect(lint([without]).status).toBe(1);
});

it('names the windows that can be listed', () => {
  const { paths } = openApiOf(measured as Pipeline, false) as unknown as {
    paths: Record<string, { get: { parameters: { name: string; schema: { enum?: string[] } }[] } }>;
  };
  const windowsOf = (path: string) =>
    paths[path]?.get.parameters.find(({ name }) => name === 'window')?.schema.enum;
  expect(windowsOf('/api/panes')).toEqual(['minute', 'twoMinutes', 'visits', 'byThree']);
  expect(windowsOf('/api/latest')).toEqual([
    'minute',
    'twoMinutes',
    'visits',
    'byThree',
    'lastThree',
    'near',
    'all',
  ]);
});
