import { send, watch } from './clients.ts';
import { serve } from './server.ts';

const BEGINS = Date.UTC(2026, 0, 5, 7);

const server = await serve();
const { address } = server;
const [ada, bob] = await Promise.all(['ada', 'bob'].map((user) => watch(address, user)));
const pulses = (rates: readonly number[]) =>
  rates.map((bpm, second) => JSON.stringify({ bpm, at: BEGINS + second * 1_000 }));

await Promise.all([
  send(address, 'ada', pulses([62, 63, 70, 88, 104, 121])),
  send(address, 'bob', pulses([81, 80, 80])),
  send(address, 'eve', pulses([55])),
]);
for (const [name, watcher, count] of [['ada', ada, 6] as const, ['bob', bob, 3] as const]) {
  for (const { key, results, count: of } of (await watcher?.first(count)) ?? [])
    console.log(
      `to ${name}'s watcher: ${key}, mean ${results.mean.toFixed(1)} of the last ${of}, at most ${results.max}`,
    );
  watcher?.close();
}
await server.close();
