import { checkOptions } from '../../core/options.ts';
import { millis } from '../../core/time.ts';
import { type AnyOptions, type AnySource, type Identified, sourceOf } from './any-source.ts';

type QueueKind = 'sqs' | 'fifo';

export interface QueueSource<out Rec, out Kind extends QueueKind = QueueKind>
  extends AnySource<Kind extends 'fifo' ? true : false> {
  /** A standard queue (`sqs`), or a queue that keeps the order of each message group (`fifo`). */
  readonly kind: Kind;
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): QueueSource<Next, Kind>;
  /**
   * The same source, with a pure function's children in place of each record: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(
    expand: (record: Rec) => readonly Child[],
    options?: Identified<Child>,
  ): QueueSource<Child, Kind>;
}

interface QueueOptions<Rec> extends AnyOptions<Rec> {
  /** Whether the queue is a FIFO queue. Default false. */
  readonly fifo?: boolean;
}

interface FifoOptions<Rec> extends QueueOptions<Rec> {
  readonly fifo: true;
}

interface StandardOptions<Rec> extends QueueOptions<Rec> {
  readonly fifo?: false;
}

/** The number of key groups for a queue, as nobody knows how many consumers read it at once. */
const QUEUE_GROUPS = 16;

/**
 * Reads an SQS queue of JSON messages. A standard queue has no order, so `definePipeline` refuses windows
 * that need one; a FIFO queue (`fifo: true`) has an order in each message group.
 *
 * @throws TypeError when `fifo` is not true or false, or for an unknown option
 *
 * @example
 * ```ts
 * import { sqs } from 'millrace';
 * import { z } from 'zod';
 *
 * export const readings = sqs({ fifo: true, schema: z.object({ machineId: z.string(), celsius: z.number() }) });
 * ```
 */
export function sqs<Rec = unknown>(options: FifoOptions<Rec>): QueueSource<Rec, 'fifo'>;
export function sqs<Rec = unknown>(options?: StandardOptions<Rec>): QueueSource<Rec, 'sqs'>;
export function sqs<Rec = unknown>(options: QueueOptions<Rec> = {}): QueueSource<Rec> {
  checkOptions('read a queue', options, ['fifo', 'schema', 'id', 'decode']);
  const { fifo = false } = options;
  if (typeof fifo !== 'boolean') {
    throw new TypeError(`Cannot read a queue as fifo must be true or false: it is ${typeof fifo}`);
  }
  const kind = fifo ? 'fifo' : 'sqs';
  const lineage = {
    ordered: fifo,
    retention: millis('14d'),
    notesProgress: false,
    // A FIFO queue's lineages are its message groups.
    namedByProducers: fifo,
  };
  return sourceOf({ kind, lineage, groups: QUEUE_GROUPS }, options);
}
