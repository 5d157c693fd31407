import { startServersBeside } from '../../src/local/servers/servers.ts';
import type { Outlet } from '../../src/ports/outlet.ts';
import { readFlights } from './flights.ts';
import { runLocally } from './local.ts';
import { sending } from './sinks.ts';

/**
 * Runs some flights into sinks that send messages, with a data directory, in a process that says when it begins, and that
 * kills itself at the `nth` request of a sink, before it is sent or after, where it is told to.
 */
const [dataDirectory = '', limit, sink, moment, nth] = process.argv.slice(2);

let requests = 0;
const killing = (outlet: Outlet): Outlet => ({
  ...outlet,
  async send(messages, deadline) {
    const now = ++requests === Number(nth);
    if (now && moment === 'before') process.kill(process.pid, 'SIGKILL');
    const refused = await outlet.send(messages, deadline);
    if (now) process.kill(process.pid, 'SIGKILL');
    return refused;
  },
});

const lines = readFlights(Number(limit)).map((flight) => JSON.stringify(flight));
process.send?.('begun');
await runLocally(sending(dataDirectory), lines, {
  dataDirectory,
  // A dozen batches, so that there is something between any two moments.
  batchSize: Math.ceil(lines.length / 12),
  startServers: startServersBeside,
  decorate: ({ outlets = new Map(), ...ports }) => ({
    ...ports,
    outlets: new Map([...outlets].map(([name, outlet]) => [name, name === sink ? killing(outlet) : outlet])),
  }),
});
if (process.connected) process.disconnect();
