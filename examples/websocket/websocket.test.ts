import { afterAll, beforeAll, expect, it } from 'vitest';
import { startServers } from '../../src/local/servers/servers.ts';
import { Random } from '../../src/simulation/random.ts';
import { send, type Told, watch } from './clients.ts';
import { serve } from './server.ts';

let server: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  server = await serve(startServers);
});
afterAll(() => server?.close());

const noon = Date.UTC(2026, 0, 5, 12);

it('tells each watcher the results of its user, all of them and no others, in order', async () => {
  const random = new Random(1);
  const rates = ['ada', 'bob', 'å/b+c'].map(
    (user) => [user, Array.from({ length: random.whole(6, 12) }, () => random.whole(50, 180))] as const,
  );
  const watchers = await Promise.all(rates.map(([user]) => watch(server.address, user)));
  await Promise.all(
    rates.map(([user, of]) =>
      send(
        server.address,
        user,
        of.map((bpm, n) => JSON.stringify({ bpm, at: noon + n })),
      ),
    ),
  );
  for (const [at, [user, of]] of rates.entries()) {
    const told = (await watchers[at]?.first(of.length)) as readonly Told[];
    const expected = of.map((_, n) => {
      const lastFive = of.slice(Math.max(0, n - 4), n + 1);
      const mean = lastFive.reduce((sum, bpm) => sum + bpm, 0) / lastFive.length;
      return [user, n, Math.round(mean * 1e9), Math.max(...lastFive)];
    });
    expect(
      told.map(({ key, index, results }) => [key, index, Math.round(results.mean * 1e9), results.max]),
    ).toEqual(expected);
    watchers[at]?.close();
  }
});

it('says what is wrong with a message, and takes a pulse as that of its connection', async () => {
  const watcher = await watch(server.address, 'eve');
  const wrong = 'Cannot take a pulse as bpm and at must be numbers';
  const messages = ['{', '{"bpm":"60"}', 'null', JSON.stringify({ user: 'ada', bpm: 60, at: noon })];
  expect(await send(server.address, 'eve', messages)).toEqual([wrong, wrong, wrong, 'taken']);
  expect((await watcher.first(1)).map(({ key }) => key)).toEqual(['eve']);
  watcher.close();
});
