import { expect, it } from 'vitest';
import { startServers } from '../../src/local/servers/servers.ts';
import { Random } from '../../src/simulation/random.ts';
import { type Balance, withBank } from './main.ts';
import type { Command } from './pipeline.ts';

it('reads what was written after each command, and counts one that is sent twice once', async () => {
  await withBank(async ({ send, balance }) => {
    const random = new Random(1);
    const balances = new Map<string, Balance>();
    const sent: Command[] = [];
    for (let n = 0; n < 12; n++) {
      const isRepeated = sent.length > 0 && random.chance(0.2);
      const command = isRepeated
        ? random.pick(sent)
        : {
            id: `c${n}`,
            account: random.pick(['ada', 'bob', 'eve/1']),
            cents: random.whole(1, 9_999) * random.pick([1, -1]),
            text: `movement ${n}`,
            at: new Date(Date.UTC(2026, 0, 5, 9, n)).toISOString(),
          };
      const { account, cents, text } = command;
      const before = balances.get(account) ?? { cents: 0, movements: 0, latest: '' };
      if (!isRepeated) {
        sent.push(command);
        balances.set(account, {
          cents: before.cents + cents,
          movements: before.movements + 1,
          latest: text,
        });
      }
      const answer = await send(command);
      if (!('atLeast' in answer)) throw new Error(`refused: ${answer.said}`);
      expect(await balance(account, answer.atLeast)).toEqual(balances.get(account));
    }
    expect(sent.length).toBeLessThan(12);
  }, startServers);
});

it('pushes balances that were true after a command', async () => {
  await withBank(async ({ send, balance, pushed }) => {
    const cents = (movements: number): number => (100 * movements * (movements + 1)) / 2;
    // What is pushed may be lost, so that it goes on until some were not.
    for (let n = 1; pushed.length < 2; n++) {
      const at = new Date(Date.UTC(2026, 0, 5, 9, n)).toISOString();
      const answer = await send({ id: `c${n}`, account: 'ada', cents: 100 * n, text: 'more', at });
      if ('atLeast' in answer) await balance('ada', answer.atLeast);
    }
    expect(pushed).toEqual(
      pushed.map(({ movements }) => ({ account: 'ada', cents: cents(movements), movements })),
    );
    expect(new Set(pushed.map(({ movements }) => movements)).size).toBe(pushed.length);
  }, startServers);
});

it('refuses a command that moves nothing', async () => {
  await withBank(async ({ send, balance }) => {
    const at = '2026-01-05T09:00:00.000Z';
    expect(await send({ id: 'c1', account: 'ada', cents: 0, text: 'nothing', at })).toEqual({
      said: 'Cannot move money as cents must be a whole number, not 0',
    });
    expect(await balance('ada')).toBe(undefined);
  }, startServers);
});
