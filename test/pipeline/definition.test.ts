import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { millis } from '../../src/core/time.ts';
import {
  batches,
  bucket,
  count,
  cumulate,
  type Duration,
  definePipeline,
  dynamodbStream,
  jsonLines,
  kafka,
  kinesis,
  notify,
  rabbitmq,
  rolling,
  running,
  sliding,
  sqs,
  table,
  tumbling,
} from '../../src/index.ts';
import type { Options } from '../../src/pipeline/pipeline.ts';
import { pipelineOf } from '../../src/pipeline/pipeline-of.ts';
import { bySink } from '../../src/pipeline/sinks.ts';
import type { Source } from '../../src/pipeline/source.ts';
import type { PaneShape } from '../../src/pipeline/windows.ts';

interface Reading {
  readonly machineId: string;
  readonly measuredAt: number;
}
type Given = Partial<Options<Reading, { readonly [name: string]: PaneShape }>>;

const minute = () => tumbling({ size: '1m' }, { records: count() });

/** A definition with nothing wrong but what a case puts into it. */
const define = (options: Given = {}, name = 'temperature') =>
  definePipeline(name, kinesis<Reading>(), {
    key: ({ machineId }) => machineId,
    eventTime: ({ measuredAt }) => measuredAt,
    windows: { minute: minute() },
    ...options,
  });

const MSK = 'arn:aws:kafka:eu-central-1:123456789012:cluster/plant/2f6a-1';
const SECRET = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:reader';
const TABLE_STREAM = 'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-05T08:00:00.000';
const STREAM = 'arn:aws:kinesis:eu-central-1:123456789012:stream/readings';

describe('a wrong definition throws when it is made', () => {
  it.each(['', 'Temperature', '1st', '-a', 'a_b', 'a b', 'a/b', 'é', 'a'.repeat(41), null as never])(
    'a pipeline named "%s"',
    (name) => {
      expect(() => define({}, name)).toThrow(
        new RangeError(
          `Cannot name a pipeline "${name}" as names must be 1 to 40 lower-case letters, digits and hyphens, a letter first`,
        ),
      );
    },
  );

  it.each(['', '1st', '-a', '_a', 'a b', 'a/b', 'a.b', 'é', 'a'.repeat(41)])(
    'a window named "%s"',
    (name) => {
      expect(() => define({ windows: { fine: minute(), [name]: minute() } })).toThrow(
        new RangeError(
          `Cannot name a window "${name}" as names must be 1 to 40 letters, digits, hyphens and underscores, a letter first`,
        ),
      );
    },
  );

  it.each([undefined, null, 'key'])('options that are %s', (options) => {
    expect(() => definePipeline('wrong', kinesis(), options as never)).toThrow(
      new TypeError(`Cannot define "wrong" as its options must be an object: it is ${typeof options}`),
    );
  });

  it('no windows', () => {
    expect(() => define({ windows: {} })).toThrow(
      new RangeError('Cannot define "temperature" as it must have at least one window'),
    );
  });

  it.each([
    ['key', undefined, 'undefined'],
    ['key', ['machineId'], 'object'],
    ['eventTime', 7, 'number'],
    ['eventTime', null, 'object'],
  ] as const)('a step "%s" that is %o', (step, value, type) => {
    expect(() => define({ [step]: value })).toThrow(
      new TypeError(
        `Cannot define "temperature" as ${step} must be a field name, a path or a function: it is ${type}`,
      ),
    );
  });

  it.each(['outOfOrderness', 'allowedLateness', 'idleAfter', 'maxFutureSkew', 'maxLateness'] as const)(
    'a wrong duration as %s',
    (name) => {
      expect(() => define({ [name]: '5 minutes' as Duration })).toThrow(
        new RangeError(
          'Cannot read "5 minutes" as a duration: it must be a whole number of milliseconds written like "500ms", "30s", "5m", "2h" or "1d"',
        ),
      );
    },
  );

  it.each([
    [
      { allowedLatness: '1m' },
      'Cannot define "wrong" with "allowedLatness" as the options are filter, key, ',
    ],
    [{ filter: 'celsius' }, 'Cannot define "wrong" as filter must be a function: it is string'],
    [{ filter: 3 }, 'Cannot define "wrong" as filter must be a function: it is number'],
    [{ windows: undefined }, 'Cannot define "wrong" as it must have at least one window'],
    [
      { windows: { w: { size: '1m' } } },
      'Cannot define window "w" as it must be made by a function such as rolling() or tumbling(): it is object',
    ],
    [
      { windows: { w: undefined } },
      'Cannot define window "w" as it must be made by a function such as rolling() or tumbling(): it is undefined',
    ],
    [
      {
        windows: {
          w: {
            operator: () => rolling<object, never>({ count: 1 }, { n: 5 } as never).operator({} as never),
          },
        },
      },
      'Cannot compute "n" as it must be an aggregate, such as count() or mean(\'field\'): it is number',
    ],
  ])('%j, from someone who did not ask the compiler', (wrong, message) => {
    const right = {
      key: () => 'k',
      eventTime: () => 0,
      windows: { n: rolling({ count: 1 }, { n: count() }) },
    };
    expect(() => definePipeline('wrong', kinesis(), { ...right, ...wrong } as never)).toThrow(message);
  });

  describe('of which one record shows in more than 1,000 panes', () => {
    const n = { n: count() };
    type Windows = Exclude<Given['windows'], undefined>;
    const defined = (windows: Windows, more: Given = {}) => define({ windows, ...more }, 'readings');

    it.each<[string, Windows, string]>([
      [
        'as its windows overlap so much',
        { day: sliding({ size: '1d', slide: '864ms' }, n) },
        '100,000 panes, above 1,000: 100,000 of "day" (size 1d / slide 864ms)',
      ],
      [
        'as they show it before they close, too',
        { w: sliding({ size: '501s', slide: '1s', emit: 'update' }, n) },
        '1,002 panes, above 1,000: 1,002 of "w" (size 501s / slide 1s, and as much before they close)',
      ],
      [
        'as its steps are so many',
        { day: cumulate({ size: '1d', step: '1m' }, n) },
        '1,440 panes, above 1,000: 1,440 of "day" (size 1d / step 1m)',
      ],
      [
        'as there are several of them',
        {
          a: sliding({ size: '10m', slide: '1s' }, n),
          b: tumbling({ size: '1m' }, n),
          c: sliding({ size: '400001ms', slide: '1s' }, n),
        },
        '1,002 panes, above 1,000: 600 of "a" (size 10m / slide 1s), 401 of "c" (size 400001ms / slide 1s)',
      ],
    ])('is refused unless it says so: %s', (_, windows, arithmetic) => {
      const message = `Cannot define "readings" as one record would show in ${arithmetic}. Slide or step by more, or say costly: true`;
      expect(() => defined(windows)).toThrow(new RangeError(message));
      expect(() => defined(windows, { costly: false })).toThrow(new RangeError(message));
      expect(() => defined(windows, { costly: true })).not.toThrow();
    });

    it('is any that has one more', () => {
      expect(() => defined({ w: sliding({ size: '1000s', slide: '1s' }, n) })).not.toThrow();
      expect(() => defined({ w: sliding({ size: '1000001ms', slide: '1s' }, n) })).toThrow('1,001 panes');
      expect(() =>
        defined({ w: sliding({ size: '1000s', slide: '1s' }, n), o: tumbling({ size: '1m' }, n) }),
      ).toThrow('1,001 panes');
    });

    it('says whether it is costly by true or false', () => {
      expect(() => defined({ w: tumbling({ size: '1m' }, n) }, { costly: 'yes' as never })).toThrow(
        new TypeError('Cannot define "readings" as costly must be true or false: it is string'),
      );
    });
  });

  it.each([0, -1, 1.5, 1_000_001, Number.NaN])('no version is %d', (version) => {
    expect(() =>
      definePipeline('readings', kinesis<{ k: string; at: number }>(), {
        key: ({ k }) => k,
        eventTime: ({ at }) => at,
        version,
        windows: { n: tumbling({ size: '1m' }, { n: count() }) },
      }),
    ).toThrow(
      `Cannot define "readings" as its version must be a whole number from 1 to 1,000,000: it is ${version}`,
    );
  });

  it('no key of a queue is forgotten while the queue may give its records again', () => {
    const forgetting = (maxLateness: '13d' | '14d') =>
      definePipeline('readings', sqs<{ k: string; at: number }>(), {
        key: ({ k }) => k,
        eventTime: ({ at }) => at,
        maxLateness,
        windows: { n: tumbling({ size: '1m' }, { n: count() }) },
      });
    expect(() => forgetting('13d')).toThrow('maxLateness must be >= "14d"');
    expect(forgetting('14d').rules.time.maxLateness).toBe(14 * 86_400_000);
  });

  it.each([0, 0.5, 3, 8_192, -4])('%s key groups', (groups) => {
    const define = () =>
      definePipeline('readings', kinesis<{ k: string }>(), {
        key: (one) => one.k,
        eventTime: () => 0,
        groups,
        windows: { n: rolling({ count: 1 }, { n: count() }) },
      });
    expect(define).toThrow(
      new RangeError(
        `Cannot keep ${groups} key groups as their number must be a power of two from 1 to 4,096`,
      ),
    );
  });

  it.each([0, -1, 1.5, 1_025, Number.NaN])('a stream of %d shards', (shards) => {
    expect(() => kinesis({ shards })).toThrow(
      new RangeError(
        `Cannot read a stream of ${shards} shards as shards must be a whole number from 1 to 1,024`,
      ),
    );
  });

  it('a stream with an option that it does not have', () => {
    expect(() => kinesis({ shard: 2 } as never)).toThrow(
      new TypeError(
        'Cannot read a stream with "shard" as the options are mode, shards, retention, fanOut, stream, schema, id, decode',
      ),
    );
  });

  it.each(['', 'provisionned', 'ON_DEMAND', 7])('a stream of the mode "%s"', (mode) => {
    expect(() => kinesis({ mode } as never)).toThrow(
      new RangeError(`Cannot read a stream of the mode "${mode}" as the modes are provisioned and on-demand`),
    );
  });

  it('an on-demand stream with shards, which Kinesis settles', () => {
    expect(() => kinesis({ mode: 'on-demand', shards: 2 })).toThrow(
      new RangeError(
        'Cannot read an on-demand stream with shards as Kinesis settles how many it has: leave shards out, and set groups of the pipeline for more key groups',
      ),
    );
  });

  it.each(['23h', '90m', '25h30m', '366d', '0s'] as const)(
    'a stream that keeps its records for %s',
    (retention) => {
      expect(() => kinesis({ retention } as never)).toThrow(RangeError);
    },
  );

  it('a retention that is no whole number of hours, with the rule', () => {
    expect(() => kinesis({ retention: '90m' })).toThrow(
      new RangeError(
        'Cannot keep the records of a stream for "90m" as retention must be whole hours from "1d" to "365d"',
      ),
    );
  });

  it('a stream whose fanOut is neither true nor false', () => {
    expect(() => kinesis({ fanOut: 'yes' } as never)).toThrow(
      new TypeError('Cannot read a stream as fanOut must be true or false: it is string'),
    );
  });

  it.each([
    '',
    'readings',
    'arn:aws:kinesis:eu-central-1:123456789012:stream/',
    'arn:aws:kinesis:eu-central-1:123456789012:stream/readings/consumer/own:1',
    'arn:aws:sqs:eu-central-1:123456789012:readings',
  ])('a stream that exists as "%s"', (stream) => {
    expect(() => kinesis({ stream })).toThrow(
      new RangeError(
        `Cannot read the stream "${stream}" as stream must be the ARN of a stream: arn:aws:kinesis:<region>:<account>:stream/<name>`,
      ),
    );
  });

  it.each([['mode', 'on-demand'] as const, ['retention', '7d'] as const])(
    'the %s of a stream that exists',
    (option, value) => {
      expect(() => kinesis({ stream: STREAM, [option]: value })).toThrow(
        new RangeError(
          `Cannot set the ${option} of a stream that exists as mode and retention are its owner's: leave ${option} or stream out`,
        ),
      );
    },
  );

  it.each([undefined, 'a/b', '', '.', '..', 'a'.repeat(250), 'é'])('a topic "%s"', (topic) => {
    expect(() => kafka({ topic } as never)).toThrow(
      new RangeError(
        `Cannot read a topic "${topic}" as topics must be 1 to 249 letters, digits, dots, hyphens and underscores, but not "." or ".."`,
      ),
    );
  });

  it.each([0, -1, 1.5, 1_025, Number.NaN])('a topic of %d partitions', (partitions) => {
    expect(() => kafka({ topic: 'readings', partitions })).toThrow(
      new RangeError(
        `Cannot read a topic of ${partitions} partitions as partitions must be a whole number from 1 to 1,024`,
      ),
    );
  });

  it.each([
    [
      {},
      'Cannot read a cluster as it must have msk, the ARN of a cluster, or brokers, a list of host:port: it has neither',
    ],
    [
      { msk: MSK, brokers: [] },
      'Cannot read a cluster as it must have msk, the ARN of a cluster, or brokers, a list of host:port: it has both',
    ],
    [
      { msk: 'plant' },
      'Cannot read the cluster "plant" as msk must be like arn:aws:kafka:<region>:<account>:cluster/<name>/<id>',
    ],
    [{ msk: MSK, subnets: [] }, 'Cannot read a cluster of MSK with "subnets" as the options are msk, auth'],
    [
      { msk: MSK, auth: { plain: SECRET } },
      'Cannot read a cluster as its auth must be iam or none, or name a secret by one of scram, mtls: it is { plain }',
    ],
    [
      { msk: MSK, auth: 'kerberos' },
      'Cannot read a cluster as its auth must be iam or none, or name a secret by one of scram, mtls: it is kerberos',
    ],
    [
      { msk: MSK, auth: { scram: 'password' } },
      'Cannot read a cluster by the secret "password" as scram must be like arn:aws:secretsmanager:<region>:<account>:secret:<name>',
    ],
    [
      { msk: MSK, auth: { scram: SECRET, key: 'mine' } },
      'Cannot read a secret by the key "mine" as key must be like arn:aws:kms:<region>:<account>:key/<id>',
    ],
    [
      { brokers: [] },
      'Cannot read a cluster as brokers must be a list of at least one host:port: it has none',
    ],
    [{ brokers: ['one'] }, 'Cannot read the broker "one" as it must be like host:port'],
    [
      { brokers: ['one:9092'], auth: 'iam' },
      'Cannot read a cluster as its auth must be none, or name a secret by one of scram, scram256, plain, mtls: it is iam',
    ],
    [
      { brokers: ['one:9092'], auth: { mtls: SECRET, scram: SECRET } },
      'Cannot read a cluster as its auth must be none, or name a secret by one of scram, scram256, plain, mtls: it is { mtls, scram }',
    ],
    [
      { brokers: ['one:9092'], auth: { mtls: SECRET }, rootCa: 'ca' },
      'Cannot read brokers by the certificate "ca" as rootCa must be like arn:aws:secretsmanager:<region>:<account>:secret:<name>',
    ],
    [
      { brokers: ['one:9092'], subnets: ['subnet-1'] },
      'Cannot read brokers in a VPC as subnets and securityGroups must both be given: there are 1 subnets and 0 security groups',
    ],
    [
      { brokers: ['one:9092'] },
      'Cannot read brokers without authentication as they must then be in a VPC: give subnets and securityGroups, or auth',
    ],
  ])('a topic of the cluster %j', (cluster, message) => {
    expect(() => kafka({ topic: 'readings', cluster } as never)).toThrow(message);
  });

  it.each([undefined, '', 'ab', 'a/b', 'a'.repeat(256), 'é-table'])('a table "%s"', (table) => {
    expect(() => dynamodbStream({ table } as never)).toThrow(
      new RangeError(
        `Cannot read a table "${table}" as tables must be 3 to 255 letters, digits, dots, hyphens and underscores`,
      ),
    );
  });

  it.each(['', 'orders', TABLE_STREAM.replace('orders', 'others'), STREAM])(
    'a table by the stream "%s"',
    (stream) => {
      expect(() => dynamodbStream({ table: 'orders', stream })).toThrow(
        new RangeError(
          `Cannot read the table "orders" by the stream "${stream}" as stream must be the ARN of a stream of the table: arn:aws:dynamodb:<region>:<account>:table/orders/stream/<label>`,
        ),
      );
    },
  );

  it.each([[[]], [['insert']], ['INSERT'], [['INSERT', 7]]])('a table with the kinds %j', (kinds) => {
    expect(() => dynamodbStream({ table: 'orders', kinds } as never)).toThrow(
      new RangeError(
        `Cannot read the table "orders" as kinds must be a list of INSERT, MODIFY and REMOVE: it is ${JSON.stringify(kinds)}`,
      ),
    );
  });

  it('a table with an option that it does not have', () => {
    expect(() => dynamodbStream({ table: 'orders', shards: 2 } as never)).toThrow(
      new TypeError('Cannot read a table with "shards" as the options are table, stream, kinds, schema, id'),
    );
  });

  it('a topic or a queue with an option that it does not have', () => {
    expect(() => kafka({ topic: 'readings', groups: 4 } as never)).toThrow(
      new TypeError(
        'Cannot read a topic with "groups" as the options are topic, partitions, cluster, schema, id, decode',
      ),
    );
    expect(() => sqs({ ordered: true } as never)).toThrow(
      new TypeError('Cannot read a queue with "ordered" as the options are fifo, schema, id, decode'),
    );
  });

  const QUEUE = 'Cannot read a queue of RabbitMQ as';
  it.each([
    [{}, `${QUEUE} queue must be 1 to 255 bytes of text: it is undefined`],
    [{ queue: '' }, `${QUEUE} queue must be 1 to 255 bytes of text: it is ""`],
    [{ queue: 'é'.repeat(128) }, `${QUEUE} queue must be 1 to 255 bytes of text: it is "${'é'.repeat(128)}"`],
    [{ queue: 'a', virtualHost: '' }, `${QUEUE} virtualHost must be 1 to 255 bytes of text: it is ""`],
    [
      { queue: 'a', deadLetterExchange: 7 },
      `${QUEUE} deadLetterExchange must be 1 to 255 bytes of text: it is number`,
    ],
    [
      { queue: 'a', id: 'id' },
      `${QUEUE} id must be "messageId", "content" or a function of the record: it is "id"`,
    ],
    [
      { queue: 'a', broker: 'plant' },
      `${QUEUE} broker must be the ARN of a broker of Amazon MQ: it is "plant"`,
    ],
    [
      { queue: 'a', secret: 'user:password' },
      `${QUEUE} secret must be the ARN of a secret of Secrets Manager: it is another text`,
    ],
    [{ queue: 'a', deliveryLimit: 20 }, `${QUEUE} deliveryLimit must be "none" or left out: it is number`],
    [
      { queue: 'a', deliveryLimit: 'none', deadLetterExchange: 'dead' },
      `${QUEUE} it must have either a dead-letter exchange or no delivery limit: both deadLetterExchange and deliveryLimit are set`,
    ],
    [
      { queue: 'a', fifo: true },
      'Cannot read a queue of RabbitMQ with "fifo" as the options are queue, virtualHost, broker, secret, id, deadLetterExchange, deliveryLimit, schema',
    ],
  ])('a queue of RabbitMQ with %j', (options, told) => {
    expect(() => rabbitmq(options as never)).toThrow(told);
  });

  it('a queue whose fifo is neither true nor false', () => {
    expect(() => sqs({ fifo: 'yes' } as never)).toThrow(
      new TypeError('Cannot read a queue as fifo must be true or false: it is string'),
    );
  });

  it.each([
    ['rolling', rolling({ count: 3 }, { n: count() })],
    ['batches', batches({ count: 3 }, { n: count() })],
    ['running', running({}, { n: count() })],
  ])('a %s window of a source without order', (_, window) => {
    const of = (source: Source<Reading>) =>
      definePipeline('temperature', source, {
        key: ({ machineId }) => machineId,
        eventTime: ({ measuredAt }) => measuredAt,
        windows: { minute: minute(), window },
      });
    expect(() => of(rabbitmq<Reading>({ queue: 'readings' }))).toThrow(
      /: a source of the kind rabbitmq has none$/,
    );
    expect(() => of(sqs<Reading>())).toThrow(
      new RangeError(
        'Cannot define window "window" as rolling, batches and running windows follow the order of the source: a source of the kind sqs has none',
      ),
    );
    expect(() => [sqs<Reading>({ fifo: true }), kafka<Reading>({ topic: 'readings' })].map(of)).not.toThrow();
  });
});

describe('what is just right', () => {
  it.each(['a', 'temperature-2', 'a'.repeat(40)])('a pipeline named "%s"', (name) => {
    expect(define({}, name).name).toBe(name);
  });

  it.each(['a', 'fiveMinutes', 'five-minutes_2', 'A'.repeat(40)])('a window named "%s"', (name) => {
    expect(define({ windows: { [name]: minute() } }).rules.windows[0]?.name).toBe(name);
  });

  it('the largest and the smallest of everything', () => {
    expect(() => [kinesis({ shards: 1 }), kinesis({ shards: 1_024 })]).not.toThrow();
    expect(() => [kinesis({ retention: '24h' }), kinesis({ retention: '365d' })]).not.toThrow();
    expect(() => kinesis({ stream: STREAM, shards: 8, fanOut: true })).not.toThrow();
    expect(() => kafka({ topic: 'a', cluster: { msk: MSK, auth: { scram: SECRET } } })).not.toThrow();
    expect(() =>
      kafka({ topic: 'a', cluster: { brokers: ['one:9092'], auth: { plain: SECRET } } }),
    ).not.toThrow();
    const topics = ['a', 'A.b_c-9', '...', 'a'.repeat(249)];
    expect(() =>
      topics.map((topic) => [1, 1_024].map((partitions) => kafka({ topic, partitions }))),
    ).not.toThrow();
  });
});

describe('a definition', () => {
  it('has defaults', () => {
    const { source, sinks, filter, rules, maxFutureSkew } = define();
    expect(source).toMatchObject({ kind: 'kinesis', shards: 1, steps: [] });
    expect([sinks, filter]).toEqual([[], undefined]);
    expect(rules.time).toEqual({ outOfOrderness: 0, idleAfter: millis('1m'), maxLateness: undefined });
    expect(maxFutureSkew).toBe(millis('1h'));
    expect(rules.windows[0]?.operator.signature).toBe(
      define({ allowedLateness: '0s' }).rules.windows[0]?.operator.signature,
    );
    expect(kinesis<Reading>({ shards: 3 }).map((reading) => reading).shards).toBe(3);
  });

  it.each([
    [
      kinesis({ shards: 3 }),
      {
        kind: 'kinesis',
        lineage: { ordered: true, retention: millis('365d'), notesProgress: true, namedByProducers: false },
        groups: 16,
      },
    ],
    [kinesis(), { stream: { mode: 'provisioned', retention: millis('7d') }, fanOut: false }],
    [kinesis({ mode: 'on-demand' }), { stream: { mode: 'on-demand' }, shards: 4, groups: 16 }],
    [kinesis({ stream: STREAM, fanOut: true }), { stream: { arn: STREAM }, fanOut: true, groups: 4 }],
    [
      sqs(),
      {
        kind: 'sqs',
        lineage: { ordered: false, retention: millis('14d'), notesProgress: false, namedByProducers: false },
        groups: 16,
      },
    ],
    [
      sqs({ fifo: true }),
      {
        kind: 'fifo',
        lineage: { ordered: true, retention: millis('14d'), notesProgress: false, namedByProducers: true },
        groups: 16,
      },
    ],
    [
      kafka({ topic: 'a' }),
      {
        kind: 'kafka',
        lineage: { ordered: true, retention: undefined, notesProgress: false, namedByProducers: false },
        groups: 4,
        partitions: 1,
      },
    ],
    [
      dynamodbStream({ table: 'orders', stream: TABLE_STREAM }),
      {
        kind: 'dynamodb',
        lineage: { ordered: true, retention: millis('2d'), notesProgress: true, namedByProducers: false },
        groups: 16,
        table: 'orders',
        stream: TABLE_STREAM,
        kinds: ['INSERT', 'MODIFY', 'REMOVE'],
      },
    ],
    [kafka({ topic: 'a', partitions: 5 }), { kind: 'kafka', topic: 'a', groups: 32 }],
    [
      rabbitmq({ queue: 'a' }),
      {
        kind: 'rabbitmq',
        lineage: {
          ordered: false,
          retention: millis('14d'),
          notesProgress: false,
          arrivesWhenRead: true,
          namedByProducers: false,
        },
        groups: 4,
        queue: 'a',
        virtualHost: '/',
        placedBy: 'messageId',
      },
    ],
  ] as const)(
    'knows of its source %#: what holds of its lineages, and the key groups for it',
    (source, known) => {
      expect(source).toMatchObject(known);
      expect(source.map((reading) => reading)).toMatchObject({ ...known, steps: [{}] });
      const options = {
        key: () => 'k',
        eventTime: () => 0,
        windows: { minute: minute() },
      };
      expect(definePipeline('readings', source, options).groups).toBe(source.groups);
      expect(definePipeline('readings', source, { ...options, groups: 2 }).groups).toBe(2);
    },
  );

  it('has the steps of its source in order, whatever the source', () => {
    const schema = z.object({ machineId: z.string() });
    for (const source of [
      kinesis({ schema }),
      sqs({ schema }),
      kafka({ topic: 'readings', schema }),
      rabbitmq({ queue: 'a', schema }),
      dynamodbStream({ table: 'readings', schema }),
    ]) {
      const mapped = source.map(({ machineId }) => machineId).map((id) => ({ id }));
      expect(mapped.steps.map((step) => Object.keys(step))).toEqual([['validate'], ['reshape'], ['reshape']]);
    }
  });

  it('keeps what it is told', () => {
    const { rules, maxFutureSkew } = define({
      outOfOrderness: '30s',
      idleAfter: '2m',
      maxLateness: '1d',
      maxFutureSkew: '5m',
    });
    expect(rules.time).toEqual({ outOfOrderness: 30_000, idleAfter: 120_000, maxLateness: 86_400_000 });
    expect(maxFutureSkew).toBe(300_000);
  });

  it.each([
    [1, 4],
    [2, 8],
    [3, 16],
    [1_024, 4_096],
  ])('has for %d shards %d key groups', (shards, groups) => {
    const steps = { key: () => 'k', eventTime: () => 0, windows: { minute: minute() } };
    expect(definePipeline('any', kinesis({ shards }), steps).groups).toBe(groups);
  });

  it.each([1, 2, 4_096])('has the %d key groups that it is given', (groups) => {
    expect(define({ groups }).groups).toBe(groups);
  });

  it('keeps its steps: what validates comes before what reshapes', () => {
    const [filter, key, eventTime] = [() => true, () => 'k', () => 0];
    expect(define({ filter, key, eventTime })).toMatchObject({ filter, key, eventTime });
    const schema = z.object({ id: z.string() });
    const [idOf, lengthOf] = [({ id }: { id: string }) => id, (id: string) => id.length];
    expect(kinesis({ schema }).map(idOf).map(lengthOf).steps).toEqual([
      { validate: schema },
      { reshape: idOf },
      { reshape: lengthOf },
    ]);
  });

  it('keeps its windows in the order that they were written', () => {
    const { rules } = define({ windows: { second: minute(), first: minute(), third: minute() } });
    expect(rules.windows.map(({ name }) => name)).toEqual(['second', 'first', 'third']);
  });

  it('is left as it is by .to, which may be called again', () => {
    const bare = define();
    const once = bare.to(table());
    const other = bare.to(bucket(), table());
    expect(bare.sinks).toEqual([]);
    expect(once.sinks).toEqual([{ kind: 'table' }]);
    expect(other.sinks).toEqual([{ kind: 'bucket', format: 'ndjson', every: 60_000 }, { kind: 'table' }]);
    expect({ ...once, sinks: [] }).toEqual({ ...bare, to: undefined });
  });

  it('are read by a case for each kind, and have nothing for a kind that is not there', () => {
    const named = ({ name }: { readonly name: string }) => name;
    const cases = {
      table: () => 'rows',
      bucket: ({ every }: { readonly every: number }) => every,
      ...{ notify: named, stream: named, push: named, sink: named },
    };
    const none = { table: [], bucket: [], notify: [], stream: [], push: [], sink: [] };
    const two = [notify({ to: 'sns' }), bucket(), table(), notify({ name: 'pager', to: 'sns' })];
    expect(bySink(two, cases)).toEqual({
      ...none,
      table: ['rows'],
      bucket: [60_000],
      notify: ['notify', 'pager'],
    });
    expect(bySink([], cases)).toEqual(none);
  });

  it('reshapes without changing the source that it began from', () => {
    const source = kinesis<Reading>();
    const mapped = source.map(({ machineId }) => machineId).map((id) => id.length);
    expect(source.steps).toHaveLength(0);
    expect(mapped.steps).toHaveLength(2);
  });
});

describe('the pipeline of a module', () => {
  const [one, two] = [define({}, 'one'), define({}, 'two').to(table())];
  const message = (count: string) =>
    `Cannot choose a pipeline as a module must export one, or one as default: it exports ${count}`;

  it('is the only one it exports, whatever else it exports', () => {
    expect(
      pipelineOf({ one, helper: () => 1, nothing: null, text: 'one', number: 1, like: { rules: {} } }),
    ).toBe(one);
  });

  it('is its default', () => {
    expect(pipelineOf({ one, default: two })).toBe(two);
    expect(pipelineOf({ one, two, default: one })).toBe(one);
  });

  it('is the one that it exports under two names', () => {
    expect(pipelineOf({ one, alias: one })).toBe(one);
  });

  it.each([
    { exported: {}, told: 'none' },
    { exported: { default: 'one', helper: {} }, told: 'none' },
    { exported: { one, two }, told: '2' },
  ])('cannot be chosen where it exports $told', ({ exported, told }) => {
    expect(() => pipelineOf(exported)).toThrow(new TypeError(message(told)));
  });
});

it('a queue of RabbitMQ is decoded, and its records are validated, as the definition says', () => {
  const schema = z.object({ machine: z.string() });
  const source = rabbitmq({ queue: 'readings', decode: jsonLines, schema });
  expect(source.decoder).toBe(jsonLines);
  expect(source.steps).toEqual([{ validate: schema }]);
});
