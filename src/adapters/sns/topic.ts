import { PublishBatchCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { Clock } from '../../ports/clock.ts';
import type { Outlet } from '../../ports/outlet.ts';
import { batched } from '../aws/batched.ts';
import { entryOf, refusalsOf, textOf } from '../aws/queue-entries.ts';

/** The bounds of SNS on one PublishBatch: 256 KiB are also the most of one message. */
const MAX_ENTRIES = 10;
const MAX_BYTES = 262_144;

/**
 * Publishes to an SNS topic. A FIFO topic keeps the order of each key, and drops a message that comes again within
 * five minutes.
 */
export function snsTopic(client: SNSClient, topicArn: string, clock: Clock): Outlet {
  const isFifo = topicArn.endsWith('.fifo');
  return batched(clock, {
    target: `topic ${topicArn.slice(topicArn.lastIndexOf(':') + 1)}`,
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    sharesKeys: !isFifo,
    async request(messages, abortSignal) {
      const entries = messages.map((message, at) => ({
        ...entryOf(message, at, isFifo),
        Message: textOf(message.body),
      }));
      const command = new PublishBatchCommand({ TopicArn: topicArn, PublishBatchRequestEntries: entries });
      return refusalsOf(messages.length, await client.send(command, { abortSignal }));
    },
  });
}
