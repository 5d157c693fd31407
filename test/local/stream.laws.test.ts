import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { after, type EpochMillis, millis } from '../../src/core/time.ts';
import { type FilterPattern, passes } from '../../src/local/mapping/filter.ts';
import {
  failureRecordOf,
  ShardMachine,
  type ShardStep,
  Shards,
  type StreamItem,
  type StreamMapping,
} from '../../src/local/mapping/stream.ts';

const T0 = Date.UTC(2026, 0, 5, 12) as EpochMillis;

const FOR_EVER: StreamMapping = {
  batchSize: 100,
  batchingWindow: millis('0s'),
  reportsFailures: true,
  bisects: false,
  maxRetries: Number.POSITIVE_INFINITY,
  maxAge: Number.POSITIVE_INFINITY,
};

const item = (at: number, arrival = T0): StreamItem => ({ identifier: `${at}`, arrival, bytes: 1 });
const items = (count: number) => Array.from({ length: count }, (_, at) => item(at));
const named = (...ids: readonly string[]) => ({
  answer: { batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) },
});
const DONE = { answer: undefined };
const THROWN = { error: new Error('thrown in this test') };

const idsOf = (batch: readonly StreamItem[]) => batch.map(({ identifier }) => identifier).join(' ');

/** Runs a machine to its end, and lists its steps: what was handed over, and, after an x, what was given up. */
function run(
  mapping: Partial<StreamMapping>,
  given: readonly StreamItem[],
  handle: (batch: readonly StreamItem[], call: number) => Parameters<ShardMachine<StreamItem>['settle']>[0],
) {
  const machine = new ShardMachine({ ...FOR_EVER, ...mapping });
  machine.offer(given, T0);
  const steps: string[] = [];
  const discards: Extract<ShardStep<StreamItem>, { step: 'discard' }>[] = [];
  let calls = 0;
  let now = T0;
  for (let due = machine.due(); due !== undefined; due = machine.due()) {
    now = Math.max(now, due) as EpochMillis;
    const step = machine.next(now);
    if (step === undefined) throw new Error('A step that is due must be there');
    if (step.step === 'discard') {
      steps.push(`x ${idsOf(step.batch)}`);
      discards.push(step);
      continue;
    }
    steps.push(idsOf(step.batch));
    expect(machine.next(now)).toBeUndefined();
    machine.settle(handle(step.batch, calls++), now);
    if (calls > 10_000) throw new Error('It must come to an end');
  }
  return { steps, discards, machine, now };
}

describe('a batch of a shard', () => {
  it('comes again from the lowest record on that is named, and nothing overtakes it', () => {
    const answers = [named('3', '1', '2'), named('2'), DONE, DONE];
    const { steps, machine } = run({ batchSize: 4 }, items(6), (_, call) => answers[call] ?? DONE);
    expect(steps).toEqual(['0 1 2 3', '1 2 3', '2 3', '4 5']);
    const partly = new ShardMachine(FOR_EVER);
    partly.offer(items(3), T0);
    partly.next(T0);
    partly.settle(named('2'), T0);
    expect(partly.checkpoint).toEqual(item(1));
    expect(machine.checkpoint).toEqual(item(5));
    expect(machine.isDrained).toBe(true);
  });

  it.each([named(''), named('of another batch'), { answer: { batchItemFailures: [{}] } }, THROWN])(
    'comes again as a whole where %j',
    (outcome) => {
      const { steps } = run({}, items(3), (_, call) => (call === 0 ? outcome : DONE));
      expect(steps).toEqual(['0 1 2', '0 1 2']);
    },
  );

  it('is done whatever is answered where the mapping does not ask for it, unless the handler throws', () => {
    const { steps } = run({ reportsFailures: false }, items(3), (_, call) =>
      call === 0 ? THROWN : named('0'),
    );
    expect(steps).toEqual(['0 1 2', '0 1 2']);
  });

  it('waits longer and longer, up to five seconds', () => {
    const { now } = run({}, items(1), (_, call) => (call < 12 ? THROWN : DONE));
    expect(now - T0).toBe(50 + 100 + 200 + 400 + 800 + 1_600 + 3_200 + 5 * 5_000);
  });

  it('is tried once and as often again as it may be, and then given up with how often it was', () => {
    const { steps, discards } = run({ batchSize: 2, maxRetries: 2 }, items(3), (batch) =>
      idsOf(batch) === '0 1' ? THROWN : DONE,
    );
    expect(steps).toEqual(['0 1', '0 1', '0 1', 'x 0 1', '2']);
    expect(discards).toMatchObject([{ condition: 'RetryAttemptsExhausted', invocations: 3 }]);
  });

  it('is cut in half where it fails, which takes no retry, down to the record that fails', () => {
    const { steps } = run({ bisects: true, maxRetries: 1 }, items(5), (batch) =>
      batch.some(({ identifier }) => identifier === '3') ? THROWN : DONE,
    );
    expect(steps).toEqual(['0 1 2 3 4', '0 1 2', '3 4', '3', '3', 'x 3', '4']);
  });

  it('is cut where an answer says and in half where it says nothing', () => {
    const { steps } = run({ bisects: true, maxRetries: 0 }, items(6), (batch) => {
      const at = batch.findIndex(({ identifier }) => identifier === '2');
      return at < 0 ? DONE : named('2');
    });
    expect(steps).toEqual(['0 1 2 3 4 5', '2 3 4 5', '2 3', '2', 'x 2', '3', '4 5']);
  });

  it('is given up as far as it is too old, before it is handed over', () => {
    const given = [-120_000, -60_000, 0].map((age, at) => item(at, (T0 + age) as EpochMillis));
    const { steps, discards } = run({ maxAge: millis('90s') }, given, () => DONE);
    expect(steps).toEqual(['x 0', '1 2']);
    expect(discards).toMatchObject([{ condition: 'RecordAgeExceeded', invocations: 0 }]);
  });

  it('ends by its age where it fails for ever', () => {
    const { steps, discards } = run({ maxAge: millis('20s') }, items(2), () => THROWN);
    expect(steps.at(-1)).toBe('x 0 1');
    expect(discards).toMatchObject([{ condition: 'RecordAgeExceeded' }]);
  });

  it('holds, whatever fails, each record until it is done or given up, in order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 10 }),
        fc.boolean(),
        fc.nat(3),
        fc.array(fc.oneof(fc.constant('done'), fc.constant('throws'), fc.nat(9)), {
          maxLength: 60,
          size: 'max',
        }),
        (count, batchSize, bisects, maxRetries, outcomes) => {
          const done: string[] = [];
          const { machine, discards } = run(
            { batchSize, bisects, maxRetries },
            items(count),
            (batch, call) => {
              // Nothing that is done comes again, and nothing overtakes what is not.
              const before = done.at(-1);
              expect(Number(batch[0]?.identifier)).toBeGreaterThan(
                before === undefined ? -1 : Number(before),
              );
              const outcome = outcomes[call] ?? 'done';
              if (outcome === 'throws') return THROWN;
              const failed = outcome === 'done' ? batch.length : Math.min(Number(outcome), batch.length - 1);
              done.push(...batch.slice(0, failed).map(({ identifier }) => String(identifier)));
              return failed === batch.length ? DONE : named(String(batch[failed]?.identifier));
            },
          );
          const givenUp = discards.flatMap(({ batch }) => batch.map(({ identifier }) => String(identifier)));
          expect([...done, ...givenUp].sort((a, b) => Number(a) - Number(b))).toEqual(
            items(count).map(({ identifier }) => identifier),
          );
          expect(done).toEqual([...done].sort((a, b) => Number(a) - Number(b)));
          expect(machine.isDrained).toBe(true);
          expect(machine.checkpoint?.identifier).toBe(`${count - 1}`);
        },
      ),
    );
  });
});

describe('a shard', () => {
  it('is read once its known parents are read to their ends and drained', () => {
    const shards = new Shards<StreamItem>(FOR_EVER);
    const left = shards.open('left', ['expired']);
    shards.open('right', []);
    shards.open('child', ['left', 'right']);
    expect(shards.isReadable('left')).toBe(true);
    shards.end('right');
    expect(shards.isReadable('child')).toBe(false);
    left.offer(items(1), T0);
    shards.end('left');
    expect(shards.isReadable('child')).toBe(false);
    left.next(T0);
    left.settle(DONE, T0);
    expect(shards.isReadable('child')).toBe(true);
  });
});

describe('what Lambda writes of records that it gives up', () => {
  it('is an object under the mapping, the shard and the day, with the whole event in it', () => {
    const { discards } = run({ maxRetries: 1 }, items(2), () => THROWN);
    const [discard] = discards;
    if (discard === undefined) throw new Error('It must be given up');
    const from = { mapping: 'esm', functionArn: 'arn:f', streamArn: 'arn:s', shard: 'shardId-000000000000' };
    const event = { Records: [{ kinesis: { data: 'e30=' } }] };
    expect(failureRecordOf(discard, from, event, after(T0, millis('61s')), 'id')).toEqual({
      key: 'aws/lambda/esm/shardId-000000000000/2026/01/05/2026-01-05T12.01.01-id',
      body: {
        requestContext: {
          requestId: 'id',
          functionArn: 'arn:f',
          condition: 'RetryAttemptsExhausted',
          approximateInvokeCount: 2,
        },
        responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
        version: '1.0',
        timestamp: '2026-01-05T12:01:01.000Z',
        KinesisBatchInfo: {
          shardId: 'shardId-000000000000',
          startSequenceNumber: '0',
          endSequenceNumber: '1',
          approximateArrivalOfFirstRecord: '2026-01-05T12:00:00.000Z',
          approximateArrivalOfLastRecord: '2026-01-05T12:00:00.000Z',
          batchSize: 2,
          streamArn: 'arn:s',
        },
        payload: JSON.stringify(event),
      },
    });
  });
});

describe('a filter pattern', () => {
  const value = { site: 'north', celsius: 20, tags: ['a', 'b'], at: { hall: '' }, gone: null };

  it.each<[FilterPattern, boolean]>([
    [{}, true],
    [{ site: ['north'] }, true],
    [{ site: ['south'] }, false],
    [{ site: ['south', 'north'] }, true],
    [{ site: ['north'], celsius: [21] }, false],
    [{ celsius: [20] }, true],
    [{ celsius: ['20'] }, false],
    [{ celsius: [{ numeric: ['>', 10, '<=', 20] }] }, true],
    [{ celsius: [{ numeric: ['>', 20] }] }, false],
    [{ celsius: [{ numeric: ['=', 20] }] }, true],
    [{ celsius: [{ numeric: ['>=', 20, '<', 20] }] }, false],
    [{ site: [{ numeric: ['<', 1] }] }, false],
    [{ tags: ['b'] }, true],
    [{ tags: ['c'] }, false],
    [{ at: { hall: [''] } }, true],
    [{ gone: [null] }, true],
    [{ absent: [null] }, false],
    [{ absent: [{ exists: false }] }, true],
    [{ site: [{ exists: false }] }, false],
    [{ site: [{ exists: true }] }, true],
    [{ site: [{ prefix: 'no' }] }, true],
    [{ site: [{ prefix: 'so' }] }, false],
    [{ site: [{ suffix: 'th' }] }, true],
    [{ site: [{ 'equals-ignore-case': 'NORTH' }] }, true],
    [{ site: [{ 'anything-but': ['south', 'east'] }] }, true],
    [{ site: [{ 'anything-but': 'north' }] }, false],
    [{ absent: [{ 'anything-but': 'north' }] }, false],
    [{ $or: [{ site: ['south'] }, { celsius: [20] }] }, true],
    [{ $or: [{ site: ['south'] }, { celsius: [21] }] }, false],
    [{ toString: [{ exists: true }] }, false],
  ])('%j: %s', (pattern, expected) => {
    expect(passes(pattern, value)).toBe(expected);
  });

  it('of a field lets no value pass that is no object', () => {
    for (const other of [null, 'text', 7, undefined]) expect(passes({ site: ['north'] }, other)).toBe(false);
  });
});
