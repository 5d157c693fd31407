import { checkOptions } from '../core/options.ts';
import { type Duration, type Millis, millis } from '../core/time.ts';

/** The names of the windows of panes; any text for a sink that is made before it is given to a pipeline. */
type WindowOf<Panes> = unknown extends Panes
  ? string
  : Panes extends { readonly window: infer Name extends string }
    ? Name
    : never;

/** The panes of some windows. */
type OfWindows<Panes, Name> = unknown extends Panes
  ? unknown
  : Panes extends { readonly window: Name }
    ? Panes
    : never;

/** Carries the type of the panes that a sink takes, for inference. It is never present. */
interface Takes<in Panes> {
  readonly takes?: (pane: Panes) => void;
}

/** Which panes a sink takes, and what it is called. */
interface Selecting {
  /** Tells the sinks of a pipeline apart, and names what belongs to the sink: its log, its resources. */
  readonly name: string;
  /** The windows whose panes it takes; all where undefined. */
  readonly windows: readonly string[] | undefined;
  readonly when: ((pane: unknown) => boolean) | undefined;
}

/** How a sink makes messages of panes. */
interface Telling extends Selecting {
  /** Returns what is sent of a pane, as JSON; the pane itself where undefined. */
  readonly message: ((pane: unknown) => unknown) | undefined;
}

/** Where a sink begins that is added to a pipeline which has panes already. */
export type SinkBeginning = 'now' | 'beginning';

/** Notifications to an SNS topic, or events to an EventBridge bus. */
export interface NotifySink extends Telling {
  readonly kind: 'notify';
  readonly to: 'sns' | 'sns-fifo' | 'eventbridge';
  readonly from: 'now';
  /** How long ago a pane may have been committed for it to be sent; undefined where any may. */
  readonly maxAge: Millis | undefined;
  /** The most messages a minute; undefined where there is no limit. */
  readonly limit: number | undefined;
}

/** Messages to a Kinesis stream or an SQS queue. */
export interface StreamSink extends Telling {
  readonly kind: 'stream';
  readonly to: 'kinesis' | 'sqs' | 'sqs-fifo';
  readonly from: SinkBeginning;
}

/** Events to the channels of an AppSync Event API, for whoever is looking. */
export interface PushSink extends Telling {
  readonly kind: 'push';
}

/** An author's own function. */
export interface CustomSink extends Selecting {
  readonly kind: 'sink';
  readonly from: SinkBeginning;
  readonly deliver: (
    panes: readonly unknown[],
    about: { readonly ids: readonly string[] },
  ) => void | Promise<void>;
}

/** A sink that sends messages. */
export type MessageSink = NotifySink | StreamSink | PushSink | CustomSink;

interface SelectOptions<Panes, Name> {
  /**
   * Tells the message sinks of a pipeline apart: 1 to 40 lower-case letters, digits and hyphens, a letter
   * first. The sink goes on where the sink of its name has stopped, and a new name begins anew. Default: the
   * name of the function.
   */
  readonly name?: string;
  /** Sends the panes of these windows alone. Default: of all windows. */
  readonly windows?: readonly Name[];
  /** Sends only the panes for which this pure function returns true. Default: all panes. */
  readonly when?: (pane: OfWindows<Panes, NoInfer<Name>>) => boolean;
}

interface TellOptions<Panes, Name> extends SelectOptions<Panes, Name> {
  /** A pure function that returns what is sent of a pane, as JSON. Default: the pane. */
  readonly message?: (pane: OfWindows<Panes, NoInfer<Name>>) => unknown;
}

interface NotifyOptions<Panes, Name> extends TellOptions<Panes, Name> {
  /** An SNS topic, a FIFO topic, or an EventBridge bus. */
  readonly to: NotifySink['to'];
  /** A pane that was committed longer ago is not sent. Default: any is sent. */
  readonly maxAge?: Duration;
  /**
   * The most messages in a minute of the clock: a whole number from 1 to 1,000,000. The others wait. Default:
   * no limit.
   */
  readonly limit?: number;
}

interface StreamOptions<Panes, Name> extends TellOptions<Panes, Name> {
  /** A Kinesis stream, an SQS queue, or a FIFO queue. */
  readonly to: StreamSink['to'];
  /**
   * Where the sink begins when it is added to a pipeline that has panes: `now`, or at the `beginning`, with
   * the oldest pane that the logs are sure to keep for another day. Default `now`.
   */
  readonly from?: SinkBeginning;
}

interface CustomOptions<Panes, Name> extends SelectOptions<Panes, Name> {
  readonly name: string;
  /** Where the sink begins when it is added to a pipeline that has panes: as of `stream`. Default `now`. */
  readonly from?: SinkBeginning;
  /**
   * Takes some panes, those of a key in their order. Where it throws, it is given the same panes again.
   * `ids` are those of the panes, in the same order.
   */
  readonly deliver: (
    panes: readonly OfWindows<Panes, NoInfer<Name>>[],
    about: { readonly ids: readonly string[] },
  ) => void | Promise<void>;
}

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

const SELECTING: readonly string[] = ['name', 'windows', 'when'];
const TELLING: readonly string[] = [...SELECTING, 'message'];

/** The most messages a minute that a limit may allow. */
const MOST_A_MINUTE = 1_000_000;

/**
 * Notifies an SNS topic or an EventBridge bus of panes: at least once each, those of a key in their order. A
 * sink that is added to a pipeline sends no pane from before that.
 *
 * @throws RangeError when a name, a duration or the limit breaks its rule; TypeError for an unknown option,
 * or where a function must be one
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, notify, table, tumbling } from 'millrace';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
 *   windows: { minute: tumbling({ size: '1m' }, { max: max('celsius') }) },
 * }).to(
 *   table(),
 *   notify({
 *     to: 'sns',
 *     windows: ['minute'],
 *     when: (pane) => pane.results.max > 90,
 *     message: (pane) => ({ machine: pane.key, celsius: pane.results.max }),
 *     maxAge: '1h',
 *     limit: 60,
 *   }),
 * );
 * ```
 */
export function notify<Panes, const Name extends WindowOf<Panes> = WindowOf<Panes>>(
  options: NotifyOptions<Panes, Name>,
): NotifySink & Takes<Panes> {
  const telling = tellingOf('notify', options, ['to', 'maxAge', 'limit']);
  const { to, maxAge, limit } = options;
  checkChoice('notify', 'to', to, ['sns', 'sns-fifo', 'eventbridge']);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST_A_MINUTE)) {
    throw new RangeError(
      `Cannot notify with a limit of ${limit} as it must be a whole number from 1 to 1,000,000 messages a minute`,
    );
  }
  const age = maxAge === undefined ? undefined : millis(maxAge);
  if (age === 0)
    throw new RangeError('Cannot notify of panes with maxAge "0s" as it must be longer than that');
  return { kind: 'notify', ...telling, to, from: 'now', maxAge: age, limit };
}

/**
 * Sends panes to a Kinesis stream or an SQS queue: at least once each, those of a key in their order as far
 * as the stream or queue has one.
 *
 * @throws as `notify` does
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, stream, tumbling } from 'millrace';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
 *   windows: { minute: tumbling({ size: '1m' }, { max: max('celsius') }) },
 * }).to(stream({ to: 'kinesis', when: (pane) => pane.kind === 'final' }));
 * ```
 */
export function stream<Panes, const Name extends WindowOf<Panes> = WindowOf<Panes>>(
  options: StreamOptions<Panes, Name>,
): StreamSink & Takes<Panes> {
  const telling = tellingOf('stream', options, ['to', 'from']);
  const { to, from = 'now' } = options;
  checkChoice('stream', 'to', to, ['kinesis', 'sqs', 'sqs-fifo']);
  checkChoice('stream', 'from', from, ['now', 'beginning']);
  return { kind: 'stream', ...telling, to, from };
}

/**
 * Pushes the latest pane of each key and window to an AppSync Event API, as soon as it is committed and at
 * most once: a view for whoever is looking. What fails is not sent again, and delays no other sink.
 *
 * @throws as `notify` does
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, push, table, tumbling } from 'millrace';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
 *   windows: { minute: tumbling({ size: '1m' }, { max: max('celsius') }) },
 * }).to(table(), push());
 * ```
 */
export function push<Panes, const Name extends WindowOf<Panes> = WindowOf<Panes>>(
  options: TellOptions<Panes, Name> = {},
): PushSink & Takes<Panes> {
  return { kind: 'push', ...tellingOf('push', options, []) };
}

/**
 * Delivers panes to a function of your own: at least once each, those of a key in their order. Where the
 * function throws, it is given the panes again, under the same ids.
 *
 * @throws as `notify` does
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, sink, tumbling } from 'millrace';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 *   celsius: number;
 * }
 *
 * const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
 *   windows: { minute: tumbling({ size: '1m' }, { max: max('celsius') }) },
 * }).to(
 *   sink({
 *     name: 'search',
 *     async deliver(panes, { ids }) {
 *       const documents = panes.map(({ key, results }, at) => ({ id: ids[at], key, max: results.max }));
 *       await fetch('https://search.example.org/documents', { method: 'PUT', body: JSON.stringify(documents) });
 *     },
 *   }),
 * );
 * ```
 */
export function sink<Panes, const Name extends WindowOf<Panes> = WindowOf<Panes>>(
  options: CustomOptions<Panes, Name>,
): CustomSink & Takes<Panes> {
  const selecting = selectingOf('sink', options, [...SELECTING, 'from', 'deliver']);
  const { from = 'now', deliver } = options;
  checkChoice('sink', 'from', from, ['now', 'beginning']);
  if (typeof deliver !== 'function') throw notAFunction('sink', 'deliver', deliver);
  return { kind: 'sink', ...selecting, from, deliver: deliver as CustomSink['deliver'] };
}

type Kind = MessageSink['kind'];

/** Options as whoever writes JavaScript may give them. */
interface Given {
  readonly name?: string;
  readonly windows?: readonly string[];
  readonly when?: unknown;
  readonly message?: unknown;
}

function selectingOf(kind: Kind, options: Given, allowed: readonly string[]): Selecting {
  checkOptions(`make the sink ${kind}()`, options, allowed);
  const { name = kind, windows, when } = options;
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new RangeError(
      `Cannot name a sink "${name}" as names must be 1 to 40 lower-case letters, digits and hyphens, a letter first`,
    );
  }
  if (windows !== undefined && !(Array.isArray(windows) && windows.length > 0)) {
    throw new TypeError(`Cannot make the sink ${kind}() as windows must be a list with at least one name`);
  }
  if (when !== undefined && typeof when !== 'function') throw notAFunction(kind, 'when', when);
  return { name, windows, when: when as Selecting['when'] };
}

function tellingOf(kind: Kind, options: Given, own: readonly string[]): Telling {
  const selecting = selectingOf(kind, options, [...TELLING, ...own]);
  const { message } = options;
  if (message !== undefined && typeof message !== 'function') throw notAFunction(kind, 'message', message);
  return { ...selecting, message: message as Telling['message'] };
}

const notAFunction = (kind: Kind, option: string, value: unknown): TypeError =>
  new TypeError(`Cannot make the sink ${kind}() as ${option} must be a function: it is ${typeof value}`);

function checkChoice(kind: Kind, option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new RangeError(
    `Cannot make the sink ${kind}() with ${option} "${value}" as it must be ${choices.map((choice) => `"${choice}"`).join(' or ')}`,
  );
}
