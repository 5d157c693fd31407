import type { DynamoDBClient, ServiceInputTypes } from '@aws-sdk/client-dynamodb';
import { dynamoCommitLog } from '../../src/adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../../src/adapters/dynamodb/progress.ts';
import { memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { processHandler } from '../../src/handlers.ts';
import { costOf, LIST, type PriceName } from '../../src/plan/prices.ts';
import type { ObjectStore } from '../../src/ports/stores.ts';
import { type Stream, streamOf } from '../data.ts';
import { eventOf } from '../event.ts';
import { type Measurable, ROLLING, SLIDING } from '../pipelines.ts';
import { enterReport, type Report, shown } from '../report.ts';
import { clientOf, createLogs, STUB_MILLIS, serveOr, startServer } from '../server.ts';

/** Write units for 1,000 records, in batches of `FULL`; an object that is put counts as the units that cost as much. */
const GOAL = 5;
const FULL = 10_000;

/** How many batches of a size are measured: a snapshot of each group is among so many, of large ones several. */
const BATCHES: readonly (readonly [records: number, batches: number])[] = [
  [FULL, 40],
  [1_000, 128],
  [100, 128],
];

/** What units of a price cost. A store of objects is asked with PUT and GET. */
const costs = (price: PriceName, units: number): number => costOf(LIST, price, units);

/** What a function's memory gives it of a processor: all of one at this size, less in proportion. */
const GIGABYTES_A_PROCESSOR = 1_769 / 1_024;

/** What an invocation waits for, one after the other: the groups' queries, their puts, the note of how far the shard is read. */
const WAITS = 3;

/** And for objects that are put before an entry names them. */
const OBJECT_MILLIS = 30;

/** What was asked of the stores. */
class Usage {
  writeUnits = 0;
  readUnits = 0;
  requests = 0;
  bytes = 0;
  puts = 0;
  gets = 0;
  /** Invocations that put some. */
  putting = 0;
}

void serveOr(() =>
  enterReport(async (quick): Promise<Report> => {
    const rows: string[][] = [];
    const faults: string[] = [];
    for (const pipeline of [SLIDING, ROLLING]) {
      for (const keys of quick ? [100] : [100, 1_000, 10_000]) {
        const { cases, fault } = await measured(pipeline, keys);
        rows.push(...cases);
        if (fault !== undefined) faults.push(fault);
      }
    }
    return {
      head: [
        'windows',
        'keys',
        'records a batch',
        'write units per 1,000 records',
        'objects put',
        'both as units',
        `goal ${GOAL}`,
        'KB written',
        'read units',
        'requests',
        'processor time, µs a record',
        '$ per billion: writes',
        'reads',
        'objects',
        'Lambda',
        'in all',
      ],
      rows,
      faults,
    };
  }),
);

async function measured(
  { name, make, fullAfter }: Measurable,
  keys: number,
): Promise<{ readonly cases: string[][]; readonly fault: string | undefined }> {
  const pipeline = make();
  const filling = Math.ceil((keys * fullAfter) / FULL);
  const measuring = BATCHES.reduce((sum, [size, batches]) => sum + size * batches, 0);
  const stream = streamOf({ records: filling * FULL + measuring, keys, skew: 'uniform', disorder: 0 });
  const client = clientOf(await startServer('dynalite'));
  await createLogs(client, 'state');
  const usage = new Usage();
  meter(client, usage);
  const ports = memoryPorts({ source: memorySource('bench'), start: stream.at.at(-1) as EpochMillis });
  const handler = processHandler(
    {
      ...ports,
      log: dynamoCommitLog(client, 'state'),
      progress: dynamoProgress(client, 'state', pipeline.name),
      objects: metered(ports.objects, usage),
    },
    pipeline,
  );
  let next = 0;
  let micros = 0;
  const take = async (size: number, batches: number): Promise<void> => {
    Object.assign(usage, new Usage());
    micros = 0;
    for (let batch = 0; batch < batches; batch++) {
      const { puts } = usage;
      micros += await invoked(handler, stream, next, next + size);
      if (usage.puts > puts) usage.putting++;
      next += size;
    }
  };
  await take(FULL, filling);
  const cases: string[][] = [];
  for (const [size, batches] of BATCHES) {
    await take(size, batches);
    cases.push(row(name, keys, size, batches, micros, usage));
  }
  client.destroy();
  const { applied } = ports.telemetry.counted;
  return {
    cases,
    fault: applied === next ? undefined : `${name}, ${keys} keys: ${applied} of ${next} applied`,
  };
}

/** The processor time of an invocation, in microseconds; its garbage is collected in the course of later ones. */
async function invoked(
  handler: ReturnType<typeof processHandler>,
  stream: Stream,
  from: number,
  to: number,
): Promise<number> {
  const event = eventOf(stream, from, to);
  const started = process.cpuUsage();
  const answer = await handler(JSON.parse(event), { getRemainingTimeInMillis: () => 60_000 });
  const { user, system } = process.cpuUsage(started);
  if (answer.batchItemFailures.length > 0) throw new Error('Cannot measure a batch that failed');
  return user + system;
}

/** Asks the server to say what each request took, and sums that up. */
function meter(client: DynamoDBClient, usage: Usage): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (given) => {
        const input: ServiceInputTypes = { ...given.input, ReturnConsumedCapacity: 'TOTAL' } as never;
        const answer = await next({ ...given, input });
        const { ConsumedCapacity } = answer.output as { ConsumedCapacity?: { CapacityUnits?: number } };
        const units = ConsumedCapacity?.CapacityUnits;
        if (units === undefined) throw new Error(`Cannot tell what a ${commandName} took`);
        usage.requests++;
        if (commandName === 'PutItemCommand') usage.writeUnits += units;
        // DynamoDB takes a unit for an answer without items, too; the server here none.
        else usage.readUnits += Math.max(1, units);
        const { Item } = given.input as { Item?: { body?: { B: Uint8Array } } };
        usage.bytes += Item?.body?.B.length ?? 0;
        return answer;
      },
    { step: 'initialize' },
  );
}

const metered = (objects: ObjectStore, usage: Usage): ObjectStore => ({
  ...objects,
  create(name, object) {
    usage.puts++;
    usage.bytes += object.body.length;
    return objects.create(name, object);
  },
  read(name) {
    usage.gets++;
    return objects.read(name);
  },
});

function row(
  name: string,
  keys: number,
  size: number,
  batches: number,
  micros: number,
  { writeUnits, readUnits, requests, bytes, puts, gets, putting }: Usage,
): string[] {
  const records = size * batches;
  const perThousand = (amount: number): string => shown((1_000 * amount) / records);
  const both = writeUnits + costs('s3Put', puts) / costs('dynamodbWriteUnit', 1);
  const waited = batches * WAITS * STUB_MILLIS + putting * OBJECT_MILLIS;
  const seconds = (GIGABYTES_A_PROCESSOR * micros) / 1e6 + waited / 1e3;
  const dollars = [
    costs('dynamodbWriteUnit', writeUnits),
    costs('dynamodbReadUnit', readUnits),
    costs('s3Put', puts) + costs('s3Get', gets),
    costs('lambdaRequest', batches) + costs('lambdaGigabyteSecond', seconds),
  ].map((sum) => (1e9 * sum) / records);
  return [
    name,
    keys.toLocaleString('en'),
    size.toLocaleString('en'),
    perThousand(writeUnits),
    perThousand(puts),
    perThousand(both),
    size < FULL ? '' : (1_000 * both) / records <= GOAL ? 'met' : 'missed',
    perThousand(bytes / 1_000),
    perThousand(readUnits),
    perThousand(requests),
    shown(micros / records),
    ...dollars.map(shown),
    shown(dollars.reduce((sum, part) => sum + part, 0)),
  ];
}
