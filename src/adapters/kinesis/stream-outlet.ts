import { createHash } from 'node:crypto';
import { type KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import type { Clock } from '../../ports/clock.ts';
import type { Outlet } from '../../ports/outlet.ts';
import { batched } from '../aws/batched.ts';

/**
 * The bounds of Kinesis on one PutRecords, and on one record with its partition key. A stream may be told to take
 * larger ones; these bounds hold for every stream.
 */
const MAX_ENTRIES = 500;
const MAX_BYTES = 5 * 1_048_576;
const MAX_RECORD_BYTES = 1_048_576;

/** The most characters of a partition key. */
const MAX_KEY_CHARACTERS = 256;

/**
 * Puts records onto a Kinesis stream, by the key of each message: the stream keeps the order of each key.
 *
 * @param stream the name of the stream, or its ARN
 */
export function kinesisStream(client: KinesisClient, stream: string, clock: Clock): Outlet {
  const target = stream.startsWith('arn:') ? { StreamARN: stream } : { StreamName: stream };
  return batched(clock, {
    target: `stream ${stream.slice(stream.lastIndexOf('/') + 1)}`,
    maxEntries: MAX_ENTRIES,
    maxBytes: MAX_BYTES,
    maxMessageBytes: MAX_RECORD_BYTES,
    sharesKeys: false,
    async request(messages, abortSignal) {
      const records = messages.map(({ key, body }) => ({
        PartitionKey: partitionKeyOf(key),
        Data: Buffer.from(body),
      }));
      const command = new PutRecordsCommand({ ...target, Records: records });
      const { Records = [] } = await client.send(command, { abortSignal });
      return messages.map((_, at) => {
        const { SequenceNumber, ErrorCode = 'no answer' } = Records[at] ?? {};
        return SequenceNumber === undefined ? ErrorCode : undefined;
      });
    },
  });
}

/** Hashes the keys that Kinesis does not take as partition keys. */
const partitionKeyOf = (key: string): string =>
  key.length <= MAX_KEY_CHARACTERS ? key : createHash('sha256').update(key).digest('hex');
