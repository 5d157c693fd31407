/**
 * Deploys a pipeline to an account of AWS, shows item by item what nothing but an account can show, and removes it.
 *
 * `npm run verify-on-aws -- --account <id> [--region <region>] [--yes]`; `--clean-up` only removes what an earlier run
 * has left. See docs/verify-on-aws.md.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { type Account, accountIn, empty, identityOf } from './account.ts';
import { ITEMS, type Item } from './items.ts';

const PROJECT = join(import.meta.dirname, '../..');
const STACK = 'MillraceVerified';

/** What is paid for half an hour of the stack, whatever is checked: a shard, a secret, metrics. */
const STANDING_DOLLARS = 0.05;

const ENDED = new Error('It was ended');

/** What keeps a run from beginning, for whoever began it. */
class RefusedError extends Error {}

interface Asked {
  readonly account: string;
  readonly region: string;
  readonly onlyCleanUp: boolean;
}

const plan = (): string => {
  const total = STANDING_DOLLARS + ITEMS.reduce((sum, { dollars }) => sum + dollars, 0);
  return [
    ...ITEMS.map(
      ({ name, shows, how, dollars }) => `  ${name} ($${dollars.toFixed(2)}): ${shows}. It ${how}.`,
    ),
    `It takes some 20 minutes, and costs some $${total.toFixed(2)}, of which $${STANDING_DOLLARS.toFixed(2)} is for what is deployed.`,
  ].join('\n');
};

/** @throws RefusedError when something must be said or agreed to first */
function asked(words: readonly string[]): Asked {
  const { values } = parseArgs({
    args: [...words],
    options: {
      account: { type: 'string' },
      region: { type: 'string' },
      yes: { type: 'boolean', default: false },
      'clean-up': { type: 'boolean', default: false },
    },
  });
  const { account, region = process.env['AWS_REGION'], yes } = values;
  if (account === undefined || !/^\d{12}$/.test(account)) {
    throw new RefusedError(
      `Cannot verify as --account must be the account that is meant, of 12 digits: it is ${account ?? 'not given'}`,
    );
  }
  if (region === undefined)
    throw new RefusedError('Cannot verify as --region, or AWS_REGION, must be a region: neither is given');
  if (!yes) throw new RefusedError(`Nothing is made without --yes, for account ${account} in ${region}`);
  return { account, region, onlyCleanUp: values['clean-up'] };
}

async function main(words: readonly string[]): Promise<number> {
  console.log(plan());
  const { account: meant, region, onlyCleanUp } = asked(words);
  const ending = new AbortController();
  const end = () => {
    if (!ending.signal.aborted) console.log('\nIt is ended, and removes what it has made. Please wait.');
    ending.abort(ENDED);
  };
  process.on('SIGINT', end).on('SIGTERM', end);
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-verify-'));
  const outputsFile = join(scratch, 'outputs.json');
  const before = accountIn(region, {}, ending.signal);
  const verdicts: Verdict[] = [];
  try {
    const identity = await identityOf(before);
    if (identity !== meant) {
      throw new RefusedError(
        `Cannot verify as the credentials must be of account ${meant}: they are of ${identity}`,
      );
    }
    try {
      if (!onlyCleanUp) {
        await cdk(
          [
            'deploy',
            STACK,
            '--method',
            'direct',
            '--require-approval',
            'never',
            '--outputs-file',
            outputsFile,
          ],
          meant,
          region,
          scratch,
          ending.signal,
        );
        const { [STACK]: outputs = {} } = JSON.parse(readFileSync(outputsFile, 'utf8'));
        const account = accountIn(region, outputs, ending.signal);
        for (const item of ITEMS) verdicts.push(await verdictOn(item, account, ending.signal));
        account.close();
      }
    } catch (cause) {
      if (!ending.signal.aborted) throw cause;
    } finally {
      await cleanUp(meant, region, scratch);
    }
  } finally {
    before.close();
    rmSync(scratch, { recursive: true, force: true });
    process.off('SIGINT', end).off('SIGTERM', end);
  }
  if (ending.signal.aborted) return 130;
  const count = (wanted: Verdict) => verdicts.filter((verdict) => verdict === wanted).length;
  if (!onlyCleanUp)
    console.log(
      `${count('shown')} items were shown, ${count('left out')} left out, ${count('NOT shown')} not shown.`,
    );
  return count('NOT shown') === 0 ? 0 : 1;
}

type Verdict = 'shown' | 'NOT shown' | 'left out';

/** Checks an item, and says what was seen. */
async function verdictOn(
  { name, notOnMoto, check }: Item,
  account: Account,
  signal: AbortSignal,
): Promise<Verdict> {
  const say = (verdict: Verdict, what: string): Verdict => {
    console.log(`${verdict}: ${name}${what}`);
    return verdict;
  };
  if (process.env['AWS_ENDPOINT_URL'] !== undefined && notOnMoto !== undefined)
    return say('left out', `, as ${notOnMoto}`);
  const begun = performance.now();
  const seconds = () => `${Math.round((performance.now() - begun) / 1_000)} s`;
  try {
    const seen = await check(account);
    return say('shown', ` (${seconds()}): ${seen}`);
  } catch (cause) {
    signal.throwIfAborted();
    return say('NOT shown', ` (${seconds()}): ${(cause as Error).message}`);
  }
}

/** Empties the buckets of the stack and destroys it, also where its deployment was ended half-way. */
async function cleanUp(account: string, region: string, scratch: string): Promise<void> {
  // Nothing ends this but itself.
  const calm = new AbortController().signal;
  const asking = accountIn(region, {}, calm);
  try {
    for (const bucket of await bucketsOfStack(asking)) {
      const deleted = await empty(asking, bucket);
      console.log(`removed: ${deleted} versions of objects in ${bucket}`);
    }
    await cdk(['destroy', STACK, '--force'], account, region, scratch, calm);
    const left = await bucketsOfStack(asking);
    if (left.length > 0) throw new Error(`Cannot remove all: the buckets ${left.join(', ')} are left`);
    console.log(`removed: the stack ${STACK}`);
  } finally {
    asking.close();
  }
}

/** The buckets of the stack, which CloudFormation names after it. */
async function bucketsOfStack({ s3 }: Pick<Account, 's3'>): Promise<readonly string[]> {
  const { Buckets = [] } = await s3.send(new ListBucketsCommand());
  return Buckets.flatMap(({ Name = '' }) => (Name.startsWith(`${STACK.toLowerCase()}-`) ? Name : []));
}

/** Runs the CDK's command line; in a group of its own, so that Ctrl-C ends this program alone, which ends it then. */
async function cdk(
  words: readonly string[],
  account: string,
  region: string,
  scratch: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  console.log(`cdk ${words.slice(0, 2).join(' ')} …`);
  const child = spawn(
    process.execPath,
    [
      join(PROJECT, 'node_modules/aws-cdk/bin/cdk'),
      ...words,
      '--app',
      `"${process.execPath}" --import tsx test/aws/app.ts`,
      '--output',
      join(scratch, 'cdk.out'),
    ],
    {
      cwd: PROJECT,
      env: { ...process.env, AWS_REGION: region, CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    },
  );
  const said: string[] = [];
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  const stop = () => process.kill(-(child.pid as number), 'SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  const [code] = await once(child, 'close');
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`cdk ${words[0]} ended with ${code}: ${said.join('').slice(-2_000)}`);
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  console.error(error instanceof RefusedError ? error.message : error);
  return error instanceof RefusedError ? 2 : 1;
});
