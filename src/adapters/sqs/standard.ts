import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { unorderedPositionOf } from '../../core/position.ts';
import { type ColumnRecord, SourceColumns, type SourceRecord } from '../../ports/source.ts';
import { messageArrival, messagesOf } from './message.ts';

export { sourceOf } from './message.ts';

/**
 * Returns the messages of a standard queue: one lineage without order, in which each message is known by its
 * id.
 *
 * @throws TypeError when the event does not have that form; RangeError for an invalid id
 */
export function recordsOf(event: SQSEvent): readonly ColumnRecord[] {
  const messages = messagesOf(event);
  const columns = new SourceColumns(messages.length);
  for (const { queue, message } of messages) {
    const { messageId, body } = message;
    // A message has no partition key. Its id spreads messages without a usable key over the key groups.
    columns.add(queue, unorderedPositionOf(messageId), messageArrival(message), messageId, body, 'utf8');
  }
  return columns.records;
}

/** Lets go of an event whose messages were read, as nothing of them refers to it. */
export function letGo(event: SQSEvent): void {
  event.Records.length = 0;
}

/** Returns the messages to redeliver. The queue deletes all others. */
export const responseOf = (again: readonly SourceRecord[]): SQSBatchResponse => ({
  batchItemFailures: again.map(({ position }) => ({ itemIdentifier: position })),
});
