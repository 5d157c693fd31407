import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Pipeline } from '../../src/index.ts';
import { pipelineOf } from '../../src/lambda.ts';
import { resourceNames } from '../../src/local/resources.ts';
import { upstreamOf } from '../../src/pipeline/upstream.ts';
import { examplesOf } from '../docs/pages.ts';
import { CANARY } from './canary.ts';
import type { Cluster, Contents } from './events.ts';
import type { Deployed } from './functions.ts';
import { TABLE_STREAM } from './places.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** A pipeline to be deployed, and what its records say. */
export interface Subject extends Contents {
  readonly deployed: Deployed;
}

const AT = '2026-01-05T12:00:00Z';
const FLIGHT = { date: '2026/01/05 12:00', delay: 7, distance: 100, origin: CANARY, destination: CANARY };

/** An example, and records that it can read, with the canary wherever they hold text. */
interface Example extends Omit<Contents, 'event'> {
  /** The file of its pipeline, or what a file exports that has several, or makes one. */
  readonly file: string;
  readonly exported?: string;
  /** The file of the event that a handler of its own takes. */
  readonly event?: string;
}

/** Every pipeline of the examples; one that another reads stands before it. */
const EXAMPLES: readonly Example[] = [
  { file: 'functions/flights', samples: [FLIGHT] },
  // Its handler, which takes a plain event; and the one that its stack would make without it.
  { file: 'examples/sliding-mean', samples: [], event: 'examples/sliding-mean/event.json' },
  {
    file: 'examples/sliding-mean/pipeline.ts',
    exported: 'slidingMean',
    samples: [{ sensor: CANARY, at: 1_767_614_400_000, value: 1 }],
  },
  { file: 'examples/sensor-trend', samples: [{ tank: CANARY, at: AT, litres: 10, flow: 1 }] },
  { file: 'examples/collect-to-analysis', samples: [{ station: CANARY, at: AT, pm25: 12 }] },
  { file: 'examples/anomalies', samples: [{ series: CANARY, at: AT, value: 1 }] },
  ...['byRange', 'byHash'].map((exported) => ({
    file: 'examples/partitioned-sum/pipeline.ts',
    exported,
    samples: [{ account: 2_501, paidAt: AT, cents: 100, note: CANARY }],
  })),
  {
    file: 'examples/cqrs',
    samples: [{ id: CANARY, account: CANARY, cents: 100, text: CANARY, at: AT }],
  },
  {
    file: 'examples/user-actions/visits.ts',
    samples: [
      { user: CANARY, agent: 'web', actions: [{ at: Date.parse(AT), type: CANARY, product: CANARY }] },
    ],
    encode: (json) => gzipSync(json),
  },
  { file: 'examples/user-actions/related.ts', samples: [] },
  {
    file: 'examples/websocket/pipeline.ts',
    exported: 'pulsesTo(() => {})',
    samples: [{ user: CANARY, at: 1_767_614_400_000, bpm: 60 }],
  },
  { file: 'examples/hierarchy/airports.ts', samples: [FLIGHT] },
  { file: 'examples/hierarchy/states.ts', samples: [] },
  { file: 'examples/hierarchy/everywhere.ts', samples: [] },
  {
    file: 'examples/rolling-window-kafka',
    samples: [{ machineId: CANARY, measuredAt: AT, celsius: 20 }],
  },
  {
    file: 'examples/kafka-pipeline',
    samples: [{ order: CANARY, shop: CANARY, item: CANARY, cents: 100, at: AT }],
    cluster: 'self-managed',
  },
  {
    file: 'examples/rabbitmq-recommendations',
    samples: [{ view: CANARY, user: CANARY, category: CANARY, product: CANARY, at: AT }],
  },
];

/**
 * The pipelines of the examples, and the one of docs/first-pipeline.md.
 *
 * @param scratch a folder within the project, for files that stand for a part of another
 */
export async function exampleSubjects(scratch: string): Promise<readonly Subject[]> {
  const page = readFileSync(join(PROJECT, 'docs/first-pipeline.md'), 'utf8');
  const first = examplesOf(page).find(({ text }) => text.includes('definePipeline('));
  const firstFile = entryIn(
    scratch,
    'first-pipeline',
    first?.text.replace("'millrace'", `'${PROJECT}src/index.ts'`) ?? '',
  );
  return Promise.all(
    [
      ...EXAMPLES.map((example, at) => [fileOf(scratch, example, at), example] as const),
      [firstFile, { samples: [{ machineId: CANARY, measuredAt: AT, celsius: 20 }] }] as const,
    ].map(async ([entry, contents]): Promise<Subject> => {
      const { cluster = 'msk', event } = contents as Partial<Example>;
      return {
        ...contents,
        cluster,
        ...(event && { event: JSON.parse(readFileSync(join(PROJECT, event), 'utf8')) }),
        deployed: await deployedFrom(entry, cluster),
      };
    }),
  );
}

const fileOf = (scratch: string, { file, exported }: Example, at: number): string => {
  const path = join(PROJECT, file);
  if (exported === undefined) return path;
  const name = /^\w+/.exec(exported)?.[0];
  const text = `import { ${name} } from '${path}';\nexport const pipeline = ${exported};\n`;
  return entryIn(scratch, `example-${at}`, text);
};

function entryIn(
  scratch: string,
  name: string,
  text: string,
  files: Readonly<Record<string, string>> = {},
): string {
  const folder = join(scratch, name);
  mkdirSync(folder, { recursive: true });
  for (const [file, content] of Object.entries({ 'pipeline.ts': text, ...files }))
    writeFileSync(join(folder, file), content);
  return folder;
}

/** How the stack of a pipeline is made, with what the definition leaves to whoever deploys it. */
async function deployedFrom(entry: string, cluster: Cluster): Promise<Deployed> {
  const file = entry.endsWith('.ts') ? entry : join(entry, 'pipeline.ts');
  const pipeline = pipelineOf(await import(/* @vite-ignore */ pathToFileURL(file).href), file);
  const of = upstreamOf(pipeline);
  const upstream = of && {
    stateTable: resourceNames(of).stateTable,
    resultsBucket: resourceNames(of).bucket,
    stateStream: TABLE_STREAM.replace('orders', of.name),
  };
  return {
    pipeline: { ...pipeline, source: placed(pipeline.source, cluster) } as Pipeline,
    entry,
    alarms: 'none',
    queryApi: pipeline.sinks.some(({ kind }) => kind === 'table'),
    tableStream: TABLE_STREAM,
    ...(upstream && { upstream }),
  };
}

const PLACE = 'us-east-1:123456789012';

/** Returns a source with the cluster or the broker that it is read from. */
function placed(source: Pipeline['source'], cluster: Cluster): Pipeline['source'] {
  if (source.kind === 'kafka') {
    const place =
      cluster === 'msk'
        ? { msk: `arn:aws:kafka:${PLACE}:cluster/plant/2f6a-1` }
        : {
            brokers: ['one.plant.example:9096'],
            auth: { scram256: `arn:aws:secretsmanager:${PLACE}:secret:reader-AbCdEf` },
            subnets: ['subnet-1'],
            securityGroups: ['sg-1'],
          };
    return { ...source, cluster: place } as Pipeline['source'];
  }
  if (source.kind === 'rabbitmq') {
    return {
      ...source,
      broker: `arn:aws:mq:${PLACE}:broker:plant:b-9bcfa592-423a-4942-879d-eb284b418fc8`,
      secret: `arn:aws:secretsmanager:${PLACE}:secret:rabbit-AbCdEf`,
    } as Pipeline['source'];
  }
  return source;
}

/** The kinds of sources, each as the definition of a pipeline names it. */
const SOURCES: Readonly<Record<Pipeline['source']['kind'], string>> = {
  kinesis: 'kinesis()',
  sqs: 'sqs()',
  fifo: 'sqs({ fifo: true })',
  kafka: `kafka({ topic: 'readings' })`,
  rabbitmq: `rabbitmq({ queue: 'readings', deadLetterExchange: 'refused' })`,
  dynamodb: `dynamodbStream({ table: 'orders' }).expand(({ newImage }) => newImage ? [newImage] : [])`,
  panes: `panesOf(upstream, 'minute').map(({ key, start }) => ({ machine: key, at: start, celsius: 1, fails: 'step' }))`,
};

/** Which of an author's functions fails at a record. */
const FAILING = ['key', 'eventTime', 'filter', 'select', 'step', 'nothing'] as const;

/** A definition all of whose functions fail at some records, with errors that quote them. */
const definitionOf = (kind: keyof typeof SOURCES): string => `
import {
  bucket, count, defineAggregate, definePipeline, dynamodbStream, kafka, kinesis, last, max, notify, panesOf, push,
  rabbitmq, sink, sqs, stream, table, tumbling,
} from '${PROJECT}src/index.ts';
${kind === 'panes' ? `import { pipeline as upstream } from '../failing-kinesis/pipeline.ts';` : ''}

const failAt = (step, record) => {
  if (record?.fails === step) {
    throw Object.assign(new RangeError('Cannot take ' + JSON.stringify(record) + ' as it fails', { cause: record }), {
      record,
      code: record.machine,
    });
  }
};
const failing = defineAggregate({
  name: 'failing',
  select: (record) => (failAt('select', record), record),
  identity: null,
  lift: (record) => (failAt('step', record), String(record.machine)),
  combine: (left, right) => left ?? right,
  lower: (value) => { throw new Error('Cannot show ' + value); },
});
const refuse = (pane) => {
  throw Object.assign(new Error('Cannot tell ' + JSON.stringify(pane)), { pane });
};

export const pipeline = definePipeline('failing-${kind}', ${SOURCES[kind]}, {
  groups: 2,
  key: (record) => (failAt('key', record), record.machine),
  eventTime: (record) => (failAt('eventTime', record), record.at),
  filter: (record) => (failAt('filter', record), true),
  windows: {
    minute: tumbling({ size: '1m' }, { records: count(), latest: last('machine'), hottest: max('celsius'), failing }),
  },
})${
  kind === 'kinesis'
    ? `.to(
  table(),
  bucket({ every: '0s' }),
  notify({ name: 'topic', to: 'sns' }),
  notify({ name: 'bus', to: 'eventbridge', message: refuse }),
  notify({ name: 'choosy', to: 'sns', when: refuse }),
  stream({ name: 'queue', to: 'sqs', from: 'beginning' }),
  stream({ name: 'stream', to: 'kinesis', from: 'beginning', message: () => 1n }),
  push({ message: ({ key }) => ({ key }) }),
  sink({ name: 'own', from: 'beginning', deliver: refuse }),
)`
    : ''
};
`;

/** An author's functions with traces that are written where the logs are. */
const tracing = (factory: string, outlets: string): string => `
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import * as lambda from '${PROJECT}src/lambda.ts';
import { openTelemetry } from '${PROJECT}src/opentelemetry.ts';
import { pipeline } from './pipeline.ts';

const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] });
export const handler = lambda.${factory}(pipeline, { tracer: openTelemetry(provider)${outlets} });
`;

const OUTLETS = [
  'sns: lambda.toTopic',
  'eventbridge: lambda.toBus',
  'sqs: lambda.toQueue',
  'kinesis: lambda.toStream',
  'appsync: lambda.toChannels',
];

/** A pipeline over each kind of source whose author's functions fail, and quote what they were given. */
export function failingSubjects(scratch: string): Promise<readonly Subject[]> {
  const samples = FAILING.map((fails) => ({
    machine: CANARY,
    at: Date.parse(AT),
    celsius: 20,
    fails,
    note: CANARY,
  }));
  const kinds = Object.keys(SOURCES) as (keyof typeof SOURCES)[];
  return Promise.all(
    kinds.map(async (kind) => {
      const entry = entryIn(scratch, `failing-${kind}`, definitionOf(kind), {
        ...(kind === 'kinesis' && {
          'handler.ts': tracing('lambdaHandler', ''),
          'projector.ts': tracing('projectHandler', `, ${OUTLETS.join(', ')}`),
        }),
      });
      // Nine sinks take more memory than a projector has by default.
      const deployed = { ...(await deployedFrom(entry, 'msk')), memory: { projector: 1_024 } };
      return { deployed, samples: kind === 'panes' ? [] : samples };
    }),
  );
}
