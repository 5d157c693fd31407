import type { DynamoDBClient, ServiceInputTypes } from '@aws-sdk/client-dynamodb';
import { appsyncChannel } from '../../src/adapters/appsync/channel.ts';
import { dynamoCommitLog } from '../../src/adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../../src/adapters/dynamodb/progress.ts';
import { dynamoRows } from '../../src/adapters/dynamodb/rows.ts';
import { eventBus } from '../../src/adapters/eventbridge/bus.ts';
import { kinesisStream } from '../../src/adapters/kinesis/stream-outlet.ts';
import { memoryClock } from '../../src/adapters/memory/clock.ts';
import { memoryTelemetry } from '../../src/adapters/memory/telemetry.ts';
import { s3Objects } from '../../src/adapters/s3/objects.ts';
import { snsTopic } from '../../src/adapters/sns/topic.ts';
import { sqsQueue } from '../../src/adapters/sqs/queue-outlet.ts';
import { positionOf, unorderedPositionOf } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { groupOf, hashOf } from '../../src/engine/group/key-group.ts';
import { panesArrivals, processHandler, projectHandler, sweepHandler } from '../../src/handlers.ts';
import type { Pipeline } from '../../src/index.ts';
import {
  type Clients,
  connect,
  createResources,
  disconnect,
  resourceNames,
} from '../../src/local/resources.ts';
import { startServers } from '../../src/local/servers/servers.ts';
import { serviceOf } from '../../src/pipeline/services.ts';
import { sinkName } from '../../src/pipeline/sinks.ts';
import { upstreamOf } from '../../src/pipeline/upstream.ts';
import { batchingOf } from '../../src/plan/lineages.ts';
import type { Load } from '../../src/plan/load.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Outlet } from '../../src/ports/outlet.ts';
import type { SourceRecord } from '../../src/ports/source.ts';
import { sweptIn } from '../../src/ports/swept.ts';
import { Random } from '../../src/simulation/random.ts';
import { SHAPES, type WokenBy, wakeUpOf } from '../../src/simulation/shapes.ts';

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

/** What the services that take messages were sent for one sink. */
export interface Sent {
  readonly requests: number;
  readonly messages: number;
  readonly bytes: number;
}

/** What a lineage is called, as the events of a source name it. */
const LINEAGES = {
  kinesis: (name: string, shard: number) => `${name}/shardId-${String(shard).padStart(12, '0')}`,
  sqs: (name: string) => name,
  kafka: (name: string, partition: number) => `${name}/${partition}`,
  rabbitmq: (name: string) => encodeURIComponent(`${name}::/`),
};

/**
 * Runs a pipeline under a load by a clock that is moved, with its handlers over servers of this machine, and counts what
 * the servers are asked, and what the services that take messages are sent: a second, once windows are full.
 *
 * Records come one after the other, each of any key. The first that waits opens the batching window of its shard, and
 * the first entry the delivery window of the state table's stream, which has one shard. The sweeper and the projector
 * come once a minute, too. A pipeline that reads panes is fed by the other pipeline, of which nothing is counted.
 *
 * @param make returns the bytes of a record
 */
export async function countLocally(
  pipeline: Pipeline,
  load: Load,
  make: (key: string, at: number, random: Random) => string,
  minutes: { readonly filling: number; readonly counting: number },
): Promise<{ readonly counted: Counted; readonly messages: ReadonlyMap<string, Sent> }> {
  const servers = await startServers({});
  const connected = () => connect(servers.endpoints, undefined, servers.ask);
  const [open, counting] = [connected(), connected()];
  const counted = { ...NOTHING };
  const messages = new Map<string, Mutable<Sent>>();
  const clock = memoryClock(START as EpochMillis);
  const agenda: { readonly at: number; readonly run: () => unknown }[] = [];
  let now = START;
  /** Opens a window with the first of some items, and passes on at its end what has come by then. */
  const gathering = <Item>(window: number, run: (items: readonly Item[]) => Promise<unknown>) => {
    const waiting: Item[] = [];
    return {
      waiting,
      add(item: Item) {
        if (waiting.push(item) === 1) agenda.push({ at: now + window, run: () => run(waiting.splice(0)) });
      },
    };
  };
  const everyMinute = (first: number, run: () => Promise<unknown>): void => {
    agenda.push({
      at: first,
      async run() {
        everyMinute(first + MINUTE, run);
        await run();
      },
    });
  };
  const portsOf = (of: Pipeline, { dynamodb, s3 }: Clients, commits?: { add(entry: WokenBy): void }) => {
    const names = resourceNames(of);
    const log = dynamoCommitLog(dynamodb, names.stateTable);
    const progress = dynamoProgress(dynamodb, names.stateTable, of.name);
    return {
      name: names.stateTable,
      log: {
        ...log,
        async append(name: string, entry: Parameters<typeof log.append>[1]) {
          const outcome = await log.append(name, entry);
          if (name.startsWith(`${of.name}/`)) commits?.add({ log: name, ordinal: entry.ordinal });
          return outcome;
        },
      },
      objects: s3Objects(s3, names.bucket),
      rows: dynamoRows(dynamodb, names.rowsTable),
      progress,
      clock,
      telemetry: memoryTelemetry(),
      swept: sweptIn(progress),
    };
  };

  try {
    const of = upstreamOf(pipeline);
    const fed = of ?? pipeline;
    const kind = fed.source.kind as keyof typeof LINEAGES;
    const shape = SHAPES[kind];
    for (const each of of ? [of, pipeline] : [pipeline]) await createResources(resourceNames(each), open);
    countTables(counting.dynamodb, counted);
    countObjects(counting.s3, counted);
    const { lineages } = batchingOf(fed, load);
    const lineageOf = (shard: number) => LINEAGES[kind](fed.name, shard);

    const delivered = gathering<WokenBy>(load.deliveryWindow, (entries) => {
      counted.projector++;
      return project(wakeUpOf(entries), INVOCATION);
    });
    const ports = portsOf(pipeline, counting, delivered);
    const upstream = of && portsOf(of, counting);
    const outlets = outletsOf(pipeline, clock, counting.dynamodb.config, messages);
    const process = processHandler({ ...ports, upstream }, pipeline);
    const project = projectHandler({ ...ports, outlets }, pipeline);
    const handle = (event: unknown) => {
      counted.handler++;
      return process(event, INVOCATION);
    };
    const woken = gathering<WokenBy>(load.batchingWindow, (entries) => handle(wakeUpOf(entries)));
    const feeding = of && portsOf(of, open, woken);
    const feed = feeding ? processHandler(feeding, of) : undefined;
    const batches = Array.from({ length: lineages }, () =>
      gathering<SourceRecord>(load.batchingWindow, (records) => {
        const event = shape.eventOf(records);
        return feed ? feed(event, INVOCATION) : handle(event);
      }),
    );
    const frontier = async (at: EpochMillis) => {
      if (shape.notes)
        for (let shard = 0; shard < lineages; shard++)
          await (feeding ?? ports).progress.read(lineageOf(shard));
      return Math.min(at, ...batches.flatMap(({ waiting: [first] }) => first?.arrival ?? [])) as EpochMillis;
    };
    if (feeding) {
      const sweepUpstream = sweepHandler({ ...feeding, arrivals: { frontier } }, of as Pipeline);
      everyMinute(START + MINUTE / 4, () => sweepUpstream({}, INVOCATION));
      everyMinute(START + MINUTE, () => handle({}));
    }
    const arrivals = upstream ? panesArrivals(ports, upstream, pipeline) : { frontier };
    const sweep = sweepHandler({ ...ports, arrivals }, pipeline);
    everyMinute(START + MINUTE / 2, () => {
      counted.sweeper++;
      return sweep({}, INVOCATION);
    });
    everyMinute(START + MINUTE, () => {
      counted.projector++;
      return project({}, INVOCATION);
    });

    const random = new Random(7);
    let made = 0;
    const bring = (): void => {
      const at = random.whole(0, load.keys - 1);
      const key = `key-${String(at).padStart(6, '0')}`;
      const shard = fed.source.lineage.ofHashRange ? groupOf(hashOf(key), lineages) : at % lineages;
      const number = made++;
      const id = shape.ordered ? '' : uuid(random);
      batches[shard]?.add({
        lineage: lineageOf(shard),
        position: shape.ordered
          ? positionOf(shape.notes ? `${SEQUENCE}${String(number).padStart(16, '0')}` : String(number))
          : unorderedPositionOf(id),
        arrival: clock.now(),
        partitionKey: shape.ordered ? key : id,
        data: Buffer.from(make(key, clock.now(), random)),
      });
    };
    agenda.push({
      at: START + minutes.filling * MINUTE,
      run() {
        Object.assign(counted, NOTHING);
        messages.clear();
      },
    });
    const end = START + (minutes.filling + minutes.counting) * MINUTE;
    for (let due = START; ; ) {
      const next = agenda.reduce((first, other) => (other.at < first.at ? other : first));
      now = Math.min(due, next.at);
      if (now >= end) break;
      clock.set(Math.round(now) as EpochMillis);
      // A record that comes as a window ends is in it.
      if (due <= next.at) {
        bring();
        due += 1_000 / load.recordsPerSecond;
      } else {
        agenda.splice(agenda.indexOf(next), 1);
        await next.run();
      }
    }
    const seconds = minutes.counting * 60;
    const aSecond = <Of extends object>(counts: Of): Of =>
      Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / seconds])) as Of;
    return {
      counted: aSecond(counted),
      messages: new Map([...messages].map(([sink, sent]) => [sink, aSecond(sent)])),
    };
  } finally {
    disconnect(open);
    disconnect(counting);
    await servers.close();
  }
}

type Mutable<Of> = { -readonly [Name in keyof Of]: Of[Name] };

/** How the sequence numbers of a shard begin. */
const SEQUENCE = '4966371526491802648310174935825039217746';

/** Makes the outlets of a pipeline's sinks to services that take all, and counts what they are sent. */
function outletsOf(
  { sinks }: Pipeline,
  clock: Clock,
  identity: DynamoDBClient['config'],
  messages: Map<string, Mutable<Sent>>,
): ReadonlyMap<string, Outlet> {
  const outlets = sinks.flatMap((sink): readonly (readonly [string, Outlet])[] => {
    const service = serviceOf(sink);
    if (service === undefined) return [];
    const name = sinkName(sink);
    const sent = (of: Partial<Sent>) => {
      const sum = messages.get(name) ?? { requests: 0, messages: 0, bytes: 0 };
      for (const each of Object.keys(of) as (keyof Sent)[]) sum[each] += of[each] ?? 0;
      messages.set(name, sum);
    };
    const client = {
      async send({ input }: { readonly input: Record<string, readonly object[] | string> }) {
        sent({ requests: 1 });
        const [entries = []] = Object.values(input).filter((value) => Array.isArray(value));
        const taken = (entries as readonly object[]).map((_, at) => ({
          Id: String(at),
          EventId: 'any',
          SequenceNumber: '1',
        }));
        return { Successful: taken, Entries: taken, Records: taken };
      },
    } as never;
    const ask = async (_: unknown, request?: RequestInit) => {
      sent({ requests: 1 });
      const { events } = JSON.parse(String(request?.body));
      return Response.json({ successful: events.map((_: unknown, index: number) => ({ index })) });
    };
    const suffix = 'to' in sink && sink.to.endsWith('-fifo') ? '.fifo' : '';
    const outlet = {
      sns: () => snsTopic(client, `topic${suffix}`, clock),
      sqs: () => sqsQueue(client, `queue${suffix}`, clock),
      kinesis: () => kinesisStream(client, 'stream', clock),
      eventbridge: () => eventBus(client, 'bus', clock),
      appsync: () =>
        appsyncChannel({ endpoint: 'https://api/event', namespace: 'panes' }, identity, clock, ask),
    }[service]();
    const counting: Outlet = {
      ...outlet,
      send(given, deadline) {
        sent({
          messages: given.length,
          bytes: given.reduce((sum, { body, id }) => sum + Buffer.byteLength(body) + id.length, 0),
        });
        return outlet.send(given, deadline);
      },
    };
    return [[name, counting]];
  });
  return new Map(outlets);
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
