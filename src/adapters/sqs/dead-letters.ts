import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { unorderedPositionOf } from '../../core/position.ts';
import { type EpochMillis, isInstant } from '../../core/time.ts';
import type { DeadLetter, DeadLetterQueue } from '../../ports/dead-letters.ts';
import { FEW, inParallel } from '../../ports/in-parallel.ts';
import { type ColumnRecord, withData } from '../../ports/source.ts';
import { recordsOf as fifoRecordsOf } from './fifo.ts';
import { recordsOf } from './standard.ts';

/** For how long a message is hidden that was received: longer than it takes to take in as many as are held. */
const HIDDEN_SECONDS = 15 * 60;

/** How long an empty queue is asked: SQS then asks all of its servers. */
const WAIT_SECONDS = 1;

const MAX_REQUEST_MESSAGES = 10;

/**
 * Reads a dead-letter queue of SQS.
 *
 * @param fifo whether it is a FIFO queue, as its source is then
 * @param at converts an instant of the queue's clock to the clock of the logs
 */
export function sqsDeadLetters(
  client: SQSClient,
  queueUrl: string,
  fifo: boolean,
  at: (real: EpochMillis) => EpochMillis = (real) => real,
): DeadLetterQueue {
  const inRequests = async <Answer>(
    letters: readonly DeadLetter[],
    ask: (receipts: { Id: string; ReceiptHandle: string }[]) => Promise<Answer>,
  ): Promise<Answer[]> => {
    const receipts = letters.map(({ receipt }, n) => ({ Id: String(n), ReceiptHandle: receipt }));
    const requests = Array.from({ length: Math.ceil(receipts.length / MAX_REQUEST_MESSAGES) }, (_, n) =>
      receipts.slice(MAX_REQUEST_MESSAGES * n, MAX_REQUEST_MESSAGES * (n + 1)),
    );
    return inParallel(requests, ask, FEW);
  };
  return {
    async receive() {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: MAX_REQUEST_MESSAGES,
          VisibilityTimeout: HIDDEN_SECONDS,
          WaitTimeSeconds: WAIT_SECONDS,
          MessageSystemAttributeNames: ['All'],
        }),
      );
      return Messages.map((message) => letterOf(message, fifo, at));
    },
    async remove(letters) {
      const answers = await inRequests(letters, (Entries) =>
        client.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries })),
      );
      const [failed] = answers.flatMap(({ Failed = [] }) => Failed);
      if (failed) {
        throw new Error(
          `Cannot delete messages of the dead-letter queue that are taken in, and the same command again does it: ${failed.Code}`,
        );
      }
    },
    async release(letters) {
      await inRequests(letters, (receipts) =>
        client.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: queueUrl,
            Entries: receipts.map((receipt) => ({ ...receipt, VisibilityTimeout: 0 })),
          }),
        ),
      ).catch(() => {});
    },
    async count() {
      const { Attributes = {} } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...COUNTS] }),
      );
      return COUNTS.reduce((total, count) => total + Number(Attributes[count] ?? 0), 0);
    },
  };
}

const COUNTS = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;

/**
 * Returns a message that SQS moved to a dead-letter queue.
 *
 * SQS says of which queue it was, and keeps its id, its message group and, in a standard queue, when it was sent. In a
 * FIFO queue it counts as sent when it was moved, under another sequence number.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
 */
function letterOf(
  { MessageId = '', ReceiptHandle = '', Body = '', Attributes = {} }: Message,
  fifo: boolean,
  at: (real: EpochMillis) => EpochMillis,
): DeadLetter {
  const timeOf = (name: keyof typeof Attributes): EpochMillis | undefined => {
    const time = Number(Attributes[name] ?? Number.NaN);
    return isInstant(time) ? time : undefined;
  };
  const { DeadLetterQueueSourceArn: source } = Attributes as Readonly<Record<string, string>>;
  const sent = timeOf('SentTimestamp');
  const first = timeOf('ApproximateFirstReceiveTimestamp');
  const message = {
    messageId: MessageId,
    body: Body,
    attributes: { ...Attributes, SentTimestamp: String(sent === undefined ? sent : at(sent)) },
    eventSourceARN: source ?? '',
  } as unknown as SQSRecord;
  const [record] = (fifo ? fifoRecordsOf : recordsOf)({ Records: [message] }) as [ColumnRecord];
  return {
    receipt: ReceiptHandle,
    source,
    record: { ...withData(record, record.data), position: unorderedPositionOf(MessageId) },
    // Where the first receipt comes after it, this is no time of a move, or the receipt is one of the dead-letter queue.
    tried:
      fifo && first !== undefined && sent !== undefined && first < sent
        ? { from: at(first), until: at(sent) }
        : undefined,
  };
}
