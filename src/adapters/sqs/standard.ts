import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { unorderedPositionOf } from '../../core/position.ts';
import type { SourceRecord } from '../../ports/source.ts';
import { contentOf, messagesOf } from './message.ts';

export { sourceOf } from './message.ts';

/**
 * The messages of a standard queue: one lineage without order, each message known by its id.
 *
 * @throws TypeError when the event is not of that form; RangeError for an id that is none
 */
export function recordsOf(event: SQSEvent): readonly SourceRecord[] {
  return messagesOf(event).map(({ queue, message }) => ({
    lineage: queue,
    position: unorderedPositionOf(message.messageId),
    // Spreads what cannot be keyed over the key groups: a message has no key but its id.
    partitionKey: message.messageId,
    ...contentOf(message),
  }));
}

/** Only the messages named come again. */
export const responseOf = (again: readonly SourceRecord[]): SQSBatchResponse => ({
  batchItemFailures: again.map(({ position }) => ({ itemIdentifier: position })),
});
