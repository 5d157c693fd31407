import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTally } from '../../src/commands/tally.ts';
import { type HttpServer, serveApp } from '../../src/local/http/server.ts';
import { replay } from '../../src/local/replay.ts';
import { type LocalRuntime, startLocal } from '../../src/local/runtime.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { at } from '../engine/scene.ts';
import { measured } from '../query/asked.ts';
import { inputOf } from './local.ts';

/** The form of the token of an answer. */
const TOKEN_PATTERN = '^\\d{1,15}-\\d{1,6}-\\d{1,4}-\\d{1,15}$';
const { MILLRACE_SCHEMA_EXAMPLES = '30' } = process.env;
const KEYS = ['pump', 'a/b', 'a+b c', '🚰 ä', '100%2F', 'a&b=c#d?e@f', '..', 'ü'.repeat(512)];

const hasSchemathesis = spawnSync('schemathesis', ['--version']).status === 0;
if (!hasSchemathesis)
  console.info(
    'Skipped: the contract of the query API, as there is no schemathesis: pip install schemathesis==4.32.5',
  );

describe('the query API of a local run', () => {
  let runtime: LocalRuntime;
  let server: HttpServer;
  beforeAll(async () => {
    const tally = createTally(measured);
    runtime = await startLocal({ pipeline: measured, telemetry: tally, startServers, decorate: tally.watch });
    const lines = KEYS.flatMap((machine) =>
      Array.from({ length: 12 }, (_, n) => JSON.stringify({ machine, at: at(n, 10), celsius: n })),
    );
    await replay(runtime, { input: inputOf(lines) });
    server = await serveApp(runtime.query());
  });
  afterAll(async () => {
    await server?.close();
    await runtime?.close();
  });

  const ask = async (path: string) => {
    const response = await fetch(`${server.address}/api/${path}`);
    return { status: response.status, body: JSON.parse(await response.text()) };
  };

  it.each(KEYS)('finds a key however it is written: %s', async (key) => {
    const encoded = encodeURIComponent(key);
    const { status, body } = await ask(`latest?window=minute&key=${encoded}`);
    expect(status).toBe(200);
    expect(body.pane).toMatchObject({ key, revision: 0, count: 1, start: '2026-01-05T12:11:00.000Z' });
    expect((await ask(`open?window=all&key=${encoded}`)).body.windows[0].results).toEqual({ n: 12 });
  });

  it('pages through the rows of a key', async () => {
    for (const order of ['asc', 'desc']) {
      const starts: string[] = [];
      let page = '';
      do {
        const { body } = await ask(`panes?key=pump&window=minute&order=${order}&limit=5${page}`);
        starts.push(...body.panes.map(({ start }: { start: string }) => start.slice(11, 16)));
        page = body.next ? `&page=${body.next}` : '';
      } while (page !== '');
      const all = Array.from({ length: 12 }, (_, n) => `12:${String(n).padStart(2, '0')}`);
      expect(starts).toEqual(order === 'asc' ? all : all.reverse());
    }
  });

  it('lists all keys', async () => {
    const { body } = await ask('keys');
    expect(body.keys.map(({ key }: { key: string }) => key).sort()).toEqual(KEYS.toSorted());
  });

  it.skipIf(!hasSchemathesis)('keeps the contract that it describes', { timeout: 300_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-contract-'));
    try {
      // A key that there is, without which most questions have no result. No page is made up: a made-up one is refused.
      const description = (await ask('openapi.json')).body;
      for (const { get } of Object.values(description.paths) as { get: { parameters: Parameter[] } }[]) {
        get.parameters = get.parameters.filter(({ name }) => name !== 'page');
        for (const parameter of get.parameters) {
          if (parameter.name === 'key') parameter.example = 'pump';
          // A record that is made up would be waited for in vain.
          if (parameter.name === 'atLeast') parameter.schema = { type: 'string', pattern: TOKEN_PATTERN };
        }
      }
      writeFileSync(join(folder, 'openapi.json'), JSON.stringify(description));
      const { stdout } = await promisify(execFile)(
        'schemathesis',
        [
          ...['run', join(folder, 'openapi.json'), '--url', server.address],
          ...['--checks', 'all', '--phases', 'examples,coverage,fuzzing', '--seed', '1'],
          ...['--max-examples', MILLRACE_SCHEMA_EXAMPLES, '--generation-database', 'none', '--no-color'],
        ],
        { cwd: folder, timeout: 280_000 },
      ).catch((error) => {
        throw new Error(`Schemathesis says:\n${error.stdout}\n${error.stderr}`);
      });
      expect(stdout).toContain('No issues found');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

interface Parameter {
  readonly name: string;
  schema: object;
  example?: string;
}
