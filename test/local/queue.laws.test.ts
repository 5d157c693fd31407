import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { after, type EpochMillis, millis } from '../../src/core/time.ts';
import { verdictOf } from '../../src/local/mapping/answer.ts';
import { Gathering, MAX_EVENT_BYTES } from '../../src/local/mapping/batch.ts';
import {
  checkQueueMapping,
  QueueMachine,
  QueueMappingMachine,
  type QueueMessage,
  type QueueRules,
} from '../../src/local/mapping/queue.ts';

const T0 = Date.UTC(2026, 0, 5, 12) as EpochMillis;
const later = (seconds: number): EpochMillis => after(T0, millis(`${seconds}s`));

const RULES: QueueRules = { fifo: false, visibilityTimeout: millis('30s'), maxReceives: 3 };
const message = (id: string, group?: string): QueueMessage<string> => ({
  id,
  group,
  sentAt: T0,
  content: id,
});

const queueOf = (messages: readonly QueueMessage<string>[], rules: Partial<QueueRules> = {}) => {
  const queue = new QueueMachine<string>({ ...RULES, ...rules });
  messages.forEach((one) => {
    queue.send(one);
  });
  return queue;
};
const idsOf = (received: readonly { readonly message: QueueMessage<string> }[]) =>
  received.map((one) => one.message.id);

describe('a message that was received', () => {
  it('is hidden until its visibility timeout ends, and then comes again', () => {
    const queue = queueOf([message('a'), message('b')]);
    expect(idsOf(queue.receive(1, T0))).toEqual(['a']);
    expect(idsOf(queue.receive(10, later(29)))).toEqual(['b']);
    const again = queue.receive(10, later(30));
    expect(again).toMatchObject([{ message: { id: 'a' }, receives: 2 }]);
    expect(queue.size).toBe(2);
  });

  it('is gone once it is deleted, which a receipt of an earlier receive cannot do', () => {
    const queue = queueOf([message('a')]);
    const [first] = queue.receive(1, T0);
    const [second] = queue.receive(1, later(30));
    expect(queue.delete(first?.receipt ?? 0)).toBe(false);
    expect(queue.delete(second?.receipt ?? 0)).toBe(true);
    expect(queue.size).toBe(0);
  });

  it('becomes a dead letter at the attempt after its last receive, and comes back as a new message', () => {
    const queue = queueOf([message('a'), message('b')]);
    for (const seconds of [0, 30, 60]) expect(idsOf(queue.receive(10, later(seconds)))).toEqual(['a', 'b']);
    queue.send(message('c'));
    expect(idsOf(queue.receive(10, later(90)))).toEqual(['c']);
    expect(queue.dead.map(({ id }) => id)).toEqual(['a', 'b']);
    queue.moveBack((dead) => ({ ...dead, id: `${dead.id} again` }));
    expect(queue.dead).toEqual([]);
    expect(queue.receive(10, later(91))).toMatchObject([
      { message: { id: 'a again' }, receives: 1 },
      { message: { id: 'b again' }, receives: 1 },
    ]);
  });

  it('is one of ten at most', () => {
    const queue = queueOf(Array.from({ length: 25 }, (_, at) => message(`${at}`)));
    expect(
      [queue.receive(100, T0), queue.receive(100, T0), queue.receive(100, T0)].map((one) => one.length),
    ).toEqual([10, 10, 5]);
  });
});

describe('a message group of a FIFO queue', () => {
  const groups = [message('a1', 'a'), message('a2', 'a'), message('b1', 'b'), message('a3', 'a')];

  it('waits while one of its messages is hidden; other groups do not', () => {
    const queue = queueOf(groups, { fifo: true });
    expect(idsOf(queue.receive(2, T0))).toEqual(['a1', 'a2']);
    expect(idsOf(queue.receive(10, later(1)))).toEqual(['b1']);
    expect(queue.receive(10, later(2))).toEqual([]);
    expect(idsOf(queue.receive(10, later(30)))).toEqual(['a1', 'a2', 'a3']);
  });

  it('goes on without its dead letters', () => {
    const queue = queueOf(groups.slice(0, 2), { fifo: true, maxReceives: 1 });
    expect(idsOf(queue.receive(1, T0))).toEqual(['a1']);
    expect(idsOf(queue.receive(1, later(30)))).toEqual(['a2']);
    expect(queue.dead.map(({ id }) => id)).toEqual(['a1']);
  });

  it('is received in its order, whatever is received, deleted and waited for', () => {
    const command = fc.oneof(
      fc.record({ kind: fc.constant('send' as const), group: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ kind: fc.constant('receive' as const), most: fc.integer({ min: 1, max: 10 }) }),
      fc.record({ kind: fc.constant('delete' as const), at: fc.nat(9) }),
      fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 40 }) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60, size: 'max' }), (commands) => {
        const queue = queueOf([], { fifo: true, maxReceives: 1_000 });
        /** What each group must be received as next: everything of it that was sent and not deleted, in order. */
        const left = new Map<string, string[]>();
        let held: { readonly id: string; readonly group: string; readonly receipt: number }[] = [];
        let [sent, now] = [0, T0];
        for (const todo of commands) {
          if (todo.kind === 'wait') now = after(now, millis(`${todo.seconds}s`));
          else if (todo.kind === 'send') {
            const id = `${sent++}`;
            queue.send(message(id, todo.group));
            left.set(todo.group, [...(left.get(todo.group) ?? []), id]);
          } else if (todo.kind === 'receive') {
            const received = queue.receive(todo.most, now);
            for (const group of new Set(received.map((one) => one.message.group ?? ''))) {
              const ids = idsOf(received.filter((one) => one.message.group === group));
              expect(ids).toEqual(left.get(group)?.slice(0, ids.length));
            }
            held = [
              ...held,
              ...received.map((one) => ({
                id: one.message.id,
                group: one.message.group ?? '',
                receipt: one.receipt,
              })),
            ];
          } else {
            const gone = held[todo.at];
            if (gone === undefined || !queue.delete(gone.receipt)) continue;
            left.set(
              gone.group,
              (left.get(gone.group) ?? []).filter((id) => id !== gone.id),
            );
          }
        }
        expect(queue.size).toBe([...left.values()].flat().length);
      }),
    );
  });
});

describe('an answer', () => {
  const ids = ['a', 'b', 'c'];
  const verdict = (answer: unknown, reportsFailures = true) =>
    verdictOf({ answer }, ids, { reportsFailures });

  it.each([undefined, null, {}, { batchItemFailures: null }, { batchItemFailures: [] }])(
    'of %j says that all is done',
    (answer) => {
      expect(verdict(answer)).toEqual({ outcome: 'done' });
    },
  );

  it.each([
    [[{ itemIdentifier: '' }]],
    [[{ itemIdentifier: null }]],
    [[{}]],
    [[null]],
    [[{ identifier: 'b' }]],
    [[{ itemIdentifier: 'b' }, { itemIdentifier: 'of another batch' }]],
    ['b'],
  ])('that names %j fails the whole batch', (batchItemFailures) => {
    expect(verdict({ batchItemFailures })).toEqual({ outcome: 'failed' });
  });

  it('names the records that failed', () => {
    expect(verdict({ batchItemFailures: [{ itemIdentifier: 'c' }, { itemIdentifier: 'a' }] })).toEqual({
      outcome: 'partly',
      failed: new Set([0, 2]),
    });
  });

  it('names a record of Kafka by an object, whatever the order of its members', () => {
    const named = { batchItemFailures: [{ itemIdentifier: { offset: 15, partition: 'topic-0' } }] };
    expect(
      verdictOf({ answer: named }, [{ partition: 'topic-0', offset: 15 }], { reportsFailures: true }),
    ).toEqual({ outcome: 'partly', failed: new Set([0]) });
  });

  it('is ignored where the mapping does not ask for it; an error is not', () => {
    expect(verdict({ batchItemFailures: [{ itemIdentifier: 'b' }] }, false)).toEqual({ outcome: 'done' });
    for (const reportsFailures of [true, false])
      expect(verdictOf({ error: new Error() }, ids, { reportsFailures })).toEqual({ outcome: 'failed' });
  });
});

describe('a batch', () => {
  const items = (count: number, bytes = 1) => Array.from({ length: count }, (_, at) => ({ at, bytes }));

  it('is handed over when it is full, or at the end of its window', () => {
    const gathering = new Gathering<{ bytes: number }>({ batchSize: 4, batchingWindow: millis('10s') });
    gathering.add(items(3), T0);
    expect(gathering.due()).toBe(later(10));
    expect(gathering.take(later(9))).toBeUndefined();
    gathering.add(items(2), later(9));
    expect(gathering.due()).toBe(T0);
    expect(gathering.take(later(9))).toHaveLength(4);
    // What is left over waits for a window of its own.
    expect(gathering.due()).toBe(later(19));
    expect(gathering.take(later(19))).toHaveLength(1);
    expect(gathering.due()).toBeUndefined();
  });

  it('has at most 6 MB, but for one record that has more, and holds every record once, in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1.3 * MAX_EVENT_BYTES }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 8 }),
        (sizes, batchSize) => {
          const gathering = new Gathering<{ at: number; bytes: number }>({
            batchSize,
            batchingWindow: millis('0s'),
          });
          const given = sizes.map((bytes, at) => ({ at, bytes }));
          gathering.add(given, T0);
          const batches: (readonly { bytes: number }[])[] = [];
          for (let batch = gathering.take(T0); batch !== undefined; batch = gathering.take(T0))
            batches.push(batch);
          for (const batch of batches) {
            expect(batch.length).toBeLessThanOrEqual(batchSize);
            const bytes = batch.reduce((total, item) => total + item.bytes, 0);
            expect(bytes <= MAX_EVENT_BYTES || batch.length === 1).toBe(true);
          }
          expect(batches.flat()).toEqual(given);
        },
      ),
    );
  });
});

describe('the mapping of a queue', () => {
  const taken = (id: string, group?: string) => ({ id, group, bytes: 1 });

  it('deletes what was not named, and all or nothing where it must', () => {
    const machine = new QueueMappingMachine({
      batchSize: 10,
      batchingWindow: millis('0s'),
      reportsFailures: true,
    });
    const settled = (answer: unknown) => {
      machine.offer([taken('a'), taken('b'), taken('c')], T0);
      const { done, again } = machine.settle(machine.next(T0) ?? [], { answer }, T0);
      return [done.map(({ id }) => id).join(''), again.map(({ id }) => id).join('')];
    };
    expect(settled({ batchItemFailures: [{ itemIdentifier: 'b' }] })).toEqual(['ac', 'b']);
    expect(settled({ batchItemFailures: [] })).toEqual(['abc', '']);
    expect(settled({ batchItemFailures: [{ itemIdentifier: '' }] })).toEqual(['', 'abc']);
  });

  it('has one batch of a message group in flight, in the order of the group', () => {
    const machine = new QueueMappingMachine<ReturnType<typeof taken>>({
      batchSize: 2,
      batchingWindow: millis('0s'),
      reportsFailures: true,
    });
    machine.offer([taken('a1', 'a'), taken('b1', 'b'), taken('a2', 'a'), taken('c1', 'c')], T0);
    const first = machine.next(T0) ?? [];
    expect(first.map(({ id }) => id)).toEqual(['a1', 'b1']);
    machine.offer([taken('b2', 'b')], T0);
    expect(machine.next(T0)?.map(({ id }) => id)).toEqual(['c1']);
    expect(machine.next(T0)).toBeUndefined();
    expect(machine.waiting).toBe(2);
    machine.settle(first, { answer: null }, T0);
    expect(machine.next(T0)?.map(({ id }) => id)).toEqual(['a2', 'b2']);
  });

  it('lets go of all that waits where it is told to, but not of the batch in flight', () => {
    const machine = new QueueMappingMachine<ReturnType<typeof taken>>({
      batchSize: 2,
      batchingWindow: millis('0s'),
      reportsFailures: false,
    });
    machine.offer([taken('a1', 'a'), taken('b1', 'b'), taken('a2', 'a'), taken('c1', 'c')], T0);
    const batch = machine.next(T0) ?? [];
    expect(
      machine
        .release()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['a2', 'c1']);
    expect([machine.waiting, machine.due()]).toEqual([0, undefined]);
    expect(machine.settle(batch, { error: 'thrown' }, T0)).toEqual({ done: [], again: batch });
    expect(machine.due()).toBeUndefined();
  });

  it('lets go what waited for a message that failed, as it must not overtake it', () => {
    const machine = new QueueMappingMachine<ReturnType<typeof taken>>({
      batchSize: 2,
      batchingWindow: millis('0s'),
      reportsFailures: true,
    });
    machine.offer([taken('a1', 'a'), taken('b1', 'b'), taken('a2', 'a'), taken('b2', 'b')], T0);
    const named = { batchItemFailures: [{ itemIdentifier: 'a1' }] };
    machine.settle(machine.next(T0) ?? [], { answer: named }, T0);
    expect(machine.next(T0)?.map(({ id }) => id)).toEqual(['b2']);
    expect(machine.waiting).toBe(0);
  });

  it.each([
    [
      { batchSize: 11 },
      true,
      'Cannot map a queue with a batchSize of 11 as it must be a whole number from 1 to 10',
    ],
    [{ batchSize: 10_001, batchingWindow: millis('1s') }, false, 'must be a whole number from 1 to 10,000'],
    [
      { batchingWindow: millis('1s') },
      true,
      'Cannot map a FIFO queue with a batchingWindow as its batches wait for no others',
    ],
    [
      { batchSize: 11 },
      false,
      'Cannot map a queue with a batchSize of 11 as more than 10 need a batchingWindow of at least "1s": it is 0 ms',
    ],
  ])('is refused with %j where Lambda would not take it', (settings, fifo, message) => {
    const mapping = { batchSize: 10, batchingWindow: millis('0s'), reportsFailures: true, ...settings };
    expect(() => checkQueueMapping(mapping, { fifo })).toThrow(message);
  });
});
