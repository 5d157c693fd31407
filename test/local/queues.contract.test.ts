import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EpochMillis } from '../../src/core/time.ts';
import { millis } from '../../src/core/time.ts';
import { QueueMachine } from '../../src/local/mapping/queue.ts';
import { openQueues, queuesPathIn, sentTo } from '../../src/local/servers/queues.ts';

/** The queues of the local server keep the rules of `QueueMachine`, which is what authors' tests deliver by. */
type Queues = Awaited<ReturnType<typeof openQueues>>;

const folder = mkdtempSync(join(tmpdir(), 'millrace-queues-'));
afterAll(() => rmSync(folder, { recursive: true }));

// Date alone: the queues ask it when a message is visible again.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 5, 12) }));
afterEach(() => void vi.useRealTimers());

const created = ({ stores }: Queues, fifo: boolean, maxReceives = 3) => {
  const suffix = fifo ? '.fifo' : '';
  const attributes = fifo ? { FifoQueue: 'true' } : {};
  const deadLetters = stores.sqsStore.createQueue(`dead${suffix}`, 'dead', 'arn:dead', attributes);
  const queue = stores.sqsStore.createQueue(`queue${suffix}`, 'queue', 'arn:queue', {
    ...attributes,
    VisibilityTimeout: '30',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: 'arn:dead', maxReceiveCount: maxReceives }),
  });
  const { createMessage } = stores.sqsStore.constructor as unknown as {
    createMessage(
      body: string,
      attributes: object,
      delay: undefined,
      group?: string,
    ): Parameters<typeof queue.enqueue>[0];
  };
  return {
    queue,
    deadLetters,
    send(body: string, group: string) {
      const message = createMessage(body, {}, undefined, fifo ? group : undefined);
      queue.enqueue({ ...message, ...(fifo && { sequenceNumber: queue.nextSequenceNumber() }) });
    },
    receive: (most: number) => queue.dequeue(most, undefined, (arn) => stores.sqsStore.getQueueByArn(arn)),
  };
};

const command = fc.oneof(
  fc.record({ kind: fc.constant('send' as const), group: fc.constantFrom('a', 'b', 'c') }),
  fc.record({ kind: fc.constant('receive' as const) }),
  fc.record({ kind: fc.constant('delete' as const), at: fc.nat(9) }),
  fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 40 }) }),
);

describe.each([{ fifo: false }, { fifo: true }])('a local queue, fifo: $fifo', ({ fifo }) => {
  it('hides, shows again, deletes and buries as the machine does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 50, size: 'max' }), async (commands) => {
        const queues = await openQueues(undefined);
        const { queue, deadLetters, send, receive } = created(queues, fifo);
        const machine = new QueueMachine<string>({ fifo, visibilityTimeout: millis('30s'), maxReceives: 3 });
        const receipts: (readonly [handle: string, receipt: number])[] = [];
        let sent = 0;
        for (const todo of commands) {
          const now = Date.now() as EpochMillis;
          if (todo.kind === 'wait') vi.setSystemTime(now + 1_000 * todo.seconds);
          else if (todo.kind === 'send') {
            // Which groups come first is the queue's affair, so that one receive must be enough for all.
            if (machine.size === 10) continue;
            const body = `${sent++}`;
            send(body, todo.group);
            machine.send({ id: body, group: fifo ? todo.group : undefined, sentAt: now, content: body });
          } else if (todo.kind === 'receive') {
            // SQS says nothing of which messages of a standard queue, and which groups, come first: all are asked for.
            const theirs = [1, 2, 3, 4, 5].flatMap(() => receive(10));
            const ours = [1, 2, 3, 4, 5].flatMap(() => machine.receive(10, now));
            const byGroup = (id: string): string =>
              ours.find(({ message }) => message.id === id)?.message.group ?? id;
            const sorted = (ids: readonly string[]) =>
              [...ids].sort((a, b) => (byGroup(a) < byGroup(b) ? -1 : byGroup(a) > byGroup(b) ? 1 : 0));
            expect(sorted(theirs.map(({ Body }) => Body))).toEqual(
              sorted(ours.map(({ message }) => message.id)),
            );
            for (const { Body, ReceiptHandle } of theirs)
              receipts.push([ReceiptHandle, ours.find(({ message }) => message.id === Body)?.receipt ?? 0]);
          } else {
            const [handle, receipt] = receipts[todo.at] ?? [];
            if (handle === undefined || receipt === undefined) continue;
            expect(queue.deleteMessage(handle)).toBe(machine.delete(receipt));
          }
        }
        const bodies = (of: typeof queue) => {
          const { ready, delayed, inflight } = of.inspectMessages();
          return [...ready, ...delayed, ...inflight.map(({ message }) => message)]
            .map(({ body }) => body)
            .sort();
        };
        expect(bodies(deadLetters)).toEqual(machine.dead.map(({ id }) => id).sort());
        expect(bodies(queue)).toHaveLength(machine.size);
      }),
      { numRuns: 60 },
    );
  });

  it('holds after a restart what was sent and not deleted, with its ids and its receives, in its order', async () => {
    const dataDirectory = mkdtempSync(join(folder, 'kept-'));
    const first = await openQueues(queuesPathIn(dataDirectory));
    const before = created(first, fifo, 1);
    for (const body of ['one', 'two', 'three', 'ä four']) before.send(body, 'group');
    const [one] = before.receive(1);
    before.queue.deleteMessage(one?.ReceiptHandle ?? '');
    const [two] = before.receive(1);
    // It is a dead letter at its next receive.
    vi.setSystemTime(Date.now() + 30_000);
    const three = before.receive(10).find(({ Body }) => Body === 'three');
    first.close();

    const second = await openQueues(queuesPathIn(dataDirectory));
    const after = created(second, fifo, 2);
    const received = after.receive(10);
    expect(received.map(({ Body }) => Body).sort()).toEqual(['three', 'ä four'].sort());
    expect(received.map(({ MessageId }) => MessageId)).toContain(three?.MessageId);
    const receives = received.map(
      ({ ReceiptHandle }) => after.queue.inflightMessages.get(ReceiptHandle)?.message.approximateReceiveCount,
    );
    expect(receives).toEqual([2, 2]);
    expect(after.deadLetters.inspectMessages().ready.map(({ messageId }) => messageId)).toEqual([
      two?.MessageId,
    ]);
    if (fifo) {
      const numbers = received.map(
        ({ ReceiptHandle }) => after.queue.inflightMessages.get(ReceiptHandle)?.message.sequenceNumber,
      );
      expect(numbers).toEqual([3n, 4n].map((at) => String(18_800_000_000_000_000_000n + at)));
      expect(after.queue.nextSequenceNumber()).toBe('18800000000000000005');
    }
    expect(sentTo(dataDirectory, after.queue.name)).toHaveLength(4);
    after.queue.purge();
    second.close();

    const third = await openQueues(queuesPathIn(dataDirectory));
    expect(created(third, fifo, 1).receive(10)).toEqual([]);
    third.close();
  });
});
