import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cloudWatchGauge } from '../../../src/adapters/cloudwatch/gauge.ts';
import { kafkaArrivals } from '../../../src/adapters/kafka/arrivals.ts';
import * as kafkaRecords from '../../../src/adapters/kafka/records.ts';
import * as kinesisRecords from '../../../src/adapters/kinesis/records.ts';
import { sqsArrivals } from '../../../src/adapters/sqs/arrivals.ts';
import * as fifo from '../../../src/adapters/sqs/fifo.ts';
import * as standard from '../../../src/adapters/sqs/standard.ts';
import { positionOf } from '../../../src/core/position.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import { processHandler } from '../../../src/handlers.ts';
import {
  count,
  definePipeline,
  dynamodbStream,
  kafka,
  kinesis,
  type Pipeline,
  rabbitmq,
  sqs,
  tumbling,
} from '../../../src/index.ts';
import { lambdaHandler, sweepHandler } from '../../../src/lambda.ts';
import { localSourceOf } from '../../../src/local/sources/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { ENVIRONMENT, groupLog } from '../../../src/wiring/names.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const INVOCATION = { getRemainingTimeInMillis: () => 60_000 };

/** Machines of three key groups of sixteen. */
const PUMP = 'pump';
const OVEN = 'oven';
const DRILL = 'drill';

const textOf = (machine: string, time: number): string => JSON.stringify({ machine, at: time, celsius: 20 });

const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface Sent {
  readonly id: string;
  readonly body: string;
  readonly time?: number;
  readonly attributes?: object;
}

/** The event that Lambda makes of messages of a queue. */
const queueEvent = (queue: string, messages: readonly Sent[]): SQSEvent =>
  ({
    Records: messages.map(({ id, body, time = NOON, attributes }) => ({
      messageId: id,
      receiptHandle: 'AQEB',
      body,
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: String(time),
        SenderId: 'AIDA',
        ApproximateFirstReceiveTimestamp: String(time),
        ...attributes,
      },
      messageAttributes: {},
      md5OfBody: '0',
      eventSource: 'aws:sqs',
      eventSourceARN: `arn:aws:sqs:eu-central-1:123456789012:${queue}`,
      awsRegion: 'eu-central-1',
    })),
  }) satisfies SQSEvent;

const grouped = (group: string, sequence: number) => ({
  attributes: {
    MessageGroupId: group,
    SequenceNumber: String(18_886_000_000_000_000_000n + BigInt(sequence)),
  },
});

const CLUSTER = 'arn:aws:kafka:eu-central-1:123456789012:cluster/plant/0123-4567-2';

const kafkaRecord = (partition: number, offset: number, more: object = {}) => ({
  topic: 'plant.readings',
  partition,
  offset,
  timestamp: NOON as number,
  timestampType: 'CREATE_TIME',
  key: base64('pump') as string | null,
  value: base64('{}') as string | null,
  headers: [],
  ...more,
});

const kafkaEvent = (...records: readonly ReturnType<typeof kafkaRecord>[]): kafkaRecords.KafkaEvent => ({
  eventSourceArn: CLUSTER,
  records: Object.fromEntries(
    [...new Set(records.map(({ partition }) => partition))].map((partition) => [
      `plant.readings-${partition}`,
      records.filter((one) => one.partition === partition),
    ]),
  ),
});

const shown = ({ lineage, position, arrival, partitionKey, data }: SourceRecord) => ({
  lineage,
  position,
  arrival,
  partitionKey,
  data: Buffer.from(data).toString(),
});

describe('a record of a stream', () => {
  const record = {
    lineage: 'readings/shardId-0',
    position: positionOf('7'),
    arrival: NOON,
    partitionKey: 'a',
  };
  const broken = (change: (one: Record<string, unknown>) => void) => {
    const event = kinesisEvent([{ ...record, data: Buffer.from('{}') }]);
    change(event.Records[0]?.kinesis as never);
    return () => kinesisRecords.recordsOf(event);
  };

  it.each(['data', 'partitionKey'])('is refused when it lacks its %s', (name) => {
    expect(broken((one) => delete one[name])).toThrow(
      new TypeError(
        'Cannot read a record as it must be of a Kinesis event: it lacks "kinesis.data", "kinesis.partitionKey", "eventID" or "eventSourceARN"',
      ),
    );
  });

  it.each([undefined, Number.NaN, 1e300, 'noon'])('is refused when it arrived at %s', (arrival) => {
    expect(
      broken((one) => {
        one['approximateArrivalTimestamp'] = arrival;
      }),
    ).toThrow(
      new TypeError(
        'Cannot read a record as "kinesis.approximateArrivalTimestamp" must be seconds since the epoch',
      ),
    );
  });
});

describe('a message of a standard queue', () => {
  it('is known by its id, of one lineage for the queue, and holds its text as UTF-8', () => {
    const id = '059f36b4-87a3-44ab-83d2-661975830a7d';
    // A message group of a standard queue is for fairness, and has no order.
    const attributes = { MessageGroupId: 'tenant' };
    const event = queueEvent('readings', [{ id, body: '{"°C": 20}', time: at(1), attributes }]);
    expect(standard.recordsOf(event).map(shown)).toEqual([
      { lineage: 'readings', position: id, arrival: at(1), partitionKey: id, data: '{"°C": 20}' },
    ]);
  });

  it.each(['', 'a/b', '../b', 'a b', 'é', 'a'.repeat(101)])('with the id "%s" is refused', (id) => {
    expect(() => standard.recordsOf(queueEvent('readings', [{ id, body: '' }]))).toThrow(
      new RangeError(
        'Cannot use an id that is not 1 to 100 letters, digits, hyphens and underscores as a position',
      ),
    );
  });
});

describe('a message of a FIFO queue', () => {
  it('stands at its sequence number in the lineage of its message group', () => {
    const event = queueEvent('readings.fifo', [{ id: 'one', body: '{}', ...grouped('pump', 7) }]);
    expect(fifo.recordsOf(event).map(shown)).toEqual([
      {
        lineage: 'readings.fifo/pump',
        position: '18886000000000000007',
        arrival: NOON,
        partitionKey: 'pump',
        data: '{}',
      },
    ]);
  });

  it.each([
    ['..', 'q.fifo/%2E%2E'],
    ['a/b', 'q.fifo/a%2Fb'],
    ['a%2Fb', 'q.fifo/a%252Fb'],
    ['!~', 'q.fifo/!~'],
  ])('of the group "%s" has a lineage that no path or other group is named by', (group, lineage) => {
    const event = queueEvent('q.fifo', [{ id: 'one', body: '{}', ...grouped(group, 7) }]);
    expect(fifo.recordsOf(event)[0]).toMatchObject({ lineage, partitionKey: group });
  });

  it.each([
    ['no group', { SequenceNumber: '7' }],
    ['an empty group', { SequenceNumber: '7', MessageGroupId: '' }],
    ['a group of more than 128 characters', { SequenceNumber: '7', MessageGroupId: 'a'.repeat(129) }],
    ['a group that is not printable', { SequenceNumber: '7', MessageGroupId: 'a\nb' }],
    ['a group that is no text', { SequenceNumber: '7', MessageGroupId: 7 }],
    ['no sequence number', { MessageGroupId: 'pump' }],
  ])('with %s is refused', (_, attributes) => {
    expect(() => fifo.recordsOf(queueEvent('q.fifo', [{ id: 'one', body: '{}', attributes }]))).toThrow(
      /^Cannot read a message as it must be of a FIFO queue/,
    );
  });
});

describe('an event of a queue', () => {
  const lacking = (name: string) => {
    const [message] = queueEvent('readings', [{ id: 'one', body: '{}' }]).Records;
    return { Records: [{ ...message, [name]: undefined }] } as unknown as SQSEvent;
  };

  it.each([undefined, null, {}, { Records: {} }])('that is %o is refused', (event) => {
    expect(() => standard.recordsOf(event as never)).toThrow(
      new TypeError('Cannot read the event as it must be an SQS event: it has no list "Records"'),
    );
  });

  it.each(['messageId', 'body', 'eventSourceARN'])('is refused when a message lacks its %s', (name) => {
    expect(() => standard.recordsOf(lacking(name))).toThrow(
      new TypeError(
        'Cannot read a message as it must be of an SQS event: it lacks "messageId", "body" or "eventSourceARN"',
      ),
    );
  });

  it.each([undefined, 'soon', '1.5', '1e300'])(
    'is refused when a message was sent at %s',
    (SentTimestamp) => {
      const event = queueEvent('readings', [{ id: 'one', body: '{}', attributes: { SentTimestamp } }]);
      for (const read of [standard.recordsOf, () => standard.recordsOf(lacking('attributes'))]) {
        expect(() => read(event)).toThrow(
          new TypeError(
            'Cannot read a message as "attributes.SentTimestamp" must be whole milliseconds since the epoch',
          ),
        );
      }
    },
  );
});

describe('a record of a topic', () => {
  it('stands at its offset in the lineage of its partition', () => {
    const record = kafkaRecord(3, 2 ** 53 - 1, { value: base64('{"°C": 20}') });
    expect(kafkaRecords.recordsOf(kafkaEvent(record)).map(shown)).toEqual([
      {
        lineage: 'plant.readings/3',
        position: '9007199254740991',
        arrival: NOON,
        partitionKey: 'pump',
        data: '{"°C": 20}',
      },
    ]);
  });

  it('comes with the others of its partition, in their order', () => {
    const event = kafkaEvent(kafkaRecord(0, 7), kafkaRecord(1, 3), kafkaRecord(0, 8));
    expect(kafkaRecords.recordsOf(event).map(({ lineage, position }) => `${lineage} ${position}`)).toEqual([
      'plant.readings/0 7',
      'plant.readings/0 8',
      'plant.readings/1 3',
    ]);
  });

  it.each([null, undefined])('has no partition key when its key is %s', (key) => {
    expect(kafkaRecords.recordsOf(kafkaEvent(kafkaRecord(0, 0, { key })))[0]?.partitionKey).toBe('');
  });

  it.each([null, undefined])('is left out when its value is %s: a tombstone', (value) => {
    const event = kafkaEvent(kafkaRecord(0, 7, { value }), kafkaRecord(0, 8, { value: '' }));
    expect(kafkaRecords.recordsOf(event).map(({ position }) => position)).toEqual(['8']);
  });

  it.each([-1, 1.5, 1.7e15])(
    'that its producer stamped %s is refused, and holds up no other',
    async (timestamp) => {
      const scene = new Scene(readings(kafka({ topic: 'plant.readings' })));
      const value = base64(textOf(PUMP, NOON));
      const event = kafkaEvent(kafkaRecord(0, 7, { timestamp, value }), kafkaRecord(0, 8, { value }));
      expect(await processHandler(scene.ports, scene.pipeline)(event, INVOCATION)).toEqual({
        batchItemFailures: [],
      });
      expect(scene.ports.telemetry.counted).toMatchObject({ received: 2, applied: 1, poison: 1 });
      expect(scene.refused()).toMatchObject([{ lineage: 'plant.readings/0', position: '7', code: 'future' }]);
    },
  );

  it.each([
    { topic: 'a/b' },
    { topic: '..' },
    { topic: undefined },
    { partition: -1 },
    { partition: '0' },
    { offset: -1 },
    { offset: 2 ** 53 },
    { offset: '7' },
    { timestamp: '0' },
    { key: 7 },
    { value: {} },
  ])('that has %j is refused', (wrong) => {
    expect(() => kafkaRecords.recordsOf({ records: { any: [kafkaRecord(0, 0, wrong)] } })).toThrow(
      new TypeError(
        'Cannot read a record as it must be of a Kafka event: its "topic", "partition", "offset", "timestamp", "key" or "value" is of another form',
      ),
    );
  });

  it.each([undefined, null, {}, { records: null }, { records: 'all' }])(
    'is not looked for in an event that is %o',
    (event) => {
      expect(() => kafkaRecords.recordsOf(event as never)).toThrow(
        new TypeError('Cannot read the event as it must be a Kafka event: it has no object "records"'),
      );
    },
  );

  it('is not looked for in a partition that is no list', () => {
    expect(() => kafkaRecords.recordsOf({ records: { 'topic-0': {} as never } })).toThrow(
      new TypeError('Cannot read a partition as it must be of a Kafka event: it is no list of records'),
    );
  });
});

function readings(source: Pipeline['source']): Pipeline {
  return definePipeline(
    'readings',
    source.map((reading) => reading as Reading),
    {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    },
  );
}

describe('what is to be given again', () => {
  /** What the handler answers to an event while nothing can be appended to the log of a machine's key group. */
  async function answer(
    source: Pipeline['source'],
    event: Parameters<ReturnType<typeof processHandler>>[0],
    stuck: string,
  ) {
    const scene = new Scene(readings(source));
    const { groups } = scene.pipeline;
    expect(new Set([PUMP, OVEN, DRILL].map((machine) => groupOf(hashOf(machine), groups))).size).toBe(3);
    const log = groupLog('readings', 1, groupOf(hashOf(stuck), groups));
    const partly = scene.refusing((call, name) => call === 'log.append' && name === log);
    return processHandler(partly, scene.pipeline)(event, INVOCATION);
  }

  it('of a shard is named by the lowest position', async () => {
    const records = [PUMP, OVEN, DRILL, OVEN].map((machine, n) => ({
      lineage: 'readings/shardId-000000000000',
      position: positionOf(String(5 + n)),
      arrival: at(0, n),
      partitionKey: machine,
      data: Buffer.from(textOf(machine, at(0, n))),
    }));
    expect(await answer(kinesis({ shards: 4 }), kinesisEvent(records), OVEN)).toEqual({
      batchItemFailures: [{ itemIdentifier: '6' }],
    });
  });

  it('of a standard queue are the messages that are not in, and no other', async () => {
    const machines = [PUMP, OVEN, DRILL, OVEN, PUMP];
    const messages = machines.map((machine, n) => ({ id: `id-${n}`, body: textOf(machine, at(0, n)) }));
    expect(await answer(sqs(), queueEvent('readings', messages), OVEN)).toEqual({
      batchItemFailures: [{ itemIdentifier: 'id-1' }, { itemIdentifier: 'id-3' }],
    });
  });

  // Groups:   a     b     a     b     a
  // Keys:    pump  oven  oven  drill drill
  // Not in:         x     x
  it('of a FIFO queue are of each message group the first that is not in and all after it', async () => {
    const machines = [PUMP, OVEN, OVEN, DRILL, DRILL];
    const messages = machines.map((machine, n) => ({
      id: `id-${n}`,
      body: textOf(machine, at(0, n)),
      ...grouped(n % 2 === 0 ? 'a' : 'b', Math.floor(n / 2)),
    }));
    const event = queueEvent('readings.fifo', messages);
    expect(await answer(sqs({ fifo: true }), event, OVEN)).toEqual({
      batchItemFailures: [1, 2, 3, 4].map((n) => ({ itemIdentifier: `id-${n}` })),
    });
    expect(await answer(sqs({ fifo: true }), event, DRILL)).toEqual({
      batchItemFailures: [3, 4].map((n) => ({ itemIdentifier: `id-${n}` })),
    });
  });

  it('of a topic is named by the lowest offset of each partition', async () => {
    const [pump, oven] = [PUMP, OVEN].map((machine) => ({ value: base64(textOf(machine, NOON)) }));
    const event = kafkaEvent(
      kafkaRecord(0, 5, pump),
      kafkaRecord(0, 6, oven),
      kafkaRecord(0, 7, oven),
      kafkaRecord(1, 8, pump),
      kafkaRecord(2, 9, oven),
    );
    const source = kafka({ topic: 'plant.readings', partitions: 4 });
    expect(await answer(source, event, OVEN)).toEqual({
      batchItemFailures: [
        { itemIdentifier: { partition: 'plant.readings-0', offset: 6 } },
        { itemIdentifier: { partition: 'plant.readings-2', offset: 9 } },
      ],
    });
  });

  it.each([
    ['standard queue', sqs(), queueEvent('readings', [{ id: 'one', body: textOf(PUMP, NOON) }])],
    [
      'FIFO queue',
      sqs({ fifo: true }),
      queueEvent('q.fifo', [{ id: 'one', body: textOf(PUMP, NOON), ...grouped('a', 1) }]),
    ],
    [
      'topic',
      kafka({ topic: 'plant.readings' }),
      kafkaEvent(kafkaRecord(0, 0, { value: base64(textOf(PUMP, NOON)) })),
    ],
  ])('is nothing of a %s once all is committed, of which no progress is noted', async (_, source, event) => {
    const scene = new Scene(readings(source));
    const ports = scene.refusing((call) => call === 'progress.note');
    expect(await processHandler(ports, scene.pipeline)(event, INVOCATION)).toEqual({ batchItemFailures: [] });
    expect(scene.ports.telemetry.counted).toMatchObject({ received: 1, applied: 1 });
  });

  it('leaves out what the group of a record holds already', async () => {
    const scene = new Scene(readings(kinesis()));
    const [held, ...news] = [1, 2, 3].map((n) => scene.put(PUMP, at(0, n))) as [SourceRecord, SourceRecord];
    await scene.process([held]);
    const ports = scene.refusing((call) => call === 'log.append');
    expect(await scene.process([held, ...news], ports)).toEqual(news);
  });
});

describe('how far shards are committed', () => {
  it('is noted of each on its own, and asked for again of the one where that fails', async () => {
    const scene = new Scene(readings(kinesis({ shards: 2 })));
    const batch = [0, 1, 0, 1].map((shard, n) => scene.put(PUMP, at(0, n), 20, shard));
    const [first, second] = batch as [SourceRecord, SourceRecord];
    const ports = scene.refusing((call, name) => call === 'progress.note' && name.endsWith('1'));
    expect(await scene.process(batch, ports)).toEqual([batch[3]]);
    expect(await scene.ports.progress.read(first.lineage)).toBe('2');
    expect(await scene.ports.progress.read(second.lineage)).toBeUndefined();
  });

  it('is noted of a shard of which all is in, though another has something left', async () => {
    const scene = new Scene(readings(kinesis({ shards: 1 })));
    const batch = [scene.put(PUMP, at(0), 20, 0), scene.put(OVEN, at(0), 20, 1)];
    const oven = groupLog('readings', 1, groupOf(hashOf(OVEN), 4));
    const ports = scene.refusing((call, name) => call === 'log.append' && name === oven);
    expect(await scene.process(batch, ports)).toEqual([batch[1]]);
    expect(await scene.ports.progress.read(batch[0]?.lineage ?? '')).toBe('1');
    expect(await scene.ports.progress.read(batch[1]?.lineage ?? '')).toBeUndefined();
  });
});

/** A client that answers every call the same, and keeps what it was asked. */
function answering<Client>(of: new (options: object) => Client, answer: object) {
  const asked: { readonly input: object }[] = [];
  const client = new of({ region: 'eu-central-1' });
  Object.assign(client as object, {
    send: async (command: { readonly input: object }) => {
      asked.push(command);
      return answer;
    },
  });
  return { client, asked };
}

const gaugeOf = (value?: number, published = at(-3)) => ({
  latest: async () => (value === undefined ? undefined : { at: published, value }),
});

describe('what waits on a queue', () => {
  const frontier = (counts: readonly string[], age?: number): Promise<EpochMillis | undefined> => {
    const [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, Delayed] = counts;
    const { client } = answering(SQSClient, {
      Attributes: {
        ApproximateNumberOfMessages,
        ApproximateNumberOfMessagesNotVisible,
        ApproximateNumberOfMessagesDelayed: Delayed,
      },
    });
    return sqsArrivals(client, 'https://any', gaugeOf(age)).frontier(NOON);
  };

  it('is nothing, as of two minutes ago, when no message is visible, in flight or delayed', async () => {
    expect(await frontier(['0', '0', '0'])).toBe(at(-2));
    expect(await frontier(['0', '0', '0'], 500)).toBe(at(-2));
  });

  it.each([[['1', '0', '0']], [['0', '1', '0']], [['0', '0', '1']], [['0', '0']], [[]]])(
    'is as old as the oldest message, as of when its age was published, when the counts are %j',
    async (counts) => {
      expect(await frontier(counts, 90)).toBe(at(-3, -90));
      expect(await frontier(counts)).toBeUndefined();
      // What is left out of the age might be all that waits.
      expect(await frontier(counts, 0)).toBeUndefined();
    },
  );

  it('is asked of the queue in one call', async () => {
    const { client, asked } = answering(SQSClient, {});
    await sqsArrivals(client, 'https://sqs/1/readings', gaugeOf()).frontier(NOON);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toBeInstanceOf(GetQueueAttributesCommand);
    expect(asked[0]?.input).toEqual({
      QueueUrl: 'https://sqs/1/readings',
      AttributeNames: [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ],
    });
  });
});

describe('what waits on a topic', () => {
  it('is nothing, as of a minute before its lag was last 0', async () => {
    expect(await kafkaArrivals(gaugeOf(0)).frontier(NOON)).toBe(at(-4));
  });

  it.each([1, undefined])('cannot be told when its lag is %s', async (lag) => {
    expect(await kafkaArrivals(gaugeOf(lag)).frontier(NOON)).toBeUndefined();
  });
});

describe('a metric', () => {
  const METRIC = { namespace: 'AWS/SQS', name: 'Age', dimensions: { QueueName: 'readings' } } as const;

  it('has the value published last, whatever the order they come in', async () => {
    const { client, asked } = answering(CloudWatchClient, {
      Datapoints: [
        { Timestamp: new Date(at(-4)), Maximum: 4 },
        { Timestamp: new Date(at(-2)), Maximum: 2 },
        { Timestamp: new Date(at(-3)), Maximum: 3 },
      ],
    });
    expect(await cloudWatchGauge(client, METRIC).latest(NOON)).toEqual({ at: at(-2), value: 2 });
    expect(asked[0]).toBeInstanceOf(GetMetricStatisticsCommand);
    expect(asked[0]?.input).toEqual({
      Namespace: 'AWS/SQS',
      MetricName: 'Age',
      Dimensions: [{ Name: 'QueueName', Value: 'readings' }],
      StartTime: new Date(at(-10)),
      EndTime: new Date(NOON),
      Period: 60,
      Statistics: ['Maximum'],
    });
  });

  it.each([{}, { Datapoints: [] }, { Datapoints: [{ Maximum: 4 }] }])('has none in %j', async (answer) => {
    const { client } = answering(CloudWatchClient, answer);
    expect(await cloudWatchGauge(client, METRIC).latest(NOON)).toBeUndefined();
  });
});

describe('a sweeper', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    ['stream', kinesis()],
    ['queueUrl', sqs()],
    ['queueUrl', sqs({ fifo: true })],
    ['topicReader', kafka({ topic: 'plant.readings' })],
    ['brokerName', rabbitmq({ queue: 'readings' })],
    ['tableStream', dynamodbStream({ table: 'plant.readings' })],
  ] as const)('must be told the %s where that is what it looks at', (name, source) => {
    const pipeline = readings(source);
    vi.stubEnv(ENVIRONMENT.pipeline, pipeline.name);
    vi.stubEnv(ENVIRONMENT.stateTable, 'any');
    vi.stubEnv(ENVIRONMENT.bucket, 'any');
    expect(() => sweepHandler(pipeline)).toThrow(
      `Cannot start as ${ENVIRONMENT[name]} must be set, as the stack of a pipeline sets it: it is not set`,
    );
    vi.stubEnv(ENVIRONMENT[name], '');
    expect(() => sweepHandler(pipeline)).toThrow(/: it is empty$/);
    vi.stubEnv(ENVIRONMENT[name], 'https://any/1/readings');
    expect(sweepHandler(pipeline)).toBeTypeOf('function');
  });

  it.each(['stateTable', 'rowsTable'] as const)('must not read the %s that it writes', (written) => {
    const pipeline = readings(dynamodbStream({ table: 'plant.readings' }));
    vi.stubEnv(ENVIRONMENT.pipeline, pipeline.name);
    vi.stubEnv(ENVIRONMENT.stateTable, 'any');
    vi.stubEnv(ENVIRONMENT[written], 'plant.readings');
    for (const start of [sweepHandler, lambdaHandler]) {
      expect(() => start(pipeline)).toThrow(
        new Error(
          'Cannot start as a pipeline must not read the tables that it writes, as each commit would be read as a change: "readings" reads "plant.readings"',
        ),
      );
    }
  });

  it('must be of the pipeline that it was deployed for', () => {
    vi.stubEnv(ENVIRONMENT.pipeline, 'flights');
    expect(() => sweepHandler(readings(kinesis()))).toThrow(
      'Cannot start as a function must hold the bundle of the pipeline that it is deployed for: MILLRACE_PIPELINE is "flights", and the bundle is of "readings"',
    );
  });
});

it.each([dynamodbStream({ table: 'readings' })])(
  'a run on this machine refuses a source of the kind $kind',
  (source) => {
    expect(() => localSourceOf(readings(source))).toThrow(
      new RangeError(
        `Cannot run "readings" on this machine as its source must be of a kind that runs here (kinesis, sqs, fifo, kafka, rabbitmq): it is ${source.kind}`,
      ),
    );
  },
);
