import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ListStreamsCommand } from '@aws-sdk/client-kinesis';
import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMoto } from '../adapters/contract-servers.ts';
import { clientsOf, environmentOf } from '../e2e/moto.ts';
import { ITEMS } from './items.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const ACCOUNT = '123456789012';
const hasMoto = spawnSync('moto_server', ['-h']).status === 0;
if (!hasMoto)
  console.info('Skipped: verify-on-aws, as there is no moto_server: pip install "moto[server]==5.2.1"');

describe.skipIf(!hasMoto)('npm run verify-on-aws, on moto', () => {
  let scratch: string;
  let moto: Awaited<ReturnType<typeof startMoto>>;
  let environment: Record<string, string>;
  let clients: ReturnType<typeof clientsOf>;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'millrace-verify-test-'));
    moto = await startMoto();
    environment = environmentOf(moto.endpoint, scratch);
    clients = clientsOf(moto.endpoint);
    await ended(start(['node_modules/aws-cdk/bin/cdk', 'bootstrap', `aws://${ACCOUNT}/us-east-1`]));
  }, 300_000);

  afterAll(async () => {
    await moto?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const start = (words: readonly string[]): ChildProcess =>
    spawn(process.execPath, words, { cwd: PROJECT, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });

  const verify = (...words: string[]): ChildProcess =>
    start(['--import', 'tsx', 'test/aws/verify.ts', ...words]);

  /** What a program says until it ends, and how it ends; `at` is called with all of it whenever it says more. */
  async function ended(child: ChildProcess, at: (said: string) => void = () => {}) {
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        said += chunk;
        at(said);
      });
    const [code] = await once(child, 'close');
    return { code, said };
  }

  /** What a stack would leave. */
  async function left(): Promise<readonly string[]> {
    const { TableNames = [] } = await clients.dynamo.send(new ListTablesCommand());
    const { StreamNames = [] } = await clients.kinesis.send(new ListStreamsCommand());
    const { Buckets = [] } = await clients.s3.send(new ListBucketsCommand());
    return [...TableNames, ...StreamNames, ...Buckets.map(({ Name = '' }) => Name)].filter(
      (name) => !name.startsWith('cdk-'),
    );
  }

  it('says what it does and what that costs, and does nothing unless it is told to', async () => {
    for (const [words, why] of [
      [[], 'Cannot verify as --account must be the account that is meant, of 12 digits: it is not given'],
      [
        ['--account', '12'],
        'Cannot verify as --account must be the account that is meant, of 12 digits: it is 12',
      ],
      [['--account', ACCOUNT], `Nothing is made without --yes, for account ${ACCOUNT} in us-east-1`],
      [
        ['--account', '111122223333', '--yes'],
        `Cannot verify as the credentials must be of account 111122223333: they are of ${ACCOUNT}`,
      ],
    ] as const) {
      const { code, said } = await ended(verify(...words));
      expect(said).toContain(why);
      for (const { name, dollars } of ITEMS) expect(said).toContain(`${name} ($${dollars.toFixed(2)}): `);
      expect(said).toMatch(/costs some \$\d\.\d\d/);
      expect(code).toBe(2);
    }
    expect(await left()).toEqual([]);
  }, 300_000);

  it('shows what moto can show, says why it leaves the rest out, and removes all', async () => {
    const { code, said } = await ended(verify('--account', ACCOUNT, '--yes'));
    for (const { name, notOnMoto } of ITEMS)
      expect(said).toContain(notOnMoto ? `left out: ${name}, as ${notOnMoto}` : `shown: ${name} (`);
    expect(said).not.toContain('NOT shown');
    expect(code).toBe(0);
    expect(await left()).toEqual([]);
  }, 600_000);

  it('removes what it has made where it is ended', async () => {
    const child = verify('--account', ACCOUNT, '--yes');
    let isEnding = false;
    const { code, said } = await ended(child, (said) => {
      if (isEnding || !said.includes('cdk deploy')) return;
      isEnding = true;
      child.kill('SIGINT');
    });
    expect(said).toContain('It is ended, and removes what it has made. Please wait.');
    expect(said).toContain('removed: the stack MillraceVerified');
    expect(code).toBe(130);
    expect(await left()).toEqual([]);
  }, 600_000);
});
