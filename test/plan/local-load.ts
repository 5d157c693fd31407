import type { DynamoDBClient, ServiceInputTypes } from '@aws-sdk/client-dynamodb';
import { dynamoCommitLog } from '../../src/adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../../src/adapters/dynamodb/progress.ts';
import { dynamoRows } from '../../src/adapters/dynamodb/rows.ts';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import { memoryTelemetry } from '../../src/adapters/memory/telemetry.ts';
import { s3Objects } from '../../src/adapters/s3/objects.ts';
import { positionOf, unorderedPositionOf } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { groupOf, hashOf } from '../../src/engine/group/key-group.ts';
import { processHandler, projectHandler, sweepHandler } from '../../src/handlers.ts';
import type { Pipeline } from '../../src/index.ts';
import { connect, createResources, disconnect, resourceNames } from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { batchingOf } from '../../src/plan/lineages.ts';
import type { Load } from '../../src/plan/load.ts';
import type { SourceRecord } from '../../src/ports/source.ts';
import { sweptIn } from '../../src/ports/swept.ts';
import { Random } from '../../src/simulation/random.ts';
import { SHAPES } from '../../src/simulation/shapes.ts';
import { STATE_KEY } from '../../src/wiring/names.ts';

/** What a run asked of the services, by the names that a plan has for it. */
export const NOTHING = {
  handler: 0,
  projector: 0,
  sweeper: 0,
  queries: 0,
  gets: 0,
  puts: 0,
  readUnits: 0,
  writeUnits: 0,
  objectPuts: 0,
  objectHeads: 0,
  objectGets: 0,
};

export type Counted = typeof NOTHING;

const START = Date.UTC(2026, 0, 5, 12);
const MINUTE = 60_000;
const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

/**
 * Runs a pipeline under a load by a clock that is moved, with its handlers over servers of this machine, and counts what
 * the servers are asked: a second, once windows are full.
 *
 * Records come one after the other, each of any key. The first that waits opens the batching window of its shard, and
 * the first entry the delivery window of the state table's stream, which has one shard. The sweeper and the projector
 * come once a minute, too.
 *
 * @param make returns the bytes of a record
 */
export async function countLocally(
  pipeline: Pipeline,
  load: Load,
  make: (key: string, at: number, random: Random) => string,
  minutes: { readonly filling: number; readonly counting: number },
): Promise<Counted> {
  const servers = await startServers({});
  const clients = connect(servers.endpoints, undefined, servers.askDynamodb);
  const counted = { ...NOTHING };
  try {
    const names = resourceNames(pipeline);
    await createResources(names, clients);
    countTables(clients.dynamodb, counted);
    countObjects(clients.s3, counted);
    const clock = memoryClock(START as EpochMillis);
    const log = dynamoCommitLog(clients.dynamodb, names.stateTable);
    const progress = dynamoProgress(clients.dynamodb, names.stateTable, pipeline.name);
    const { lineages } = batchingOf(pipeline, load);
    const shape = SHAPES[pipeline.source.kind as 'kinesis' | 'sqs'];
    const lineageOf = (shard: number) =>
      shape.ordered ? `${pipeline.name}/shardId-${String(shard).padStart(12, '0')}` : pipeline.name;
    let appended: { readonly log: string; readonly ordinal: number }[] = [];
    const ports = {
      log: {
        ...log,
        async append(name: string, entry: Parameters<typeof log.append>[1]) {
          const outcome = await log.append(name, entry);
          if (name.startsWith(`${pipeline.name}/`)) appended.push({ log: name, ordinal: entry.ordinal });
          return outcome;
        },
      },
      objects: s3Objects(clients.s3, names.bucket),
      rows: dynamoRows(clients.dynamodb, names.rowsTable),
      progress,
      clock,
      telemetry: memoryTelemetry(),
      swept: sweptIn(progress),
      arrivals: {
        async frontier(now: EpochMillis) {
          if (shape.notes)
            for (let shard = 0; shard < lineages; shard++) await progress.read(lineageOf(shard));
          return Math.min(now, ...waiting.flatMap(([first]) => first?.arrival ?? [])) as EpochMillis;
        },
      },
    };
    const process = processHandler(ports, pipeline);
    const project = projectHandler(ports, pipeline);
    const sweep = sweepHandler(ports, pipeline);

    const random = new Random(7);
    const waiting: SourceRecord[][] = Array.from({ length: lineages }, () => []);
    const dueBatch = waiting.map(() => Number.POSITIVE_INFINITY);
    let dueDelivery = Number.POSITIVE_INFINITY;
    let dueSweep = START + MINUTE / 2;
    let dueTick = START + MINUTE;
    let dueRecord = START;
    let made = 0;
    const end = START + (minutes.filling + minutes.counting) * MINUTE;
    let isCounting = false;
    for (;;) {
      const now = Math.min(dueRecord, dueDelivery, dueSweep, dueTick, ...dueBatch);
      if (now >= end) break;
      if (!isCounting && now >= START + minutes.filling * MINUTE) {
        isCounting = true;
        Object.assign(counted, NOTHING);
      }
      clock.set(Math.round(now) as EpochMillis);
      if (now === dueRecord) {
        dueRecord += 1_000 / load.recordsPerSecond;
        const key = `key-${String(random.whole(0, load.keys - 1)).padStart(6, '0')}`;
        const shard = groupOf(hashOf(key), lineages);
        const number = made++;
        (waiting[shard] as SourceRecord[]).push({
          lineage: lineageOf(shard),
          position: shape.ordered
            ? positionOf(`4966371526491802648310174935825039217746${String(number).padStart(16, '0')}`)
            : unorderedPositionOf(uuid(random)),
          arrival: clock.now(),
          partitionKey: key,
          data: Buffer.from(make(key, clock.now(), random)),
        });
        if (waiting[shard]?.length === 1) dueBatch[shard] = now + load.batchingWindow;
        continue;
      }
      const shard = dueBatch.indexOf(now);
      if (shard >= 0) {
        const batch = waiting[shard] as SourceRecord[];
        waiting[shard] = [];
        dueBatch[shard] = Number.POSITIVE_INFINITY;
        counted.handler++;
        await process(shape.eventOf(batch), INVOCATION);
      } else if (now === dueSweep) {
        dueSweep += MINUTE;
        counted.sweeper++;
        await sweep({}, INVOCATION);
      } else if (now === dueTick) {
        dueTick += MINUTE;
        counted.projector++;
        await project({}, INVOCATION);
      } else {
        dueDelivery = Number.POSITIVE_INFINITY;
        const Records = appended.map(({ log, ordinal }) => ({
          dynamodb: { Keys: { [STATE_KEY.partition]: { S: log }, [STATE_KEY.sort]: { N: String(ordinal) } } },
        }));
        appended = [];
        counted.projector++;
        await project({ Records }, INVOCATION);
      }
      if (appended.length > 0 && dueDelivery === Number.POSITIVE_INFINITY)
        dueDelivery = now + load.deliveryWindow;
    }
    const seconds = minutes.counting * 60;
    return Object.fromEntries(
      Object.entries(counted).map(([name, count]) => [name, count / seconds]),
    ) as unknown as Counted;
  } finally {
    disconnect(clients);
    await servers.close();
  }
}

const uuid = (random: Random): string =>
  [8, 4, 4, 4, 12]
    .map((length) => Array.from({ length }, () => random.whole(0, 15).toString(16)).join(''))
    .join('-');

/** Asks the server to say what each request took. */
function countTables(client: DynamoDBClient, counted: Counted): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (given) => {
        const input: ServiceInputTypes = { ...given.input, ReturnConsumedCapacity: 'TOTAL' } as never;
        const answer = await next({ ...given, input });
        const { ConsumedCapacity } = answer.output as {
          ConsumedCapacity?: { CapacityUnits: number } | { CapacityUnits: number }[];
        };
        const units = [ConsumedCapacity ?? []]
          .flat()
          .reduce((sum, { CapacityUnits }) => sum + CapacityUnits, 0);
        const { RequestItems = {} } = given.input as { RequestItems?: Record<string, unknown[]> };
        if (commandName === 'QueryCommand') counted.queries++;
        else if (commandName === 'GetItemCommand') counted.gets++;
        else if (commandName === 'PutItemCommand') counted.puts++;
        else if (commandName === 'BatchWriteItemCommand') {
          counted.puts += Object.values(RequestItems).reduce((sum, items) => sum + items.length, 0);
        } else throw new Error(`Cannot tell what a ${commandName} is`);
        // DynamoDB takes a unit for an answer without items, too; the server here none.
        if (['QueryCommand', 'GetItemCommand'].includes(commandName ?? ''))
          counted.readUnits += Math.max(1, units);
        else counted.writeUnits += units;
        return answer;
      },
    { step: 'initialize' },
  );
}

function countObjects(client: ReturnType<typeof connect>['s3'], counted: Counted): void {
  const names = {
    PutObjectCommand: 'objectPuts',
    HeadObjectCommand: 'objectHeads',
    GetObjectCommand: 'objectGets',
  } as const;
  client.middlewareStack.add(
    (next, { commandName }) =>
      (given) => {
        counted[names[commandName as keyof typeof names]]++;
        return next(given);
      },
    { step: 'initialize' },
  );
}
