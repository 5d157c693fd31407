import type { KeyRules } from '../../core/key.ts';
import { checkOptions } from '../../core/options.ts';
import type { PaneKind } from '../../core/panes.ts';
import { type Millis, millis } from '../../core/time.ts';
import { type AnySource, type Identified, sourceOf } from './any-source.ts';

/** What must be known of a pipeline to read its panes. */
export interface Upstream<out Panes = unknown> {
  readonly name: string;
  readonly groups: number;
  readonly allowedLateness: Millis;
  readonly rules: KeyRules<unknown>;
  readonly source: object;
  /** Carries the type of the panes for inference. It is never present. */
  readonly pane?: Panes;
}

/** Which revisions of a window are read: the one that is never revised, or all. */
export type Revisions = 'settled' | 'all';

export interface PanesSource<out Rec> extends AnySource<true> {
  readonly kind: 'panes';
  /** The pipeline whose panes are read. */
  readonly of: Upstream;
  /** The window whose panes are read; all windows where undefined. */
  readonly window: string | undefined;
  readonly revisions: Revisions;
  /** Where reading begins: see `PanesOptions`. */
  readonly begin: 'first' | 'kept';
  /** Returns the same source with each record reshaped by a pure function. */
  map<Next>(reshape: (record: Rec) => Next): PanesSource<Next>;
  /**
   * The same source, with a pure function's children in place of each pane: one, several, or none. Each child has a key and an
   * event time of its own, and is taken in, filtered or refused by itself.
   */
  expand<Child>(expand: (record: Rec) => readonly Child[], options?: Identified<Child>): PanesSource<Child>;
}

export interface PanesOptions<Which extends Revisions> {
  /**
   * `settled` reads panes that are never revised. `all` reads every revision, early and retracted ones among
   * them, each as a record of its own. Default `settled`.
   */
  readonly revisions?: Which;
  /**
   * `first` begins at the first pane that the pipeline ever made, and refuses to begin where that has expired:
   * logs keep it for eight days. `kept` begins with the oldest pane that is sure to be there for another day.
   * Default `first`.
   */
  readonly begin?: 'first' | 'kept';
}

/** The names of the windows of panes. */
type WindowOf<Panes> = Panes extends { readonly window: infer Name extends string } ? Name : never;

/** The kinds of panes that another revision follows or has followed. */
type Unsettled = Extract<PaneKind, 'early' | 'late' | 'retracted' | 'running'>;

type Selected<Panes, Name, Which> = Panes extends { readonly window: Name; readonly kind: infer Kind }
  ? Which extends 'all'
    ? Panes
    : Kind extends Unsettled
      ? never
      : Omit<Panes, 'kind'> & { readonly kind: Exclude<Kind, Unsettled> }
  : never;

/**
 * For how long a group remembers how far it has taken in a log of the pipeline that it reads: twice as long as an
 * entry lives there, as DynamoDB may delete it late.
 */
export const PANES_REMEMBERED = millis('16d');

/**
 * Reads the panes of another pipeline from its commit logs, each exactly once, with no stream or queue between.
 * A record is a pane as sinks write it, and arrives when it is committed.
 *
 * By default only settled panes are read, of windows that settle: `allowedLateness` is 0, and the window is not
 * `running`.
 *
 * @throws RangeError when the pipeline has no window of that name, or has panes that never settle although
 * `revisions` asks for settled ones; TypeError for an unknown option
 *
 * @example
 * ```ts
 * import { count, definePipeline, kinesis, panesOf, sum, table, tumbling } from 'millrace';
 *
 * interface Order {
 *   shop: string;
 *   at: number;
 * }
 *
 * const byShop = definePipeline('by-shop', kinesis<Order>(), {
 *   key: 'shop',
 *   eventTime: 'at',
 *   windows: { minute: tumbling({ size: '1m' }, { orders: count() }) },
 * });
 *
 * export const everywhere = definePipeline('everywhere', panesOf(byShop, 'minute'), {
 *   key: () => 'all',
 *   eventTime: 'start',
 *   outOfOrderness: '3m',
 *   windows: { minute: tumbling({ size: '1m' }, { orders: sum((pane) => pane.results.orders) }) },
 * }).to(table());
 * export const records = [{ window: 'minute', start: '2026-01-05T12:00:00.000Z', results: { orders: 3 } }];
 * ```
 */
export function panesOf<
  Panes,
  const Name extends WindowOf<Panes> = WindowOf<Panes>,
  const Which extends Revisions = 'settled',
>(
  pipeline: Upstream<Panes>,
  window?: Name,
  options: PanesOptions<Which> = {},
): PanesSource<Selected<Panes, Name, Which>> {
  const { name, groups, rules, allowedLateness } = pipeline;
  checkOptions(`read the panes of "${name}"`, options, ['revisions', 'begin']);
  const { revisions = 'settled', begin = 'first' } = options;
  checkChoice(name, 'revisions', revisions, ['settled', 'all']);
  checkChoice(name, 'begin', begin, ['first', 'kept']);
  const windows = rules.windows.filter((own) => window === undefined || own.name === window);
  if (windows.length === 0) {
    const names = rules.windows.map((own) => own.name).join(', ');
    throw new RangeError(
      `Cannot read the panes of window "${window}" of "${name}" as it must be one of its windows: they are ${names}`,
    );
  }
  for (const { name: own, operator } of windows) {
    if (revisions === 'all') break;
    const unsettled = `Cannot read the settled panes of window "${own}" of "${name}" as it must settle`;
    if (operator.identity === 'none') {
      throw new RangeError(`${unsettled}: it is a running window, which never does; say revisions: 'all'`);
    }
    if (!operator.ordered && allowedLateness > 0) {
      throw new RangeError(
        `${unsettled}: its allowedLateness is ${allowedLateness} ms, for which a pane may be revised; set that to 0, or say revisions: 'all'`,
      );
    }
  }
  const lineage = {
    ordered: true,
    retention: PANES_REMEMBERED,
    notesProgress: false,
    beginsAnew: true,
    // The other pipeline's records may have waited before they made a pane.
    waits: true,
    namedByProducers: false,
  } as const;
  return sourceOf({ kind: 'panes', lineage, groups, of: pipeline, window, revisions, begin }, {});
}

function checkChoice(pipeline: string, option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new RangeError(
    `Cannot read the panes of "${pipeline}" with ${option} "${value}" as it must be "${choices.join('" or "')}"`,
  );
}
