import { isUtf8 } from 'node:buffer';
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import { loggable } from '../../core/loggable.ts';
import { type EpochMillis, isInstant } from '../../core/time.ts';
import { onlySource } from '../../ports/source.ts';

/**
 * Returns the messages of the event that Lambda passes to a consumer of a queue, each with the queue's name.
 */
export function messagesOf(
  event: SQSEvent,
): readonly { readonly queue: string; readonly message: SQSRecord }[] {
  if (!Array.isArray(event?.Records)) {
    throw loggable(
      new TypeError('Cannot read the event as it must be an SQS event: it has no list "Records"'),
    );
  }
  let arn: string | undefined;
  let queue = '';
  return event.Records.map((message) => {
    const { eventSourceARN } = checked(message);
    if (eventSourceARN !== arn) queue = eventSourceARN.slice(eventSourceARN.lastIndexOf(':') + 1);
    arn = eventSourceARN;
    return { queue, message };
  });
}

/**
 * Returns the ARN of the queue of an event's messages; undefined for an event without messages.
 *
 * @throws RangeError when the messages are from several queues
 */
export const sourceOf = ({ Records }: SQSEvent): string | undefined =>
  onlySource(Records.map(({ eventSourceARN }) => eventSourceARN));

function checked(message: SQSRecord): SQSRecord {
  const { messageId, body, eventSourceARN } = message;
  if (typeof messageId !== 'string' || typeof body !== 'string' || typeof eventSourceARN !== 'string') {
    throw loggable(
      new TypeError(
        'Cannot read a message as it must be of an SQS event: it lacks "messageId", "body" or "eventSourceARN"',
      ),
    );
  }
  return message;
}

/** Says whether SQS takes these bytes as a message's text: UTF-8 that is not empty, without most control characters. */
export const isMessageText = (data: Uint8Array): boolean =>
  data.length > 0 && isUtf8(data) && !/[^\t\n\r\u0020-\uFFFD]/.test(Buffer.from(data).toString());

/** Returns when the queue received a message. */
export function messageArrival({ attributes }: SQSRecord): EpochMillis {
  const arrival = Number(attributes?.SentTimestamp);
  if (!isInstant(arrival)) {
    throw loggable(
      new TypeError(
        'Cannot read a message as "attributes.SentTimestamp" must be whole milliseconds since the epoch',
      ),
    );
  }
  return arrival;
}
