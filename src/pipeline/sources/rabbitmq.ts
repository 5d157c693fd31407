import { checkOptions } from '../../core/options.ts';
import { millis } from '../../core/time.ts';
import { type AnyOptions, type AnySource, groupsFor, type Identified, sourceOf } from './any-source.ts';

export interface RabbitSource<out Rec> extends AnySource<false>, RabbitQueue {
  readonly kind: 'rabbitmq';
  readonly virtualHost: string;
  /** What the place of a message is made of, by which it is known unless a record has an id of its own. */
  readonly placedBy: 'messageId' | 'content';
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): RabbitSource<Next>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(expand: (record: Rec) => readonly Child[], options?: Identified<Child>): RabbitSource<Child>;
}

interface RabbitQueue {
  readonly queue: string;
  /** The virtual host of the queue. Default `/`. */
  readonly virtualHost?: string;
  /** The ARN of the broker of Amazon MQ. Only a stack needs it. */
  readonly broker?: string | undefined;
  /** The ARN of the secret that holds `username` and `password` for the broker. Only a stack needs it. */
  readonly secret?: string | undefined;
  /**
   * The exchange to which the queue gives messages that it has delivered too often. A quorum queue of RabbitMQ
   * 4.0 and later drops them where it has none.
   */
  readonly deadLetterExchange?: string | undefined;
  /** Says that the queue delivers a message as often as it takes: it is a classic queue, or has no limit. */
  readonly deliveryLimit?: 'none' | undefined;
}

interface RabbitOptions<Rec> extends Omit<AnyOptions<Rec>, 'id'>, RabbitQueue {
  /**
   * What tells a message when it comes again. Default `messageId`, without which a message is refused. By
   * `content` two messages of the same bytes are one. A function returns the id of a record, as for any source.
   */
  readonly id?: 'messageId' | 'content' | Identified<Rec>['id'];
}

/**
 * Reads a RabbitMQ queue of JSON messages, of a broker of Amazon MQ. It has no order, so `definePipeline`
 * refuses windows that need one. Each message is known by the id that its producer gave it.
 *
 * @throws RangeError when `queue` or `virtualHost` is not 1 to 255 bytes, `id` is none of those that there
 * are, or `broker` or `secret` is no such ARN; TypeError for an unknown option, or where a dead-letter exchange
 * is stated of a queue without a delivery limit
 *
 * @example
 * ```ts
 * import { rabbitmq } from 'millrace';
 *
 * interface Reading {
 *   celsius: number;
 * }
 *
 * export const readings = rabbitmq<Reading>({ queue: 'readings', deadLetterExchange: 'refused' });
 * ```
 */
export function rabbitmq<Rec = unknown>(options: RabbitOptions<Rec>): RabbitSource<Rec> {
  checkOptions('read a queue of RabbitMQ', options, [
    'queue',
    'virtualHost',
    'broker',
    'secret',
    'id',
    'deadLetterExchange',
    'deliveryLimit',
    'schema',
    'decode',
  ]);
  const { virtualHost = '/', id = 'messageId', schema, decode, ...queue } = options;
  const identify = typeof id === 'string' ? undefined : id;
  const refuse = (rule: string, state: string): RangeError =>
    new RangeError(`Cannot read a queue of RabbitMQ as ${rule}: it is ${state}`);
  for (const [name, text] of Object.entries({
    queue: queue.queue,
    virtualHost,
    ...(queue.deadLetterExchange !== undefined && { deadLetterExchange: queue.deadLetterExchange }),
  })) {
    if (!isShortText(text)) throw refuse(`${name} must be 1 to 255 bytes of text`, shownText(text));
  }
  if (id !== 'messageId' && id !== 'content' && typeof id !== 'function') {
    throw refuse('id must be "messageId", "content" or a function of the record', shownText(id));
  }
  for (const name of ['broker', 'secret'] as const) {
    const arn = queue[name];
    if (arn !== undefined && !ARNS[name].form.test(arn)) {
      // Whoever misreads the option gives the secret itself, which no error may show.
      throw refuse(
        `${name} must be the ARN of ${ARNS[name].of}`,
        name === 'secret' ? 'another text' : shownText(arn),
      );
    }
  }
  const { deadLetterExchange, deliveryLimit } = queue;
  if (deliveryLimit !== undefined && deliveryLimit !== 'none') {
    throw refuse('deliveryLimit must be "none" or left out', shownText(deliveryLimit));
  }
  if (deliveryLimit && deadLetterExchange !== undefined) {
    throw new TypeError(
      'Cannot read a queue of RabbitMQ as it must have either a dead-letter exchange or no delivery limit: ' +
        'both deadLetterExchange and deliveryLimit are set',
    );
  }
  const lineage = {
    ordered: false,
    // A queue keeps its messages for ever, and a refused one comes again only where its acknowledgement was lost.
    retention: millis('14d'),
    notesProgress: false,
    arrivesWhenRead: true,
    namedByProducers: false,
  } as const;
  // Lambda has one batch of the queue in flight, as of one shard.
  const groups = groupsFor(1);
  // A function of the record makes the same id of the same content.
  const placedBy = id === 'messageId' ? 'messageId' : 'content';
  return sourceOf(
    { kind: 'rabbitmq', lineage, groups, ...queue, virtualHost, placedBy },
    { ...(schema && { schema }), ...(decode !== undefined && { decode }), ...(identify && { id: identify }) },
  );
}

const ARNS = {
  broker: {
    of: 'a broker of Amazon MQ',
    form: /^arn:aws[a-z-]*:mq:[a-z0-9-]+:\d{12}:broker:[\w-]+:b-[\w-]+$/,
  },
  secret: {
    of: 'a secret of Secrets Manager',
    form: /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+$/,
  },
} as const;

const isShortText = (text: unknown): boolean =>
  typeof text === 'string' && text !== '' && new TextEncoder().encode(text).length <= 255;

const shownText = (value: unknown): string => (typeof value === 'string' ? `"${value}"` : typeof value);
