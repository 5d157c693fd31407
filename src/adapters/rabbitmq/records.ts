import { hash } from 'node:crypto';
import { LoggableError, loggable } from '../../core/loggable.ts';
import { type Position, unorderedPositionOf } from '../../core/position.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { RabbitSource } from '../../pipeline/sources/rabbitmq.ts';
import { type ColumnRecord, onlySource, SourceColumns, type SourceRecord } from '../../ports/source.ts';

/** The event that Lambda passes to a consumer of a queue of a RabbitMQ broker of Amazon MQ. */
export interface RabbitEvent {
  readonly eventSource?: string;
  /** The broker's ARN. */
  readonly eventSourceArn: string;
  /** The messages by queue and virtual host (`readings::/`), in the order in which the broker gave them. */
  readonly rmqMessagesByQueue: { readonly [queue: string]: readonly RabbitMessage[] };
}

interface RabbitMessage {
  /**
   * What the producer said of the message. The `timestamp` that is among it has no zone, and the producer
   * wrote it: it tells nothing about when the broker received the message.
   */
  readonly basicProperties?: { readonly messageId?: string | null } | null;
  /** Whether the broker has delivered the message before. */
  readonly redelivered?: boolean;
  /** In Base64. */
  readonly data: string;
}

/**
 * Returns the messages of a queue: one lineage without order, in which each message is known by the id that
 * its producer gave it, or by its content.
 *
 * @param now the time of the invocation, which is the arrival of all of them, as no message says when the
 * broker received it
 * @throws TypeError when the event does not have that form
 */
export function recordsOf(
  event: RabbitEvent,
  now: EpochMillis,
  { placedBy }: Pick<RabbitSource<unknown>, 'placedBy'>,
): readonly ColumnRecord[] {
  const queues = queuesOf(event);
  const columns = new SourceColumns(countOf(queues));
  for (const [name, messages] of queues) {
    const lineage = lineageOf(name);
    for (const message of messages) {
      const { id, data } = contentOf(message);
      const { position, partitionKey } =
        placedBy === 'content' || id === undefined
          ? placeByContent(Buffer.from(data, 'base64'))
          : placeById(id);
      const { place } = columns.add(lineage, position, now, partitionKey, data, 'base64');
      if (placedBy === 'messageId' && id === undefined) columns.unidentified.add(place);
    }
  }
  return columns.records;
}

/**
 * Lets go of the messages of an event that were read, as nothing of them refers to it. Their number stays, as answers
 * say it.
 */
export function letGo({ rmqMessagesByQueue }: RabbitEvent): void {
  for (const messages of Object.values(rmqMessagesByQueue)) (messages as unknown[]).fill(undefined);
}

/**
 * Returns the queue of an event's messages as `<ARN of the broker>/<queue>`; undefined for an event without
 * messages.
 *
 * @throws RangeError when the messages are from several queues
 */
export const sourceOf = (event: RabbitEvent): string | undefined =>
  onlySource(
    queuesOf(event)
      .filter(([, messages]) => messages.length > 0)
      .map(([name]) => `${event.eventSourceArn}/${lineageOf(name)}`),
  );

type Queues = readonly (readonly [string, readonly RabbitMessage[]])[];

function queuesOf(event: RabbitEvent): Queues {
  const { eventSourceArn, rmqMessagesByQueue: queues } = event ?? {};
  if (typeof eventSourceArn !== 'string' || typeof queues !== 'object' || queues === null) {
    throw loggable(
      new TypeError(
        'Cannot read the event as it must be a RabbitMQ event: it lacks "eventSourceArn" or the object ' +
          '"rmqMessagesByQueue"',
      ),
    );
  }
  return Object.entries(queues).map(([name, messages]) => {
    if (!Array.isArray(messages)) {
      throw loggable(
        new TypeError('Cannot read a queue as it must be of a RabbitMQ event: it is no list of messages'),
      );
    }
    return [name, messages] as const;
  });
}

const countOf = (queues: Queues): number =>
  queues.reduce((total, [, messages]) => total + messages.length, 0);

/** Names a queue's lineage, percent-encoded, as lineages stand in names of objects. */
const lineageOf = (name: string): string => encodeURIComponent(name.toWellFormed()).replaceAll('.', '%2E');

/** Returns a message's bytes in Base64, and its id where it has one: text that is not empty. */
function contentOf(message: RabbitMessage): { readonly id: string | undefined; readonly data: string } {
  const { basicProperties, data } = message ?? {};
  if (typeof data !== 'string') {
    throw loggable(new TypeError('Cannot read a message as it must be of a RabbitMQ event: it lacks "data"'));
  }
  const id = basicProperties?.messageId;
  return { id: typeof id === 'string' && id !== '' ? id : undefined, data };
}

type RabbitPlace = Pick<SourceRecord, 'position' | 'partitionKey'>;

/**
 * Returns the place of a message that is known by its id. The position is a digest, as producers choose ids of
 * any characters, which may be keys, and positions are logged. The id itself spreads messages without a usable
 * key over the key groups.
 */
export const placeById = (id: string): RabbitPlace => ({
  position: digestOf('id', id),
  partitionKey: id,
});

/** Returns the place of a message that is known by its bytes. */
export function placeByContent(data: Uint8Array): RabbitPlace {
  const position = digestOf('content', data);
  return { position, partitionKey: position };
}

const digestOf = (of: 'id' | 'content', bytes: string | Uint8Array): Position =>
  unorderedPositionOf(`${of}-${hash('sha256', bytes, 'base64url')}`);

/** Tells Lambda to have every message of a batch delivered again. */
export class UnsettledError extends LoggableError {}

/**
 * Answers an event. A mapping of a broker of Amazon MQ reads no answer: it acknowledges the whole batch, or it
 * delivers the whole batch again after an error. Then what was taken in is known by its id.
 *
 * @throws UnsettledError when a record must be redelivered
 */
export function responseOf(
  again: readonly SourceRecord[],
  event: RabbitEvent,
): { readonly batchItemFailures: readonly never[] } {
  if (again.length === 0) return { batchItemFailures: [] };
  const all = countOf(queuesOf(event));
  throw new UnsettledError(
    `Cannot acknowledge the messages of a batch as all of them must be committed: ${again.length} of ${all} are not, so all are delivered again`,
  );
}
