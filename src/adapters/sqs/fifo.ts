import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { loggable } from '../../core/loggable.ts';
import { positionOf } from '../../core/position.ts';
import { type ColumnRecord, SourceColumns, type SourceRecord } from '../../ports/source.ts';
import { messageArrival, messagesOf } from './message.ts';

export { sourceOf } from './message.ts';

/**
 * Returns the messages of a FIFO queue. Each message group is a lineage, in the order of its sequence
 * numbers.
 *
 * @throws TypeError when the event does not have that form; RangeError for an invalid sequence number
 */
export function recordsOf(event: SQSEvent): readonly ColumnRecord[] {
  const messages = messagesOf(event);
  const columns = new SourceColumns(messages.length);
  for (const { queue, message } of messages) {
    const { MessageGroupId: group, SequenceNumber: sequenceNumber } = groupedOf(message);
    const position = positionOf(sequenceNumber);
    columns.add(lineageOf(queue, group), position, messageArrival(message), group, message.body, 'utf8');
  }
  return columns.records;
}

function groupedOf({ attributes }: SQSRecord): { MessageGroupId: string; SequenceNumber: string } {
  const { MessageGroupId, SequenceNumber } = attributes ?? {};
  if (
    typeof MessageGroupId !== 'string' ||
    !/^[!-~]{1,128}$/.test(MessageGroupId) ||
    typeof SequenceNumber !== 'string'
  ) {
    throw loggable(
      new TypeError(
        'Cannot read a message as it must be of a FIFO queue: it lacks a "MessageGroupId" of 1 to 128 ' +
          'printable characters, or a "SequenceNumber"',
      ),
    );
  }
  return { MessageGroupId, SequenceNumber };
}

/**
 * Names the lineage of a message group. It is percent-encoded, as lineages stand in names of objects: no
 * group's name reads as a path, and no two groups share a name.
 */
const lineageOf = (queue: string, group: string): string =>
  `${queue}/${encodeURIComponent(group).replaceAll('.', '%2E')}`;

/**
 * Returns, for each message group, the first message to redeliver and all that follow it. The queue deletes
 * every message that is not named, and the order would be lost.
 */
export function responseOf(again: readonly SourceRecord[], event: SQSEvent): SQSBatchResponse {
  if (again.length === 0) return { batchItemFailures: [] };
  const records = recordsOf(event);
  const stopped = new Set<string>();
  return {
    batchItemFailures: event.Records.filter((_, at) => {
      const { lineage, position } = records[at] as SourceRecord;
      if (again.some((record) => record.lineage === lineage && record.position === position))
        stopped.add(lineage);
      return stopped.has(lineage);
    }).map(({ messageId }) => ({ itemIdentifier: messageId })),
  };
}
