import { flights } from '../../functions/flights/pipeline.ts';
import { bucket } from '../../src/index.ts';
import type { Ports } from '../../src/ports/index.ts';
import { readFlights } from './e2e-flights.ts';
import { runLocally } from './e2e-local.ts';

/**
 * Runs some flights with a data directory, in a process that kills itself at its `nth` call of a kind: before the call
 * takes effect, or after.
 */
const [dataDirectory, limit, call, moment, nth] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];

let calls = 0;
const killing = async <Result>(kind: string, effect: () => Promise<Result>): Promise<Result> => {
  const now = kind === call && ++calls === Number(nth);
  if (now && moment === 'before') process.kill(process.pid, 'SIGKILL');
  const result = await effect();
  if (now) process.kill(process.pid, 'SIGKILL');
  return result;
};

const decorate = (ports: Ports): Ports => ({
  ...ports,
  log: {
    ...ports.log,
    append: (name, entry) =>
      killing(name.startsWith('objects/') ? 'intent' : 'commit', () => ports.log.append(name, entry)),
  },
  objects: {
    ...ports.objects,
    create: (name, object) => killing('object', () => ports.objects.create(name, object)),
  },
});

const lines = readFlights(Number(limit)).map((flight) => JSON.stringify(flight));
await runLocally({ ...flights, sinks: [bucket()] }, lines, { dataDirectory, decorate, batchSize: 50 });
