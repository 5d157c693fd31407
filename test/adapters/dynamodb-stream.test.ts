import {
  DescribeStreamCommand,
  type DynamoDBStreamsClient,
  GetRecordsCommand,
  GetShardIteratorCommand,
  TrimmedDataAccessException,
} from '@aws-sdk/client-dynamodb-streams';
import type { AttributeValue, DynamoDBRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { dynamodbArrivals } from '../../src/adapters/dynamodb-stream/arrivals.ts';
import {
  type ChangeEvent,
  recordsOf,
  responseOf,
  sourceOf,
} from '../../src/adapters/dynamodb-stream/records.ts';
import { memoryProgress } from '../../src/adapters/memory/progress.ts';
import { positionOf } from '../../src/core/position.ts';
import { at, NOON } from '../engine/scene.ts';

const STREAM = 'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-05T08:00:00.000';
const SHARD = 'shardId-00000001767600000000-0a1b2c3d';

type Change = NonNullable<DynamoDBRecord['dynamodb']>;

const changeOf = (dynamodb: Partial<Change> = {}, more: Partial<DynamoDBRecord> = {}): DynamoDBRecord => ({
  eventID: '7de3041dd709b024af6f29e4fa13d34c',
  eventName: 'INSERT',
  eventVersion: '1.1',
  eventSource: 'aws:dynamodb',
  awsRegion: 'eu-central-1',
  eventSourceARN: STREAM,
  dynamodb: {
    ApproximateCreationDateTime: NOON / 1_000,
    Keys: { id: { S: 'o1' } },
    SequenceNumber: '4421584500000000017450439091',
    SizeBytes: 26,
    StreamViewType: 'NEW_AND_OLD_IMAGES',
    ...dynamodb,
  },
  ...more,
});

const eventOf = (...Records: DynamoDBRecord[]): ChangeEvent => ({ shardId: SHARD, Records });

/** The changes that handlers decode, and the records that carry them. */
const read = (event: ChangeEvent) =>
  recordsOf(event).map(({ lineage, position, arrival, partitionKey, data }) => ({
    lineage,
    position,
    arrival,
    partitionKey,
    change: JSON.parse(Buffer.from(data).toString()),
  }));

const readAs = (attribute: unknown): unknown => {
  const NewImage = { it: attribute as AttributeValue };
  return read(eventOf(changeOf({ NewImage })))[0]?.change.newImage.it;
};

describe('a change of an item', () => {
  it('stands at its sequence number in the lineage of its shard, and arrived when it was made', () => {
    const OldImage = { id: { S: 'o1' }, total: { N: '19.5' } };
    const NewImage = { id: { S: 'o1' }, total: { N: '20' } };
    const change = changeOf({ OldImage, NewImage }, { eventName: 'MODIFY' });
    expect(read(eventOf(change))).toEqual([
      {
        lineage: `orders/2026-01-05T08:00:00.000/${SHARD}`,
        position: '4421584500000000017450439091',
        arrival: NOON,
        partitionKey: '[["id","o1"]]',
        change: {
          kind: 'MODIFY',
          keys: { id: 'o1' },
          newImage: { id: 'o1', total: 20 },
          oldImage: { id: 'o1', total: 19.5 },
          changedAt: NOON,
          expired: false,
        },
      },
    ]);
  });

  it('has no image that the stream does not have', () => {
    expect(Object.keys(read(eventOf(changeOf()))[0]?.change)).toEqual([
      'kind',
      'keys',
      'changedAt',
      'expired',
    ]);
  });

  it.each([
    ['by DynamoDB, as its time is over', 'dynamodb.amazonaws.com', true],
    ['by someone', undefined, false],
  ])('that was removed %s says so', (_, principalId, expired) => {
    const userIdentity = principalId === undefined ? undefined : { type: 'Service', principalId };
    const [record] = read(eventOf(changeOf({}, { eventName: 'REMOVE', userIdentity })));
    expect(record?.change).toMatchObject({ kind: 'REMOVE', expired });
  });

  it('has one partition key in whatever order its key comes', () => {
    const keys: Record<string, AttributeValue>[] = [
      { id: { S: 'o1' }, line: { N: '7' } },
      { line: { N: '7' }, id: { S: 'o1' } },
    ];
    const [a, b] = read(eventOf(...keys.map((Keys) => changeOf({ Keys }))));
    expect(a?.partitionKey).toBe('[["id","o1"],["line",7]]');
    expect(b?.partitionKey).toBe(a?.partitionKey);
  });

  it('has the milliseconds of its time, where DynamoDB gives them', () => {
    const change = changeOf({ ApproximateCreationDateTime: at(0, 1) / 1_000 + 0.25 });
    expect(read(eventOf(change))[0]?.arrival).toBe(at(0, 1) + 250);
  });
});

describe('an attribute', () => {
  it.each([
    [{ S: '' }, ''],
    [{ S: '°' }, '°'],
    [{ N: '-1.5' }, -1.5],
    [{ N: '1E+2' }, 100],
    [{ N: '9007199254740991' }, 2 ** 53 - 1],
    // As a number this would be …992, another id.
    [{ N: '9007199254740993' }, '9007199254740993'],
    [{ N: '-9007199254740993' }, '-9007199254740993'],
    [{ N: '9.9E+125' }, '9.9E+125'],
    [{ N: '0.1234567890123456789012345678' }, 0.12345678901234568],
    [{ B: 'AP8=' }, 'AP8='],
    [{ BOOL: false }, false],
    [{ NULL: true }, null],
    [{ L: [{ N: '1' }, { L: [] }, { NULL: true }] }, [1, [], null]],
    [{ M: { a: { M: {} }, b: { S: 'x' } } }, { a: {}, b: 'x' }],
    [{ SS: ['b', 'a'] }, ['b', 'a']],
    [{ NS: ['1', '9007199254740993'] }, [1, '9007199254740993']],
    [{ BS: ['AP8='] }, ['AP8=']],
  ])('%j is %j', (attribute, value) => {
    expect(readAs(attribute)).toEqual(value);
  });

  it('named __proto__ is an attribute like any other', () => {
    const NewImage = JSON.parse('{"__proto__": {"S": "x"}}');
    const text = Buffer.from(recordsOf(eventOf(changeOf({ NewImage })))[0]?.data ?? '').toString();
    expect(text).toContain('"newImage":{"__proto__":"x"}');
  });

  const nested = (levels: number): object => (levels === 0 ? { S: '' } : { L: [nested(levels - 1)] });

  it('nests as deep as DynamoDB lets it, and no deeper', () => {
    expect(() => readAs(nested(32))).not.toThrow();
    expect(() => readAs(nested(33))).toThrow(TypeError);
    expect(() => readAs(nested(2_000))).toThrow(TypeError);
  });

  it.each<unknown>([
    null,
    'text',
    {},
    { S: 7 },
    { N: 7 },
    { N: 'seven' },
    { N: '' },
    { N: 'Infinity' },
    { B: 7 },
    { BOOL: 'true' },
    { L: {} },
    { M: [] },
    { M: { a: 7 } },
    { SS: ['a', 7] },
    { NS: ['a'] },
    { X: 'a' },
    { constructor: 'a' },
    { S: 'a', N: '1' },
  ])('that is %j is refused, without being quoted', (attribute) => {
    expect(() => readAs(attribute)).toThrow(
      new TypeError('Cannot read a record as one of its attributes must be a value of DynamoDB: it is none'),
    );
  });
});

describe('an event of a table', () => {
  it.each([undefined, null, {}, { Records: {} }])('that is %o is refused', (event) => {
    expect(() => recordsOf(event as never)).toThrow(
      new TypeError('Cannot read the event as it must be a DynamoDB Streams event: it has no list "Records"'),
    );
  });

  it.each([undefined, '', 7])(
    'whose shard is %s is refused, as positions compare in one shard alone',
    (shardId) => {
      expect(() => recordsOf({ ...eventOf(changeOf()), shardId } as never)).toThrow(
        new TypeError(
          'Cannot read the event as it must say which shard its records are of: it lacks "shardId", which Lambda gives where the event source mapping sets TumblingWindowInSeconds',
        ),
      );
    },
  );

  it('may have no records, as where a window of Lambda ends', () => {
    const event = { Records: [], isFinalInvokeForWindow: true };
    expect([recordsOf(event), sourceOf(event), responseOf([])]).toEqual([
      [],
      undefined,
      { batchItemFailures: [], state: {} },
    ]);
  });

  it.each([
    [{ SequenceNumber: undefined }, {}],
    [{ Keys: undefined }, {}],
    [{ Keys: [] }, {}],
    [{}, { eventName: 'UPSERT' }],
    [{}, { eventSourceARN: undefined }],
    [{}, { eventSourceARN: 'arn:aws:kinesis:eu-central-1:123456789012:stream/orders' }],
    [{}, { dynamodb: undefined }],
  ])('is refused when a record has %j and %j', (dynamodb, more) => {
    expect(() => recordsOf(eventOf(changeOf(dynamodb as never, more as never)))).toThrow(
      new TypeError(
        'Cannot read a record as it must be of a DynamoDB Streams event: its "eventName", "eventSourceARN", "dynamodb.Keys" or "dynamodb.SequenceNumber" is of another form',
      ),
    );
  });

  it.each([undefined, Number.NaN, 1e300, 'noon'])('is refused when a change was made at %s', (time) => {
    expect(() => recordsOf(eventOf(changeOf({ ApproximateCreationDateTime: time as number })))).toThrow(
      new TypeError(
        'Cannot read a record as "dynamodb.ApproximateCreationDateTime" must be seconds since the epoch',
      ),
    );
  });

  it('is refused by what is wrong first: the form of a record, its time, its attributes, its sequence number', () => {
    const wrong = { Keys: { id: { S: 7 } }, SequenceNumber: 'last', ApproximateCreationDateTime: -1e300 };
    const told = [
      [{ ...wrong, SequenceNumber: 7 }, 'is of another form'],
      [wrong, 'must be seconds since the epoch'],
      [{ ...wrong, ApproximateCreationDateTime: 0 }, 'must be a value of DynamoDB'],
      [{ SequenceNumber: 'last' }, 'is not a whole number'],
    ] as const;
    for (const [change, reason] of told) {
      expect(() =>
        recordsOf(eventOf(changeOf(), changeOf(change as never), changeOf({ Keys: [] as never }))),
      ).toThrow(reason);
    }
  });

  it('is of one stream', () => {
    expect(sourceOf(eventOf(changeOf(), changeOf()))).toBe(STREAM);
    const other = changeOf({}, { eventSourceARN: STREAM.replace('orders', 'others') });
    expect(() => sourceOf(eventOf(changeOf(), other))).toThrow(RangeError);
  });

  it('is answered by the lowest sequence number that must come again, and a state', () => {
    const records = recordsOf(eventOf(changeOf({ SequenceNumber: '5' }), changeOf({ SequenceNumber: '6' })));
    expect(responseOf(records)).toEqual({ batchItemFailures: [{ itemIdentifier: '5' }], state: {} });
  });
});

describe('what waits on the stream of a table', () => {
  /** A page is empty, or has the record of that minute, or is the last of a closed shard. */
  type Page = 'empty' | 'closed' | number;

  /** One shard, read page by page; what was committed last may have been dropped by now. */
  function shardOf(pages: readonly Page[], trimmed = false) {
    const asked: string[] = [];
    const answers: Record<string, (input: Record<string, string>) => object> = {
      [DescribeStreamCommand.name]: () => ({ StreamDescription: { Shards: [{ ShardId: SHARD }] } }),
      [GetShardIteratorCommand.name]({ ShardIteratorType = '', SequenceNumber }) {
        asked.push(ShardIteratorType);
        if (trimmed && SequenceNumber !== undefined) {
          throw new TrimmedDataAccessException({ message: 'trimmed', $metadata: {} });
        }
        return { ShardIterator: '0' };
      },
      [GetRecordsCommand.name]({ ShardIterator = '' }) {
        const page = pages[Number(ShardIterator)] ?? 'empty';
        return {
          Records:
            typeof page === 'number'
              ? [{ eventName: 'INSERT', dynamodb: { ApproximateCreationDateTime: new Date(at(page)) } }]
              : [],
          NextShardIterator: page === 'closed' ? undefined : String(Number(ShardIterator) + 1),
        };
      },
    };
    const client = {
      send: async (command: { readonly input: object }) =>
        answers[command.constructor.name]?.(command.input as Record<string, string>),
    } as unknown as DynamoDBStreamsClient;
    const clock = {
      now: () => NOON,
      alarm(_: number, ring: () => void) {
        queueMicrotask(ring);
        return () => {};
      },
      turn: async () => {},
    };
    const progress = memoryProgress();
    const arrivals = dynamodbArrivals(client, STREAM, ['INSERT'], progress, clock);
    return { arrivals, progress, asked };
  }

  const empty = (pages: number): Page[] => Array.from({ length: pages }, () => 'empty');

  it('is found though nine empty pages come before it, and again though more do', async () => {
    const { arrivals } = shardOf([...empty(9), 7]);
    expect([await arrivals.frontier(at(60)), await arrivals.frontier(at(60))]).toEqual([at(7), at(7)]);
  });

  it.each([
    ['ten empty pages', [...empty(10), 7]],
    ['the end of a closed shard', ['closed' as const]],
  ])('is nothing after %s', async (_, pages) => {
    expect(await shardOf(pages).arrivals.frontier(at(60))).toBe(at(60));
  });

  it('is looked for from the beginning where what was committed last has been dropped', async () => {
    const { arrivals, progress, asked } = shardOf([7], true);
    await progress.note(`orders/2026-01-05T08:00:00.000/${SHARD}`, positionOf('5'));
    expect(await arrivals.frontier(at(60))).toBe(at(7));
    expect(asked).toEqual(['AFTER_SEQUENCE_NUMBER', 'TRIM_HORIZON']);
  });
});
