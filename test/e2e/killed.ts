import { flights } from '../../functions/flights/pipeline.ts';
import { bucket } from '../../src/index.ts';
import { pipelineOver } from '../../src/local/over.ts';
import { startServersBeside } from '../../src/local/servers/servers.ts';
import type { Ports } from '../../src/ports/index.ts';
import { readFlights } from './flights.ts';
import { patiently, runLocally } from './local.ts';

/**
 * Runs some flights with a data directory, into the bucket alone or into every sink, in a process that says when it begins,
 * and that kills itself at its `nth` call of a kind, before the call takes effect or after, where it is told to.
 */
const [dataDirectory, sinks, limit, call, moment, nth, kind = 'kinesis'] = process.argv.slice(2) as [
  string,
  'bucket' | 'every sink',
  string,
  string?,
  string?,
  string?,
  ('kinesis' | 'sqs' | 'kafka' | 'rabbitmq')?,
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

const whole = sinks === 'bucket' ? { ...flights, sinks: [bucket()] } : flights;
// What comes again without order would be late else.
const hasOrder = kind === 'kinesis' || kind === 'kafka';
const { pipeline } = pipelineOver(hasOrder ? whole : patiently(whole), kind);
const lines = readFlights(Number(limit)).map((flight) => JSON.stringify(flight));
process.send?.('begun');
// A dozen batches, so that there is something between any two moments.
const batchSize = Math.ceil(lines.length / 12);
await runLocally(pipeline, lines, { dataDirectory, decorate, batchSize, startServers: startServersBeside });
if (process.connected) process.disconnect();
