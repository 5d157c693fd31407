import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Clock } from '../../ports/clock.ts';
import type { Outlet } from '../../ports/outlet.ts';
import { batched } from '../aws/batched.ts';
import { entryOf, refusalsOf, textOf } from '../aws/queue-entries.ts';

/** The bounds of SQS on one SendMessageBatch: 1 MiB is also the most of one message. */
const MAX_ENTRIES = 10;
const MAX_BYTES = 1_048_576;

/**
 * Sends to an SQS queue. A FIFO queue keeps the order of each key, and drops a message that comes again within five
 * minutes.
 */
export function sqsQueue(client: SQSClient, queueUrl: string, clock: Clock): Outlet {
  const isFifo = queueUrl.endsWith('.fifo');
  return batched(clock, {
    target: `queue ${queueUrl.slice(queueUrl.lastIndexOf('/') + 1)}`,
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    sharesKeys: !isFifo,
    async request(messages, abortSignal) {
      const entries = messages.map((message, at) => ({
        ...entryOf(message, at, isFifo),
        MessageBody: textOf(message.body),
      }));
      const command = new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries });
      return refusalsOf(messages.length, await client.send(command, { abortSignal }));
    },
  });
}
