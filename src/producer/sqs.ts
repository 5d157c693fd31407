import { createHash } from 'node:crypto';
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { isMessageText } from '../adapters/sqs/message.ts';
import { outcomesOf } from './aws.ts';
import type { OutgoingRecord, Parcel, ParcelOutcome, Sender } from './sender.ts';

/** The bounds of SQS on one SendMessageBatch, and on one message. */
const MAX_BATCH_MESSAGES = 10;
const MAX_BATCH_BYTES = 1_048_576;

/** As many messages of a standard queue may be under way as all requests have room for. */
const STANDARD_LANES = 80;

interface Message extends Parcel {
  readonly record: OutgoingRecord;
  /** The id by which a FIFO queue knows the message again. */
  readonly id: string;
}

/**
 * Sends to an SQS queue, one message a record. In a FIFO queue the key is the message group, and a group is a
 * lane: a batch of SQS may be taken in part, so it never holds two messages of a group. A standard queue keeps no
 * order, and has as many lanes as requests have room for.
 *
 * @param run tells the deduplication ids of this producer from those of all others
 */
export function sqsSender(client: SQSClient, queueUrl: string, run: string): Sender<Message> {
  const isFifo = queueUrl.endsWith('.fifo');
  let lanes = 0;
  let messages = 0;
  return {
    target: `queue ${queueUrl.slice(queueUrl.lastIndexOf('/') + 1)}`,
    maxParcels: MAX_BATCH_MESSAGES,
    maxBytes: MAX_BATCH_BYTES,
    parcelBytes: 1,
    maxRecordBytes: MAX_BATCH_BYTES,
    bytesOf: ({ data }) => data.length,
    lackOf: ({ data }) =>
      isMessageText(data) ? undefined : 'it must be text in UTF-8, not empty and without control characters',
    laneOf: (key) => (isFifo ? groupOf(key) : lanes++ % STANDARD_LANES),
    open: () => messageOf(() => `${run}-${messages++}`),
    send: (parcels) =>
      outcomesOf(parcels.length, async () => {
        const { Successful = [], Failed = [] } = await client.send(
          new SendMessageBatchCommand({
            QueueUrl: queueUrl,
            Entries: parcels.map(({ record, id }, at) => ({
              Id: String(at),
              MessageBody: Buffer.from(record.data).toString(),
              ...(isFifo && { MessageGroupId: groupOf(record.key), MessageDeduplicationId: idOf(id) }),
            })),
          }),
        );
        const refused = Failed.find(({ SenderFault }) => SenderFault);
        if (refused) throw Object.assign(new Error(`it refused a message as ${refused.Code}`), REFUSED);
        const taken = new Set(Successful.map(({ Id }) => Id));
        const codes = new Map(Failed.map(({ Id, Code }) => [Id, Code]));
        return parcels.map((_, at): ParcelOutcome => {
          const id = String(at);
          return taken.has(id) ? 'taken' : { again: codes.get(id) ?? 'no answer' };
        });
      }),
  };
}

const REFUSED = { $metadata: { httpStatusCode: 400 } };

/** Group names and ids are 1 to 128 printable characters of ASCII. */
const isName = (text: string): boolean => /^[!-~]{1,128}$/.test(text);
const hashed = (text: string): string => createHash('sha256').update(text).digest('hex');
const groupOf = (key: string): string => (isName(key) ? key : hashed(key));
const idOf = (id: string): string => (isName(id) ? id : hashed(id));

function messageOf(makeId: () => string): Message {
  let message: { readonly record: OutgoingRecord; readonly id: string } | undefined;
  const sent = () => message as NonNullable<typeof message>;
  return {
    get record() {
      return sent().record;
    },
    get id() {
      return sent().id;
    },
    get bytes() {
      return sent().record.data.length;
    },
    add(record) {
      if (message !== undefined) return false;
      message = { record, id: record.id ?? makeId() };
      return true;
    },
  };
}
