import { startServersBeside } from '../../src/local/servers/servers.ts';
import { runLocally } from './local.ts';
import { meters, readings } from './meters.ts';

/** Runs some readings with a data directory, in a process that says when it has sent so many, and ends when it is told to. */
const [dataDirectory, length, speed, places] = process.argv.slice(2) as [string, string, string, string];

const interrupted = new AbortController();
process.once('message', () => interrupted.abort());
const told = new Set(places.split(',').map(Number));
try {
  await runLocally(meters, readings(Number(length)), {
    dataDirectory,
    startServers: startServersBeside,
    speed: Number(speed) || undefined,
    timePasses: Number(speed) > 0,
    signal: interrupted.signal,
    onSent: (sent) => told.has(sent) && process.send?.('there'),
  });
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
}
process.disconnect();
