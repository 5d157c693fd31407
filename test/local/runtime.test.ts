import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { createTally } from '../../src/commands/tally.ts';
import { startLocal } from '../../src/local/runtime.ts';
import { type Ask, answerAt, askAt } from '../../src/local/servers/direct.ts';
import { startServers, startServersBeside } from '../../src/local/servers/servers.ts';
import { meters } from '../e2e/meters.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-runtime-'));
const dataDirectory = join(folder, 'data');
afterEach(() => rmSync(dataDirectory, { recursive: true, force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const TSX = import.meta.resolve('tsx');

const REQUEST = { method: 'POST', url: '/', headers: {}, body: new Uint8Array() };
const REFUSED = {
  statusCode: 400,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: JSON.stringify({ __type: 'com.amazon#ValidationException', message: 'refused in this test' }),
};

/** Starts a run that may ask DynamoDB for an operation only once `before` has let it through. */
const startRun = (operation: string, before: Ask, start = startServers) =>
  startLocal({
    pipeline: meters,
    telemetry: createTally(meters),
    dataDirectory,
    async startServers(options) {
      const servers = await start(options);
      return {
        ...servers,
        ask: (service, asked) =>
          service === 'dynamodb' && asked.headers['x-amz-target']?.endsWith(`.${operation}`)
            ? before(service, asked)
            : servers.ask(service, asked),
      };
    },
  });

/** Another run may take the directory. */
async function expectFree(): Promise<void> {
  await (await startServers({ dataDirectory })).close();
}

describe('a local run that cannot be started', () => {
  // A run makes its tables, waits until they are active, and looks for what the directory was used for.
  it.each(['CreateTable', 'DescribeTable', 'Query'])(
    'says so where %s fails, and closes what it has opened',
    async (operation) => {
      await expect(startRun(operation, async () => REFUSED)).rejects.toThrow('refused in this test');
      await expectFree();
    },
  );

  it('closes its servers even where its clock cannot be written any more', async () => {
    const failing = startRun('CreateTable', async () => {
      const file = join(dataDirectory, 'clock.json');
      rmSync(file, { recursive: true });
      mkdirSync(file);
      return REFUSED;
    });
    await expect(failing).rejects.toThrow('refused in this test');
    await expectFree();
  });

  it('says so where the thread of its servers ends while it waits for an answer', async () => {
    const started = once(process, 'worker');
    let ask: Ask;
    const failing = startRun(
      'Query',
      async (...asked) => {
        const [thread] = (await started) as [Worker];
        void thread.terminate();
        return ask(...asked);
      },
      async (options) => {
        const servers = await startServersBeside(options);
        ask = servers.ask;
        return servers;
      },
    );
    await expect(failing).rejects.toThrow(
      'Cannot ask the servers of this machine as their thread must run: it has ended',
    );
    await expectFree();
  });
});

describe('the thread of the servers', () => {
  it('that ends before it says where they listen is told by its exit code', async () => {
    const starting = startServersBeside({});
    const [thread] = (await once(process, 'worker')) as [Worker];
    await thread.terminate();
    await expect(starting).rejects.toThrow(
      /^Cannot start the servers as their thread must say where they listen: it ended, with exit code \d+$/,
    );
  });

  it('does not keep a process alive that has not closed it, and waits for nothing', async () => {
    const servers = new URL('../../src/local/servers/servers.ts', import.meta.url);
    const script = join(folder, 'unclosed.mjs');
    writeFileSync(
      script,
      `import { startServersBeside } from '${servers}';
      const { ask } = await startServersBeside({});
      const { statusCode } = await ask('dynamodb', { method: 'POST', url: '/', headers: {}, body: new Uint8Array() });
      console.log(statusCode);`,
    );
    const child = spawn(process.execPath, ['--import', TSX, script]);
    const [[exitCode], answer] = await Promise.all([once(child, 'exit'), text(child.stdout)]);
    expect({ exitCode, answer }).toEqual({ exitCode: 0, answer: '400\n' });
  });
});

describe('a port', () => {
  it('passes on why the server at its other end fails', async () => {
    const { port1, port2 } = new MessageChannel();
    answerAt(port2, async () => {
      throw new Error('no answer in this test');
    });
    await expect(askAt(port1)('s3', REQUEST)).rejects.toThrow('no answer in this test');
    port2.close();
  });

  it('fails what waits for an answer, and all that is asked from then on, once its other end is closed', async () => {
    const { port1, port2 } = new MessageChannel();
    const ask = askAt(port1);
    answerAt(port2, async () => {
      port2.close();
      return new Promise(() => {});
    });
    for (let times = 0; times < 2; times++) {
      await expect(ask('s3', REQUEST)).rejects.toThrow(/must run: it has ended$/);
    }
  });
});
