import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { unorderedPositionOf } from '../../core/position.ts';
import type { SourceRecord } from '../../ports/source.ts';
import { contentOf, messagesOf } from './message.ts';

export { sourceOf } from './message.ts';

/**
 * Returns the messages of a standard queue: one lineage without order, in which each message is known by its
 * id.
 *
 * @throws TypeError when the event does not have that form; RangeError for an invalid id
 */
export function recordsOf(event: SQSEvent): readonly SourceRecord[] {
  return messagesOf(event).map(({ queue, message }) => ({
    lineage: queue,
    position: unorderedPositionOf(message.messageId),
    // A message has no partition key. Its id spreads messages without a usable key over the key groups.
    partitionKey: message.messageId,
    ...contentOf(message),
  }));
}

/** Returns the messages to redeliver. The queue deletes all others. */
export const responseOf = (again: readonly SourceRecord[]): SQSBatchResponse => ({
  batchItemFailures: again.map(({ position }) => ({ itemIdentifier: position })),
});
