import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { Role } from '../../lib/bundle.ts';
import type { Pipeline } from '../../src/index.ts';
import { CANARY } from './canary.ts';

/** An event, and whether its function must answer it: it may refuse one of another form. */
export interface NamedEvent {
  readonly name: string;
  readonly event: unknown;
  readonly mayBeRefused?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: events of Lambda, whose forms the handlers themselves must check
type Any = any;

const FOLDER = new URL('../fixtures/events/', import.meta.url);
const FIXTURES: ReadonlyMap<string, Any> = new Map(
  readdirSync(FOLDER).map((file) => [
    file.replace('.json', ''),
    JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')),
  ]),
);

/** How the events of a kind of source hold records. */
interface Form {
  recordsOf(event: Any): readonly Any[];
  /** Returns the event with other records. */
  withRecords(event: Any, records: readonly Any[]): Any;
  /** Returns what a record says, undefined where it says nothing. */
  contentOf(record: Any): Buffer | undefined;
  /** Returns the record with another content, that was never given before, and the canary in all that producers choose. */
  saying(record: Any, content: Buffer | undefined, number: number): Any;
}

const RECORDS: Pick<Form, 'recordsOf' | 'withRecords'> = {
  recordsOf: ({ Records }) => Records,
  withRecords: (event, Records) => ({ ...event, Records }),
};

const queue = (isFifo: boolean): Form => ({
  ...RECORDS,
  contentOf: ({ body }) => Buffer.from(body),
  saying: (record, content = Buffer.alloc(0), number) => ({
    ...record,
    messageId: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
    body: content.toString(),
    attributes: {
      ...record.attributes,
      ...(isFifo && {
        SequenceNumber: String(18_849_496_460_467_696_128n + BigInt(number)),
        MessageGroupId: CANARY,
        MessageDeduplicationId: `${CANARY}-${number}`,
      }),
    },
    messageAttributes: {
      note: { stringValue: CANARY, stringListValues: [], binaryListValues: [], dataType: 'String' },
    },
  }),
});

/** The value of an attribute of DynamoDB. */
const attributeOf = (value: unknown): Any =>
  typeof value === 'number' ? { N: String(value) } : { S: String(value) };

const bytesOfCanary = [...Buffer.from(CANARY)];

const FORMS: { readonly [Kind in Exclude<Pipeline['source']['kind'], 'panes'>]: Form } = {
  kinesis: {
    ...RECORDS,
    contentOf: ({ kinesis }) => Buffer.from(kinesis.data, 'base64'),
    saying(record, content = Buffer.alloc(0), number) {
      const sequenceNumber = String(
        49_659_123_456_789_012_345_678_901_234_567_890_123_456_789_012_345_670_000n + BigInt(number),
      );
      const partitionKey = `${CANARY}-${number % 3}`;
      const kinesis = { ...record.kinesis, partitionKey, sequenceNumber, data: content.toString('base64') };
      return { ...record, kinesis, eventID: `shardId-000000000000:${sequenceNumber}` };
    },
  },
  sqs: queue(false),
  fifo: queue(true),
  kafka: {
    recordsOf: ({ records }) => Object.values<Any[]>(records).flat(),
    withRecords(event, records) {
      const nameOf = ({ topic, partition }: Any) => `${topic}-${partition}`;
      const names = [...new Set(records.map(nameOf))];
      const partitions = names.map((name) => [name, records.filter((record) => nameOf(record) === name)]);
      return { ...event, records: Object.fromEntries(partitions) };
    },
    contentOf: ({ value }) => (value === null ? undefined : Buffer.from(value, 'base64')),
    saying: (record, content, number) => ({
      ...record,
      offset: number,
      key: Buffer.from(`${CANARY}-${number % 3}`).toString('base64'),
      value: content?.toString('base64') ?? null,
      headers: [{ [CANARY]: bytesOfCanary }],
    }),
  },
  rabbitmq: {
    recordsOf: ({ rmqMessagesByQueue }) => Object.values<Any[]>(rmqMessagesByQueue).flat(),
    withRecords: (event, records) => ({ ...event, rmqMessagesByQueue: { 'readings::/': records } }),
    contentOf: ({ data }) => Buffer.from(data, 'base64'),
    saying: (record, content = Buffer.alloc(0), number) => ({
      ...record,
      data: content.toString('base64'),
      basicProperties: {
        ...record.basicProperties,
        messageId: `${CANARY}-${number}`,
        correlationId: CANARY,
        headers: { [CANARY]: { bytes: bytesOfCanary } },
      },
    }),
  },
  dynamodb: {
    ...RECORDS,
    // What a change says is its images.
    contentOf: () => undefined,
    saying(record, content, number) {
      const { NewImage, OldImage, ...change } = record.dynamodb;
      const { note, ...said } = JSON.parse(content?.toString() ?? '{}');
      const attributes = Object.entries(said).map(([name, value]) => [name, attributeOf(value)]);
      const planted = (image: Any) =>
        image && { ...image, ...Object.fromEntries(attributes), note: { S: CANARY } };
      return {
        ...record,
        dynamodb: {
          ...change,
          Keys: { id: { S: `${CANARY}-${number % 3}` } },
          SequenceNumber: String(4_421_584_500_000_000_017_450_439_091n + BigInt(number)),
          ...(NewImage && { NewImage: planted(NewImage) }),
          ...(OldImage && { OldImage: planted(OldImage) }),
        },
      };
    },
  },
};

/** Returns a content with the canary in it: as one more field, or behind what is no JSON. */
function planted(content: Buffer | undefined): Buffer | undefined {
  const text = content?.toString();
  if (text === undefined) return undefined;
  return Buffer.from(text.endsWith('}') ? text.replace(/\}$/, `,"note":"${CANARY}"}`) : `${text}${CANARY}`);
}

/** Contents that no pipeline can read. */
const POISON: readonly Buffer[] = [
  Buffer.from(`{"machine":"${CANARY}`),
  Buffer.from(CANARY),
  Buffer.concat([Buffer.from([0xff, 0xfe, 0x00]), Buffer.from(CANARY)]),
  Buffer.from(`{"note":"${CANARY}"}`),
  Buffer.from(`["${CANARY}",{"${CANARY}":null}]`),
  Buffer.concat([gzipSync(CANARY).subarray(0, 12), Buffer.from(CANARY)]),
  Buffer.from(`null${CANARY}`),
];

/** As much as the body of an invocation may hold, less what an event has around contents. */
const HUGE_BYTES = 5_000_000;
const HUGE_RECORDS = 8;

/** What the records of a pipeline say, as it can read them. */
export interface Contents {
  readonly samples: readonly object[];
  /** How its producers encode JSON. Default: they do not. */
  readonly encode?: (json: string) => Buffer;
  /** The event that a handler of the author's own takes, in the place of events of the source. */
  readonly event?: unknown;
  readonly cluster?: Cluster;
  /** The number of the first record among all that are given: one of a number that was given is in already. Default 0. */
  readonly first?: number;
}

/** Whether events are from Amazon MSK or from any other cluster of Kafka. */
export type Cluster = 'msk' | 'self-managed';

/**
 * The events of a pipeline's source: every fixture of its kind, then records that it can read, as few and as many
 * as an event may hold, poison, and what is no event.
 */
function sourceEvents(
  { source }: Pipeline,
  { samples, encode = (json) => Buffer.from(json), event, cluster = 'msk', first = 0 }: Contents,
): readonly NamedEvent[] {
  if (event !== undefined) return [{ name: 'its own', event }];
  if (source.kind === 'panes') return [...wakeUps(source.of.name), ...MALFORMED];
  const { recordsOf, withRecords, contentOf, saying } = FORMS[source.kind];
  let number = first;
  const named = [...FIXTURES].filter(([name]) => name.startsWith(`${source.kind}-`));
  const fixtures = named.map(([name, event]): NamedEvent => {
    const records = recordsOf(event).map((record) => saying(record, planted(contentOf(record)), number++));
    return { name, event: withRecords(event, records) };
  });
  const template = named.find(([, event]) => recordsOf(event).length > 0)?.[1];
  const holding = (name: string, contents: readonly Buffer[]): NamedEvent => {
    const [record] = recordsOf(template);
    const records = contents.map((content) => saying(record, content, number++));
    return { name, event: withRecords(template, records) };
  };
  const encoded = (said: object) => encode(JSON.stringify(said));
  const padding = 'x'.repeat(Math.floor((HUGE_BYTES * 3) / 4 / HUGE_RECORDS));
  const events = [
    ...fixtures,
    holding('records that it reads', samples.map(encoded)),
    holding(
      'as many bytes as an event may hold',
      Array.from({ length: HUGE_RECORDS }, (_, at) => encoded({ ...samples[at % samples.length], padding })),
    ),
    // What a table holds is never unreadable in these ways.
    ...(source.kind === 'dynamodb' ? [] : [holding('poison', POISON)]),
    ...MALFORMED,
  ];
  return source.kind === 'kafka' ? events.map((event) => ofCluster(event, cluster)) : events;
}

/** Returns an event of Kafka as one of the cluster that all events of a pipeline come from. */
function ofCluster({ event, ...rest }: NamedEvent, cluster: Cluster): NamedEvent {
  const { eventSource, eventSourceArn, bootstrapServers } = FIXTURES.get(`kafka-${cluster}`);
  const { records } = event as Any;
  return { ...rest, event: { eventSource, eventSourceArn, bootstrapServers, records } };
}

/** What is no event of any source, and quotes a record. */
const MALFORMED: readonly NamedEvent[] = [
  { Records: [{ [CANARY]: CANARY, kinesis: { data: CANARY }, body: [CANARY], dynamodb: { Keys: CANARY } }] },
  { Records: CANARY, records: CANARY, rmqMessagesByQueue: { [CANARY]: CANARY } },
  { records: { [CANARY]: [{ topic: CANARY, partition: CANARY }] }, eventSourceArn: CANARY },
  CANARY,
].map((event, at) => ({ name: `no event, ${at + 1}`, event, mayBeRefused: true }));

/** The schedule's tick, and commits of a pipeline's logs. */
function wakeUps(pipeline: string): readonly NamedEvent[] {
  const commits = JSON.stringify(FIXTURES.get('state-commits')).replaceAll('flights/', `${pipeline}/`);
  return [
    { name: 'commits', event: JSON.parse(commits) },
    { name: 'no commits', event: { Records: [] } },
    { name: 'schedule', event: FIXTURES.get('schedule') },
  ];
}

/** Questions, those that are wrong among them. */
function questions({ rules }: Pipeline): readonly NamedEvent[] {
  const event = FIXTURES.get('function-url');
  const window = rules.windows[0]?.name;
  const asking = (path: string, query = '', method = 'GET'): NamedEvent => ({
    name: `${method} ${path}?${query}`.slice(0, 100),
    event: {
      ...event,
      rawPath: path,
      rawQueryString: query,
      queryStringParameters: undefined,
      headers: { ...event.headers, 'x-note': CANARY, 'user-agent': CANARY },
      cookies: [`note=${CANARY}`],
      requestContext: { ...event.requestContext, http: { ...event.requestContext.http, method, path } },
    },
  });
  return [
    asking('/api/health'),
    asking('/api/openapi.json'),
    asking('/api/latest', `key=${CANARY}&window=${window}`),
    asking('/api/open', `key=${CANARY}`),
    asking('/api/keys', `prefix=${CANARY}`),
    asking('/api/keys', `page=${CANARY}`),
    asking('/api/panes', `key=${CANARY}&window=${window}&from=${CANARY}`),
    asking('/api/latest', `key=${CANARY}&window=${window}&atLeast=${CANARY}`),
    asking('/api/latest', `key=${CANARY}${'x'.repeat(2_000)}&window=${CANARY}`),
    asking(`/${CANARY}/%${CANARY}`, `%${CANARY}=%`),
    asking(`/api/latest`, `key=${CANARY}`, 'POST'),
  ];
}

/** What CloudFormation asks before the functions of a pipeline change. */
const steps = (answers: string): readonly NamedEvent[] =>
  ['Create', 'Update', 'Delete'].map((RequestType) => ({
    name: RequestType,
    event: {
      RequestType,
      ResponseURL: `${answers}/${CANARY}`,
      StackId: 'stack',
      RequestId: 'request',
      LogicalResourceId: 'Check',
      ResourceProperties: { version: '1' },
      OldResourceProperties: { version: '1' },
    },
  }));

/**
 * All events of a function, in their order.
 *
 * @param answers where what CloudFormation asks is answered
 */
export function eventsOf(
  role: Role,
  pipeline: Pipeline,
  contents: Contents,
  answers = '',
): readonly NamedEvent[] {
  if (role === 'check') return [...steps(answers), ...MALFORMED];
  if (role === 'query') return [...questions(pipeline), ...MALFORMED];
  if (role === 'handler') return sourceEvents(pipeline, contents);
  return [...wakeUps(pipeline.name), ...MALFORMED];
}
