import { startServersBeside } from '../../src/local/servers/servers.ts';
import { runChain } from './chain.ts';
import { readFlights } from './flights.ts';

/** Runs the chain over some flights with a data directory, in a process that says when it begins. */
const [dataDirectory = '', limit] = process.argv.slice(2);
const lines = readFlights(Number(limit)).map((flight) => JSON.stringify(flight));
process.send?.('begun');
await runChain(lines, { dataDirectory, startServers: startServersBeside });
if (process.connected) process.disconnect();
