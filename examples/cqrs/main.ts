import { createTally } from '../../src/commands/tally.ts';
import { serveApp } from '../../src/local/http/server.ts';
import { connect, disconnect } from '../../src/local/resources.ts';
import { type LocalOptions, startLocal } from '../../src/local/runtime.ts';
import { isStarted } from '../local-run.ts';
import { commandSide } from './commands.ts';
import { accounts, type Command } from './pipeline.ts';
import { type Pushed, watch } from './watch.ts';

/** The two sides, as a client has them. */
export interface Bank {
  /** Returns where the command is, or why it was refused. */
  send(command: Command): Promise<{ readonly atLeast: string } | { readonly said: string }>;
  /** Returns the balance of an account. With `atLeast`, the answer knows of that command. */
  balance(account: string, atLeast?: string): Promise<Balance | undefined>;
  /** The balances that were pushed so far: none twice, and perhaps not all. */
  readonly pushed: readonly Pushed[];
}

export interface Balance {
  readonly cents: number;
  readonly movements: number;
  readonly latest: string;
}

/** Runs both sides behind one address of this machine, for as long as a client works. */
export async function withBank(
  work: (bank: Bank) => Promise<void>,
  startServers?: LocalOptions['startServers'],
): Promise<void> {
  const runtime = await startLocal({ pipeline: accounts, telemetry: createTally(accounts), startServers });
  // Time passes from now on: there is no input whose end it waits for.
  runtime.clock.start();
  const clients = connect(runtime.endpoints);
  const app = commandSide(clients.kinesis, runtime.names.stream).route('/', runtime.query());
  const { address, close } = await serveApp(app);
  // The same server answers for S3 and for AppSync here.
  const watching = await watch(runtime.endpoints.s3.replace('http', 'ws'), '/panes/accounts/balance');
  try {
    await work({
      pushed: watching.pushed,
      async send(command) {
        const answer = await fetch(`${address}/commands`, { method: 'POST', body: JSON.stringify(command) });
        return (await answer.json()) as { atLeast: string };
      },
      async balance(account, atLeast) {
        const question = new URLSearchParams({
          key: account,
          window: 'balance',
          ...(atLeast && { atLeast }),
        });
        const answer = await fetch(`${address}/api/open?${question}`);
        const { windows } = (await answer.json()) as { windows?: readonly { results: Balance }[] };
        return windows?.[0]?.results;
      },
    });
  } finally {
    watching.close();
    await close();
    disconnect(clients);
    await runtime.close();
  }
}

const COMMANDS: readonly (readonly [account: string, cents: number, text: string])[] = [
  ['ada', 50_000, 'salary'],
  ['ada', -1_850, 'bread'],
  ['bob', 12_000, 'gift'],
  ['bob', 0, 'nothing'],
  ['ada', -20_000, 'rent'],
];

if (isStarted(import.meta.url)) {
  await withBank(async ({ send, balance }) => {
    for (const [n, [account, cents, text]] of COMMANDS.entries()) {
      const command = {
        id: `c${n}`,
        account,
        cents,
        text,
        at: new Date(Date.UTC(2026, 0, 5, 9, n)).toISOString(),
      };
      const answer = await send(command);
      const sent = `${account} ${text.padEnd(8)} ${(cents / 100).toFixed(2).padStart(8)}`;
      if ('said' in answer) console.log(`${sent}  refused: ${answer.said}`);
      else {
        const read = await balance(account, answer.atLeast);
        console.log(
          `${sent}  balance ${((read?.cents ?? 0) / 100).toFixed(2)} after ${read?.movements} movements`,
        );
      }
    }
  });
}
