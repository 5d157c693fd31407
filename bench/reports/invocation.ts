import { type AttributeValue, type DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { KinesisStreamEvent } from 'aws-lambda';
import { dynamoCommitLog } from '../../src/adapters/dynamodb/commit-log.ts';
import { dynamoProgress } from '../../src/adapters/dynamodb/progress.ts';
import { memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { processHandler } from '../../src/handlers.ts';
import type { Pipeline } from '../../src/index.ts';
import type { Ports } from '../../src/ports/index.ts';
import { streamOf } from '../data.ts';
import { eventOf } from '../event.ts';
import type { SentReading } from '../fold.ts';
import { type Measurable, ROLLING, SLIDING } from '../pipelines.ts';
import { enterReport, mean, median, type Report, shown } from '../report.ts';
import { clientOf, createLogs, STUB_MILLIS, serveOr, startServer } from '../server.ts';

const RECORDS = 10_000;
const KEYS = 1_000;
/** At most this share of the time that a PutItem for each key takes. */
const GOAL = 12;
const SOCKETS = [50, 500] as const;
const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

/** One way to take an event in. */
interface Contender {
  readonly name: string;
  /** Untimed. */
  ready?(): void;
  take(event: KinesisStreamEvent): Promise<void>;
  readonly millis: number[];
  readonly processor: number[];
}

void serveOr(() =>
  enterReport(async (quick): Promise<Report> => {
    const rows: string[][] = [];
    for (const pipeline of [SLIDING, ROLLING]) rows.push(...(await measured(pipeline, quick ? 2 : 40)));
    return {
      head: [
        'windows',
        '',
        'ms, mean',
        'ms, median',
        'processor ms, mean',
        'median',
        `PutItems of ${SOCKETS[0]} sockets ÷ this`,
        '… of processor time',
        `goal ${GOAL}`,
      ],
      rows,
      faults: [],
    };
  }),
);

async function measured({ name, make, fullAfter }: Measurable, repetitions: number): Promise<string[][]> {
  const filling = Math.ceil((KEYS * fullAfter) / RECORDS);
  const stream = streamOf({
    records: (filling + repetitions) * RECORDS,
    keys: KEYS,
    skew: 'uniform',
    disorder: 0,
  });
  const start = stream.at.at(-1) as EpochMillis;
  const puts = await startServer('stub');
  const store = clientOf(await startServer('dynalite'));
  await createLogs(store, 'state');
  const pipeline = make();
  const contenders: readonly Contender[] = [
    { name: "floor: the event's JSON parsed", take: async () => {}, millis: [], processor: [] },
    millrace('Millrace, warm', pipeline, waiting(start), false),
    millrace('Millrace, no group in memory', pipeline, waiting(start), true),
    millrace('Millrace, warm, DynamoDB client and dynalite', pipeline, overClient(start, store, name), false),
    ...SOCKETS.map((sockets) => putItems(sockets, clientOf(puts, { requestHandler: handlerOf(sockets) }))),
  ];
  for (let batch = 0; batch < filling + repetitions; batch++) {
    const event = eventOf(stream, batch * RECORDS, (batch + 1) * RECORDS);
    for (const contender of contenders) await run(contender, event, batch >= filling);
  }
  const reference = contenders.at(-SOCKETS.length) as Contender;
  return contenders.map((contender) => row(name, contender, reference));
}

async function run(contender: Contender, event: string, counts: boolean): Promise<void> {
  contender.ready?.();
  const began = performance.now();
  const started = process.cpuUsage();
  await contender.take(JSON.parse(event));
  const { user, system } = process.cpuUsage(started);
  if (!counts) return;
  contender.millis.push(performance.now() - began);
  contender.processor.push((user + system) / 1e3);
}

/** A handler on a pipeline; `anew` makes each invocation its environment's first, but for compiled code. */
function millrace(
  name: string,
  pipeline: Pipeline,
  ports: Parameters<typeof processHandler>[0],
  anew: boolean,
): Contender {
  let handler = processHandler(ports, pipeline);
  return {
    name,
    ready() {
      if (anew) handler = processHandler(ports, pipeline);
    },
    async take(event) {
      const { batchItemFailures } = await handler(event, INVOCATION);
      if (batchItemFailures.length > 0) throw new Error('Cannot measure a batch that failed');
    },
    millis: [],
    processor: [],
  };
}

/** Stores in memory that answer every call some milliseconds later. */
function waiting(start: EpochMillis): Ports {
  const ports = memoryPorts({ source: memorySource('bench'), start });
  return {
    ...ports,
    log: delayed(ports.log),
    progress: delayed(ports.progress),
    objects: delayed(ports.objects),
  };
}

/** The same store, each of whose methods answers later. */
const delayed = <Store extends object>(store: Store): Store =>
  new Proxy(store, {
    get:
      (target, name) =>
      async (...given: unknown[]) => {
        const answer = await Reflect.apply(Reflect.get(target, name) as never, target, given);
        await new Promise((resolve) => setTimeout(resolve, STUB_MILLIS));
        return answer;
      },
  });

function overClient(start: EpochMillis, client: DynamoDBClient, pipeline: string): Ports {
  return {
    ...memoryPorts({ source: memorySource('bench'), start }),
    log: dynamoCommitLog(client, 'state'),
    progress: dynamoProgress(client, 'state', pipeline),
  };
}

const handlerOf = (maxSockets: number): NodeHttpHandler =>
  new NodeHttpHandler({ httpAgent: { maxSockets, keepAlive: true } });

/**
 * The usual way: each key's records of the batch are added up, and one item is put for each key. It reads nothing before
 * it, and checks no condition, which what replaces a state would have to.
 */
function putItems(sockets: number, client: DynamoDBClient): Contender {
  return {
    name: `a PutItem for each key, ${sockets} sockets`,
    async take({ Records }) {
      const items = new Map<string, { at: number; count: number; sum: number; max: number }>();
      for (const { kinesis } of Records) {
        const { key, at, value } = JSON.parse(Buffer.from(kinesis.data, 'base64').toString()) as SentReading;
        const item = items.get(key) ?? { at, count: 0, sum: 0, max: value };
        items.set(key, item);
        item.at = Math.max(item.at, at);
        item.count++;
        item.sum += value;
        item.max = Math.max(item.max, value);
      }
      await Promise.all(
        Array.from(items, ([key, numbers]) => {
          const Item: Record<string, AttributeValue> = { pk: { S: key } };
          for (const [name, number] of Object.entries(numbers)) Item[name] = { N: String(number) };
          return client.send(new PutItemCommand({ TableName: 'state', Item }));
        }),
      );
    },
    millis: [],
    processor: [],
  };
}

function row(name: string, contender: Contender, reference: Contender): string[] {
  const faster = mean(reference.millis) / mean(contender.millis);
  return [
    name,
    contender.name,
    shown(mean(contender.millis)),
    shown(median(contender.millis)),
    shown(mean(contender.processor)),
    shown(median(contender.processor)),
    shown(faster),
    shown(mean(reference.processor) / mean(contender.processor)),
    contender.name.startsWith('Millrace') ? (faster >= GOAL ? 'met' : 'missed') : '',
  ];
}
