import { familiesOf, type KeyRules } from '../core/key.ts';
import { checkOptions } from '../core/options.ts';
import type { PaneKind } from '../core/panes.ts';
import { fieldReader, Inputs, type PathTo } from '../core/select.ts';
import { type Duration, type Millis, millis } from '../core/time.ts';
import { checkSinks, type Sink } from './sinks.ts';
import type { Source } from './source.ts';
import { arrivalRulesOf } from './sources/any-source.ts';
import type { PaneShape, Window } from './windows.ts';

/** An instant as a record carries it: epoch milliseconds, an ISO 8601 date-time with a zone, or a Date. */
export type EventTime = number | string | { getTime(): number };

/**
 * Says how the records of one source become panes. Every function here is pure: no clock, no randomness, no
 * I/O.
 */
export interface Options<Rec, Shapes> {
  /** Keeps only the records for which it returns true. Default: all records. */
  readonly filter?: (record: Rec) => boolean;
  /**
   * The key of a record, for each of which windows are kept: a non-empty string of at most 1,024 bytes of
   * UTF-8. It is read by the name of a field (`'machineId'`), by a path of own fields through nested objects
   * (`'machine.id'`, up to four names), or by a function of the record.
   */
  readonly key: `${PathTo<Rec, string>}` | ((record: Rec) => string);
  /** When a record happened, read in the same ways. */
  readonly eventTime: `${PathTo<Rec, EventTime>}` | ((record: Rec) => EventTime);
  /** How far the watermark trails the latest event time of a key. Default 0. */
  readonly outOfOrderness?: Duration;
  /** For how long a closed window may still be corrected. Default 0. */
  readonly allowedLateness?: Duration;
  /**
   * Once a key has been silent for this long, its event time advances at the speed of the clock. Default 1
   * minute.
   */
  readonly idleAfter?: Duration;
  /** A record whose event time is further ahead of its arrival than this is refused. Default 1 hour. */
  readonly maxFutureSkew?: Duration;
  /** A record whose event time is further before its arrival than this is refused. Default: none is. */
  readonly maxPast?: Duration;
  /**
   * How long a record is known by its id where a window refuses no record, as `rolling`, `batches` and
   * `running` do: until the watermark of its key is this far past it. Windows of time know a record for as
   * long as they take it. Only for sources with an `id`. Default 1 day.
   */
  readonly idWithin?: Duration;
  /**
   * Forgets a key without open windows this long after its last record. The key begins anew with its next
   * record. A record that comes later than this would open again a window that has closed. Default: no key is
   * ever forgotten.
   */
  readonly maxLateness?: Duration;
  /** A whole number that must grow whenever windows are added, removed or altered. Default 1. */
  readonly version?: number;
  /**
   * The number of key groups into which the keys fall at first, each with a log of its own: a power of two up
   * to 4,096. `millrace rescale` changes it later. Default: the next power of two from four per shard or
   * partition, and 16 for a queue.
   */
  readonly groups?: number;
  /**
   * Allows windows that overlap or step so much that one record shows in more than 1,000 panes, each of which
   * is written and delivered. Default false.
   */
  readonly costly?: boolean;
  readonly windows: { readonly [Name in keyof Shapes]: Window<NoInfer<Rec>, Shapes[Name] & PaneShape> };
}

/** A pipeline that has no sinks yet. */
export interface PipelineDefinition<Panes> extends Pipeline<Panes> {
  /** Returns the same pipeline with its panes going to `sinks`. */
  to(...sinks: readonly [Sink<Panes>, ...Sink<Panes>[]]): Pipeline<Panes>;
}

/** A pipeline as a plain value. The handlers, the stack, the local run and the tests all read it. */
export interface Pipeline<out Panes = Pane> {
  readonly name: string;
  readonly source: Source<unknown>;
  readonly sinks: readonly Sink[];
  readonly filter: ((record: unknown) => boolean) | undefined;
  readonly key: (record: unknown) => unknown;
  readonly eventTime: (record: unknown) => unknown;
  /** The name or path of the field that is the key or the event time; undefined where a function returns it. */
  readonly fields: { readonly key: string | undefined; readonly eventTime: string | undefined };
  /**
   * The names and paths of all fields that are read of a decoded value, each once: those of key, event time and
   * aggregates. Undefined where an author's function or a schema is given the value, which may read any.
   */
  readonly reads: readonly string[] | undefined;
  readonly version: number;
  readonly groups: number;
  readonly allowedLateness: Millis;
  readonly rules: KeyRules<unknown>;
  /** Returns the rules of the windows alone that need no order of the source, for a source without one. */
  readonly withoutOrder: () => KeyRules<unknown>;
  readonly maxFutureSkew: Millis;
  readonly maxPast: Millis | undefined;
  readonly idWithin: Millis;
  /** Carries the type of the panes for inference. It is never present. */
  readonly pane?: Panes;
}

/** A pane as it is written. Times are ISO 8601 in UTC with milliseconds. */
export interface Pane<
  Name extends string = string,
  Kind extends PaneKind = PaneKind,
  Results = Record<string, unknown> | null,
> {
  /** `pipeline/key/window/identity/revision`: the same wherever and however often the pane is delivered. */
  readonly id: string;
  readonly pipeline: string;
  readonly key: string;
  readonly window: Name;
  /** The window is `[start, end)`. */
  readonly start: string;
  readonly end: string;
  /** 0, 1, 2, …: a pane replaces every pane of the same window and key with a smaller revision. */
  readonly revision: number;
  readonly kind: Kind;
  /**
   * The ordinal, from 0, of the record or of the batch within its key; only panes of `rolling`, `batches` and
   * `trailing` windows have it.
   */
  readonly index?: number;
  readonly results: Results;
  /** The number of records in the window. */
  readonly count: number;
  readonly watermark: string;
}

/** The union of the panes of a definition's windows, which `pane.window` tells apart. */
export type PanesOf<Shapes extends { readonly [name: string]: PaneShape }> = {
  [Name in keyof Shapes & string]: PanesOfOne<Name, Shapes[Name]>;
}[keyof Shapes & string];

type PanesOfOne<Name extends string, Shape extends PaneShape> = Shape extends PaneShape
  ? Pane<Name, Shape['kind'], Shape['results']>
  : never;

/** @throws RangeError when the number of key groups is not a power of two from 1 to 4,096 */
export function checkGroups(groups: number): void {
  if (!Number.isInteger(Math.log2(groups)) || groups < 1 || groups > 4_096) {
    throw new RangeError(
      `Cannot keep ${groups} key groups as their number must be a power of two from 1 to 4,096`,
    );
  }
}

const OPTIONS: readonly (keyof Options<unknown, unknown>)[] = [
  'filter',
  'key',
  'eventTime',
  'outOfOrderness',
  'allowedLateness',
  'idleAfter',
  'maxFutureSkew',
  'maxPast',
  'idWithin',
  'maxLateness',
  'version',
  'groups',
  'costly',
  'windows',
];

/** @throws RangeError when the source is of panes that are made, directly or through others, of the pipeline's own */
function checkReadsNotItself(name: string, source: object): void {
  const through: string[] = [];
  for (let upstream = source; 'of' in upstream; ) {
    const { name: read, source: next } = upstream.of as Pipeline;
    if (read === name) {
      const way =
        through.length === 0 ? 'reads itself' : `is read by ${through.reverse().join(', read by ')}`;
      throw new RangeError(
        `Cannot define "${name}" as a pipeline must not read what is made of its own panes: it ${way}`,
      );
    }
    through.push(`"${read}"`);
    upstream = next;
  }
}

const NAME = /^[a-z][a-z0-9-]{0,39}$/;
const WINDOW_NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,39}$/;

/** In how many panes a record may show unless the definition allows it by `costly`. */
const MOST_PANES = 1_000;

/** @throws RangeError when one record shows in too many panes; the message has the arithmetic */
function checkPanes(name: string, windows: readonly (readonly [name: string, Window<never>])[]): void {
  const panes = windows.map(([window, { shows }]) => [window, shows ?? { panes: 1, because: '' }] as const);
  const total = panes.reduce((sum, [, { panes }]) => sum + panes, 0);
  if (total <= MOST_PANES) return;
  const reasons = panes
    .filter(([, { because }]) => because !== '')
    .map(([window, { panes, because }]) => `${panes.toLocaleString('en')} of "${window}" (${because})`);
  throw new RangeError(
    `Cannot define "${name}" as one record would show in ${total.toLocaleString('en')} panes, ` +
      `above ${MOST_PANES.toLocaleString('en')}: ${reasons.join(', ')}. ` +
      'Slide or step by more, or say costly: true',
  );
}

/** A selector of any record: a name, a path or a function. */
type Select = string | ((record: never) => unknown);

const fieldOf = (select: Select): string | undefined => (typeof select === 'string' ? select : undefined);

const readerOf = (select: Select): ((record: unknown) => unknown) =>
  typeof select === 'string' ? fieldReader(select) : (select as (record: unknown) => unknown);

/** Returns the names and paths of selectors, each once; undefined where one of them is a function. */
const namedBy = (selects: readonly Select[]): readonly string[] | undefined =>
  selects.every((select) => typeof select === 'string') ? [...new Set(selects)] : undefined;

/**
 * Defines a pipeline: a source of records, how records are keyed, timed and windowed, and, with `.to(...)`,
 * where the panes go.
 *
 * @throws RangeError when a name, a duration or a window breaks its rule, when the source lacks the order
 * that a window needs, or when one record would show in more than 1,000 panes and `costly` does not allow it;
 * TypeError when `key` or `eventTime` is neither a name nor a function, or `filter` is not a function
 *
 * @example
 * ```ts
 * import { definePipeline, kinesis, max, table, tumbling } from 'millrace';
 *
 * interface Reading {
 *   machineId: string;
 *   measuredAt: number;
 *   celsius: number;
 * }
 *
 * export const temperature = definePipeline('temperature', kinesis<Reading>(), {
 *   key: 'machineId',
 *   eventTime: 'measuredAt',
 *   windows: { minute: tumbling({ size: '1m' }, { max: max('celsius') }) },
 * }).to(table());
 * export const records = [{ machineId: 'pump', measuredAt: Date.UTC(2026, 0, 5, 12), celsius: 20 }];
 * ```
 */
export function definePipeline<Rec, Shapes extends { readonly [name: string]: PaneShape }>(
  name: string,
  source: Source<Rec>,
  options: Options<Rec, Shapes>,
): PipelineDefinition<PanesOf<Shapes>> {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new RangeError(
      `Cannot name a pipeline "${name}" as names must be 1 to 40 lower-case letters, digits and hyphens, ` +
        'a letter first',
    );
  }
  checkOptions(`define "${name}"`, options, OPTIONS);
  for (const step of ['key', 'eventTime'] as const) {
    const select: unknown = options[step];
    if (typeof select === 'function' || typeof select === 'string') continue;
    throw new TypeError(
      `Cannot define "${name}" as ${step} must be a field name, a path or a function: it is ${typeof select}`,
    );
  }
  const { key, eventTime, filter } = options;
  if (filter !== undefined && typeof filter !== 'function') {
    throw new TypeError(`Cannot define "${name}" as filter must be a function: it is ${typeof filter}`);
  }
  checkReadsNotItself(name, source);
  const windows = Object.entries<Window<never>>(options.windows ?? {});
  if (windows.length === 0)
    throw new RangeError(`Cannot define "${name}" as it must have at least one window`);
  for (const [window, recipe] of windows) {
    if (typeof recipe?.operator !== 'function') {
      throw new TypeError(
        `Cannot define window "${window}" as it must be made by a function such as rolling() or ` +
          `tumbling(): it is ${typeof recipe}`,
      );
    }
    if (!WINDOW_NAME.test(window)) {
      throw new RangeError(
        `Cannot name a window "${window}" as names must be 1 to 40 letters, digits, hyphens and ` +
          'underscores, a letter first',
      );
    }
  }

  const { version = 1 } = options;
  if (!Number.isInteger(version) || version < 1 || version > 1_000_000) {
    throw new RangeError(
      `Cannot define "${name}" as its version must be a whole number from 1 to 1,000,000: it is ${version}`,
    );
  }
  const { groups = source.groups, costly = false } = options;
  checkGroups(groups);
  if (typeof costly !== 'boolean') {
    throw new TypeError(`Cannot define "${name}" as costly must be true or false: it is ${typeof costly}`);
  }
  const maxLateness = options.maxLateness === undefined ? undefined : millis(options.maxLateness);
  const { ordered, retention } = source.lineage;
  if (!ordered && maxLateness !== undefined && maxLateness < (retention as Millis)) {
    throw new RangeError(
      `Cannot forget a key of "${name}" after "${options.maxLateness}" as its queue may give a record ` +
        'again for 14 days: maxLateness must be >= "14d"',
    );
  }
  if (options.idWithin !== undefined && source.identity === undefined) {
    throw new RangeError(
      `Cannot know records of "${name}" for "${options.idWithin}" as their source must have an id for ` +
        'idWithin: it has none',
    );
  }
  const allowedLateness = millis(options.allowedLateness ?? '0s');
  const time = {
    outOfOrderness: millis(options.outOfOrderness ?? '0s'),
    idleAfter: millis(options.idleAfter ?? '1m'),
    maxLateness,
    ...arrivalRulesOf(source),
  };
  const rulesOf = (recipes: typeof windows): KeyRules<unknown> => {
    const inputs = new Inputs<unknown>();
    const named = recipes.map(([window, recipe], at) => ({
      name: window,
      operator: recipe.operator({ allowedLateness, inputs, window: at }),
    }));
    return { time, inputs, windows: named, families: familiesOf(named) };
  };
  const rules = rulesOf(windows);
  const inOrder = new Set(rules.windows.flatMap(({ name, operator }) => (operator.ordered ? [name] : [])));
  const [first] = inOrder;
  if (first !== undefined && !ordered) {
    throw new RangeError(
      `Cannot define window "${first}" as rolling, batches and running windows follow the order of ` +
        `the source: a source of the kind ${source.kind} has none`,
    );
  }
  const definition: Pipeline<PanesOf<Shapes>> = {
    name,
    source,
    sinks: [],
    version,
    groups,
    allowedLateness,
    filter: filter as Pipeline['filter'],
    key: readerOf(key),
    eventTime: readerOf(eventTime),
    fields: { key: fieldOf(key), eventTime: fieldOf(eventTime) },
    reads:
      filter === undefined && source.steps.length === 0
        ? namedBy([key, eventTime, ...rules.inputs.all.map(({ select }) => select)])
        : undefined,
    rules,
    withoutOrder: () => rulesOf(windows.filter(([window]) => !inOrder.has(window))),
    maxFutureSkew: millis(options.maxFutureSkew ?? '1h'),
    maxPast: options.maxPast === undefined ? undefined : millis(options.maxPast),
    idWithin: millis(options.idWithin ?? '1d'),
  };
  if (!costly) checkPanes(name, windows);
  return {
    ...definition,
    to: (...sinks) => ({
      ...definition,
      sinks: checkSinks(
        name,
        sinks,
        windows.map(([window]) => window),
      ),
    }),
  };
}
