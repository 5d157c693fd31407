import { millis } from '../core/time.ts';
import { cursorLogOf } from '../engine/delivery/cursor-logs.ts';
import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { serviceOf } from '../pipeline/services.ts';
import { bySink, NO_MESSAGES, type Sink, sinkName } from '../pipeline/sinks.ts';
import { ENTRY_LIFETIME } from '../ports/commit-log.ts';
import { MEASURES, zerosOf } from '../ports/telemetry.ts';
import type { Counts, To } from './counts.ts';
import { calledBy } from './endpoints.ts';
import { ITEM_OVERHEAD } from './items.ts';
import type { Intake } from './lineages.ts';
import type { Load } from './load.ts';
import { defaultMemory } from './memory.ts';
import { costOf, type PriceList, type PriceName } from './prices.ts';
import type { Rehearsal } from './rehearsal.ts';

/** One line of a bill. */
export interface BillLine {
  readonly service: Billed;
  readonly price: PriceName;
  /** What is counted, in words. */
  readonly what: string;
  /** Units of the price in a month. */
  readonly units: number;
  readonly dollars: number;
}

/** What is billed together. */
type Billed = 'source' | 'Lambda' | 'DynamoDB' | 'S3' | 'sinks' | 'CloudWatch' | 'KMS' | 'Scheduler' | 'VPC';

const HOURS = 730;
const SECONDS = HOURS * 3_600;
const DAY = 86_400;
/** A month as storage is billed by, in days. */
const MONTH = HOURS / 24;
const GIB = 2 ** 30;
const MILLION = 1_000_000;
const KIB = 1_024;

/** What Lambda and a handler write to its log for an invocation, in bytes, and by how much logs are compressed. */
const LOG_BYTES = 1_500;
const LOG_COMPRESSION = 0.15;

/** For how many days bodies of entries stay in the bucket. */
const BODY_DAYS = 51;

/** Kinesis counts what is put by pieces of this size; messages are counted by pieces of that. */
const PUT_UNIT = 25 * KIB;
const MESSAGE_UNIT = 64 * KIB;

/** Lambda has at least five pollers of a queue, each of which asks every 20 seconds where nothing comes. */
const IDLE_POLLS = 5 / 20;
/** A receive, and a delete, are of ten messages at most. */
const RECEIVED = 10;

/** What is billed for a pipeline, line by line, for a month under a load; without a rehearsal, for one at rest. */
export function billOf(
  pipeline: Pipeline,
  load: Load,
  intake: Intake,
  counts: Counts,
  rehearsal: Rehearsal | undefined,
  list: PriceList,
): readonly BillLine[] {
  const lines: BillLine[] = [];
  const add = (service: Billed, price: PriceName, units: number, what: string): void => {
    if (units > 0) lines.push({ service, price, what, units, dollars: costOf(list, price, units) });
  };
  const records = rehearsal === undefined ? 0 : load.recordsPerSecond;
  const month = (aSecond: number): number => SECONDS * aSecond;

  for (const [price, units, what] of sourceLines(pipeline, load, intake, records)) {
    add('source', price, units, what);
  }

  const { invocations, seconds } = counts;
  const functions = ['handler', 'projector', 'sweeper'] as const;
  const calls = functions.reduce((sum, name) => sum + invocations[name], 0);
  add('Lambda', 'lambdaRequest', month(calls), 'calls');
  for (const name of functions) {
    const gigabytes = (name === 'handler' ? load.memory : defaultMemory(pipeline, name)) / 1_024;
    add('Lambda', 'lambdaGigabyteSecond', month(seconds[name] * gigabytes), `${name}, estimated`);
  }

  add('DynamoDB', 'dynamodbWriteUnit', month(counts.writeUnits), 'writes');
  add('DynamoDB', 'dynamodbReadUnit', month(counts.readUnits), 'reads');
  const stored = rehearsal === undefined ? 0 : tableBytes(load, rehearsal);
  add('DynamoDB', 'dynamodbStorage', stored / GIB, 'entries of 8 days, and rows of the first month');
  add('DynamoDB', 'dynamodbRecovery', stored / GIB, 'recovery to any point of 35 days');

  add('S3', 's3Put', month(counts.objectPuts), 'objects put');
  add('S3', 's3Get', month(counts.objectGets + counts.objectHeads), 'objects looked for and read');
  add(
    'S3',
    's3Storage',
    rehearsal === undefined ? 0 : bucketBytes(pipeline, rehearsal) / GIB,
    'objects of the first month',
  );

  for (const [price, units, what] of sinkLines(pipeline, counts)) add('sinks', price, units, what);

  add('CloudWatch', 'cloudwatchMetric', metricsOf(pipeline, rehearsal !== undefined), 'metrics');
  add('CloudWatch', 'cloudwatchAlarm', load.alarms, 'alarms');
  add('CloudWatch', 'cloudwatchDashboard', load.dashboards, 'dashboards');
  const logged = (month(calls) * LOG_BYTES) / GIB;
  add('CloudWatch', 'cloudwatchLogs', logged, 'logs');
  add('CloudWatch', 'cloudwatchLogStorage', logged * LOG_COMPRESSION, 'logs of a month');
  add('CloudWatch', 'cloudwatchRead', month(counts.metrics), 'age of the source, read once a minute');

  if (load.ownKey) {
    add('KMS', 'kmsKey', 1, 'key');
    // DynamoDB keeps a table's key for five minutes; S3 asks for one for each object where it has no bucket key.
    add('KMS', 'kmsRequest', 2 * HOURS * 12 + month(counts.objectPuts + counts.objectGets), 'requests');
  }
  add(
    'Scheduler',
    'schedulerInvocation',
    month((pipeline.sinks.length > 0 ? 2 : 1) / 60),
    'a call a minute of each function',
  );
  const endpoints = calledBy(pipeline).endpoints.length;
  add('VPC', 'endpointHour', HOURS * endpoints * load.endpointZones, `${endpoints} interface endpoints`);
  return lines;
}

type Units = readonly (readonly [price: PriceName, units: number, what: string])[];

function sourceLines({ source }: Pipeline, { bytes }: Load, { batches }: Intake, records: number): Units {
  const none = (): Units => [];
  const queue = (price: PriceName) => (): Units => {
    const received = records === 0 ? 0 : Math.max(records / RECEIVED, Math.min(records, batches));
    const requests =
      records * Math.max(1, Math.ceil(bytes / MESSAGE_UNIT)) + Math.max(IDLE_POLLS, received) + received;
    return [[price, SECONDS * requests, 'messages sent, received and deleted, and polls']];
  };
  return byKind<Pipeline['source'], Units>(source, {
    kinesis({ stream, shards, fanOut }) {
      if ('arn' in stream) return fanOut ? fanOutLines(shards, records, bytes) : [];
      const days = stream.retention / millis('1d');
      const kept = (SECONDS * records * bytes) / GIB / MONTH;
      const long: Units =
        days > 7 ? [['kinesisLongRetention', kept * (days - 7), 'records kept past 7 days']] : [];
      if (stream.mode === 'provisioned') {
        return [
          ['kinesisShardHour', shards * HOURS, `${shards} shards`],
          ...(days > 1
            ? [['kinesisExtendedShardHour', shards * HOURS, 'records kept up to 7 days'] as const]
            : []),
          ['kinesisPutUnit', SECONDS * records * Math.ceil(bytes / PUT_UNIT), 'records put'],
          ...long,
          ...(fanOut ? fanOutLines(shards, records, bytes) : []),
        ];
      }
      const gigabytes = (SECONDS * records * KIB * Math.ceil(bytes / KIB)) / GIB;
      return [
        ['kinesisStreamHour', HOURS, 'the stream'],
        ['kinesisIn', gigabytes, 'records put, in whole KB'],
        [fanOut ? 'kinesisOutFanOut' : 'kinesisOut', (SECONDS * records * bytes) / GIB, 'records read'],
        ...(days > 1
          ? [
              [
                'kinesisExtendedGigabyte',
                kept * (Math.min(days, 7) - 1),
                'records kept up to 7 days',
              ] as const,
            ]
          : []),
        ...long,
      ];
    },
    sqs: queue('sqsRequest'),
    fifo: queue('sqsFifoRequest'),
    kafka: () => [['lambdaPollerHour', HOURS, 'an event poller; the cluster is not in it']],
    rabbitmq: none,
    dynamodb: none,
    panes: none,
  });
}

const fanOutLines = (shards: number, records: number, bytes: number): Units => [
  ['kinesisFanOutShardHour', shards * HOURS, 'a consumer of its own'],
  ['kinesisFanOutRead', (SECONDS * records * bytes) / GIB, 'records read by it'],
];

/** Entries live for eight days; a row of a window stays, and that of the latest pane of each key is one. */
function tableBytes({ keys }: Load, { groups, handler, sweeper, panes }: Rehearsal): number {
  const seconds = ENTRY_LIFETIME / 1_000;
  const entries =
    groups *
    seconds *
    (handler.rate * (handler.itemBytes + ITEM_OVERHEAD) + sweeper.rate * (sweeper.itemBytes + ITEM_OVERHEAD));
  const rows = groups * SECONDS * panes.keptRowBytes + keys * panes.latestRowBytes;
  return entries + rows;
}

function bucketBytes({ sinks }: Pipeline, { groups, handler, sweeper, panes }: Rehearsal): number {
  const bodies =
    handler.rate * handler.objects * handler.objectBytes +
    sweeper.rate * sweeper.objects * sweeper.objectBytes;
  const { bucket } = bySink(sinks, { table: () => 0, bucket: () => panes.lineBytes, ...NO_MESSAGES });
  const lines = bucket[0] ?? 0;
  return groups * (bodies * BODY_DAYS * DAY + lines * SECONDS);
}

/** What a sink sends, a second. */
interface Sent {
  readonly name: string;
  readonly requests: number;
  readonly messages: number;
  readonly bytes: number;
}

/** Messages that are billed by requests, each of 64 KB, and messages that are billed one by one. */
const byRequest =
  (price: PriceName) =>
  ({ name, requests, bytes }: Sent): Units => [
    [price, SECONDS * Math.max(requests, bytes / MESSAGE_UNIT), `messages of ${name}`],
  ];
const byMessage =
  (price: PriceName) =>
  ({ name, messages }: Sent): Units => [[price, SECONDS * messages, `messages of ${name}`]];

/** What each service bills for what a sink sends to it. Whoever reads there pays for that. */
const SENT: { readonly [Of in To]: (sent: Sent) => Units } = {
  sns: byRequest('snsPublish'),
  'sns-fifo': byRequest('snsFifoPublish'),
  eventbridge: byMessage('eventbridgeEvent'),
  kinesis: ({ name, messages, bytes }) => [
    ['kinesisStreamHour', HOURS, `the stream of ${name}`],
    [
      'kinesisIn',
      (SECONDS * messages * KIB * Math.ceil(bytes / Math.max(1e-9, messages) / KIB)) / GIB,
      `messages of ${name}, in whole KB`,
    ],
  ],
  sqs: byRequest('sqsRequest'),
  'sqs-fifo': byRequest('sqsFifoRequest'),
  appsync: byMessage('appsyncOperation'),
};

const sinkLines = ({ sinks }: Pipeline, { messages }: Counts): Units =>
  sinks.flatMap((sink: Sink): Units => {
    if (serviceOf(sink) === undefined) return [];
    const name = sinkName(sink);
    const sent = messages.get(name) ?? { requests: 0, messages: 0, bytes: 0 };
    return SENT['to' in sink ? sink.to : 'appsync']({ name, ...sent });
  });

/** What a million records cost to be put into the source. */
export function puttingOf({ source }: Pick<Pipeline, 'source'>, bytes: number, list: PriceList): number {
  const none = () => 0;
  // A message is sent, and received and deleted with nine others.
  const requests = MILLION * (Math.ceil(bytes / MESSAGE_UNIT) + 2 / RECEIVED);
  return byKind<Pipeline['source'], number>(source, {
    kinesis: () => costOf(list, 'kinesisPutUnit', MILLION * Math.ceil(bytes / PUT_UNIT)),
    sqs: () => costOf(list, 'sqsRequest', requests),
    fifo: () => costOf(list, 'sqsFifoRequest', requests),
    kafka: none,
    rabbitmq: none,
    dynamodb: none,
    panes: none,
  });
}

/** The metrics that functions publish: at rest those of the functions that the clock calls. */
function metricsOf(pipeline: Pipeline, hasRecords: boolean): number {
  const { process, sweep, project } = zerosOf(pipeline);
  const noting = pipeline.sinks.filter((sink) => cursorLogOf(pipeline.name, sink)).length;
  const names = new Set([
    ...sweep.metrics,
    ...(pipeline.sinks.length > 0 ? project.metrics : []),
    ...(hasRecords ? process.metrics : []),
  ]);
  // Of each sink its lag, and while there are records how long delivery takes.
  const ofSinks = hasRecords ? 2 * noting : noting;
  return names.size + Object.keys(MEASURES).length + ofSinks + (hasRecords ? process.windows.length : 0);
}
