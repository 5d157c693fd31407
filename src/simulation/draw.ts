import type { Aggregates } from '../core/aggregate.ts';
import { defineAggregate } from '../core/aggregates/define.ts';
import type { Plain } from '../core/plain.ts';
import type { Emit } from '../core/window.ts';
import {
  anomaly,
  batches,
  collect,
  count,
  definePipeline,
  derivative,
  ewmaBand,
  integral,
  last,
  max,
  mean,
  min,
  type Pane,
  type Pipeline,
  quantile,
  rolling,
  running,
  session,
  sliding,
  slope,
  sum,
  trailing,
  tumbling,
} from '../index.ts';
import type { PaneShape, Window } from '../pipeline/windows.ts';
import { LIMITS, type Limits } from '../ports/limits.ts';
import { drawLineages, placedAt } from './draw-records.ts';
import {
  BAD,
  type Drawn,
  type DrawnReading,
  drawForm,
  drawnSource,
  type Extent,
  type Form,
  HABITS,
  isOrdered,
  kindOf,
  READS_FIELDS,
  type SOURCES,
} from './draw-source.ts';
import type { Random } from './random.ts';
import { keepingAll, type SentKind, SINKS } from './shapes.ts';
import type { Case } from './truth.ts';

/** Joins the tags of a window to one text. */
const tags = defineAggregate<DrawnReading, (reading: DrawnReading) => string, string, string>({
  name: 'tags',
  select: ({ tag }) => tag,
  identity: '',
  lift: (tag) => {
    if (tag === BAD) throw new Error('a bad tag');
    return `${tag} `;
  },
  combine: (earlier, later) => earlier + later,
  lower: (all) => all,
});

interface AnyShape extends PaneShape {
  readonly results: Pane['results'];
}

const ORDERED_WINDOWS = ['rolling', 'batches', 'running'];

type Windows = { readonly [name: string]: Window<DrawnReading, AnyShape> };

type Made = Aggregates<DrawnReading, { readonly [name: string]: Plain }>;

/** What each window makes of its records; `rolling` makes one of several things. */
interface MadeBy
  extends Readonly<Record<'tumbling' | 'sliding' | 'session' | 'batches' | 'trailing' | 'running', Made>> {
  readonly rolling: readonly (readonly [count: number, made: Made])[];
}

const OF_TEXTS: MadeBy = {
  tumbling: { n: count(), sum: sum('value'), tags: collect('tag') },
  sliding: { mean: mean('value'), max: max('value'), last: last('tag') },
  session: { n: count(), tags },
  rolling: [
    [3, { mean: mean('value'), max: max('value') }],
    [3, { mean: mean('value'), last: last('tag') }],
    [2, { mean: mean('value'), tags }],
  ],
  batches: { sum: sum('value'), tags },
  trailing: { n: count(), max: max('value') },
  running: { n: count(), sum: sum('value') },
};

/**
 * Aggregates of named fields: of numbers alone, and of texts that some records lack. In each of these some keep cells, and
 * some a part for each key and window.
 */
const OF_FIELDS: readonly Made[] = [
  { sum: sum('value'), median: quantile('value', 0.5) },
  { mean: mean('value'), band: ewmaBand('value', { halfLife: '30s', atLeast: 2 }) },
  { max: max('value'), change: derivative('value'), n: count() },
  { total: integral('value'), least: min('more.second', { invalid: 'skip' }) },
  { slope: slope('value'), ends: quantile('more.second', [0, 1], { invalid: 'skip' }) },
  { second: mean('more.second', { invalid: 'keep' }), judged: anomaly('value', { atLeast: 2 }) },
  { tags: collect('tag', { invalid: 'skip' }), mean: mean('value') },
];

function drawMade(random: Random): MadeBy {
  const some = () => random.pick(OF_FIELDS);
  return {
    // It needs what any version needs: see `LASTING`.
    tumbling: { ...some(), sum: sum('value') },
    sliding: some(),
    session: some(),
    rolling: [
      [3, some()],
      [2, some()],
    ],
    batches: some(),
    trailing: some(),
    running: some(),
  };
}

/** Draws every possible window, with some settings: of named fields where there is a generator to draw what they make. */
function drawWindows(random: Random, kind: SentKind, fields: Random | undefined): Windows {
  const made = fields ? drawMade(fields) : OF_TEXTS;
  const emit = () => random.pick(['close', 'close', 'record', 'update'] as const);
  const all: { readonly [name: string]: Window<DrawnReading> } = {
    tumbling: tumbling(
      {
        size: random.pick(['60s', '60s', '30s'] as const),
        emit: emit(),
        // This is rare, as a thousand empty windows follow each key.
        emitEmpty: random.chance(0.005),
      },
      made.tumbling,
    ),
    sliding: drawSliding(random.pick(['0s', '7s'] as const), emit(), made.sliding),
    session: session({ gap: random.pick(['8s', '40s'] as const), emit: emit() }, made.session),
    rolling: random.pick(made.rolling.map(([count, aggregates]) => rolling({ count }, aggregates))),
    batches: batches({ count: random.pick([3, 3, 2]) }, made.batches),
    trailing: trailing({ size: random.pick(['20s', '50s'] as const) }, made.trailing),
    running: running({ emit: random.pick(['record', 'update'] as const) }, made.running),
  };
  const possible = Object.entries(all).filter(([name]) => isOrdered(kind) || !ORDERED_WINDOWS.includes(name));
  return Object.fromEntries(possible) as Windows;
}

/** Windows that may keep their slices with others, by these, which are shorter. */
const LONGER = new WeakMap<Window<DrawnReading>, Windows[string]>();

function drawSliding(offset: '0s' | '7s', emit: Emit, made: Made): Window<DrawnReading> {
  const grid = { slide: '30s', offset } as const;
  const shorter: Window<DrawnReading> = sliding({ ...grid, size: '90s', emit }, made);
  LONGER.set(shorter, sliding({ ...grid, size: '150s' }, made) as Windows[string]);
  return shorter;
}

/** The window that every version has, so that the same records are poison in all of them. */
const LASTING = 'tumbling';

/**
 * The window that every version of a source without order keeps as it is. It remembers the ids of records
 * longest; without it, a forgotten record could be taken in again by a window that begins anew.
 */
const LONGEST = 'sliding';

/** Drops some windows, adds some, gives some other settings, and leaves the others as they are. */
function changed(random: Random, kind: SentKind, fields: Random | undefined, windows: Windows): Windows {
  const next = Object.entries(drawWindows(random, kind, fields)).flatMap(([name, drawn]) => {
    const before = windows[name];
    if (before && (random.chance(0.6) || (name === LONGEST && !isOrdered(kind))))
      return [[name, before] as const];
    return name === LASTING || random.chance(0.4) ? [[name, drawn] as const] : [];
  });
  return Object.fromEntries(random.chance(0.1) ? random.shuffled(next) : next);
}

/** Sets apart what is drawn of longer windows, so that all else of a seed is drawn as without them. */
const LENGTHENS = 0x1f83_d9ab;

/** The same key and event time, read in either way. */
const SELECTORS = [
  { key: 'key', eventTime: 'at' },
  { key: ({ key }: DrawnReading) => key, eventTime: ({ at }: DrawnReading) => at },
] as const;

/**
 * Draws a pipeline with so few key groups that lineages meet in them. Now and then its definition changes
 * while it runs.
 */
export function drawVersions(
  random: Random,
  kind: SentKind,
  form: Form,
  source: Pipeline['source'] = drawnSource(kind, form),
): Case['versions'] {
  const times = {
    outOfOrderness: random.pick(['0s', '10s'] as const),
    idleAfter: random.pick(['20s', '1m'] as const),
    ...(random.chance(0.7) ? { maxLateness: HABITS[kind].maxLateness } : {}),
  };
  const groups = random.pick([1, 2, 2, 4]);
  const idWithin = form.isIdentified ? random.pick(['10s', '40s', '1d'] as const) : undefined;
  const drawLateness = () => random.pick(['0s', '45s', '3m', '3m'] as const);
  let allowedLateness = drawLateness();
  const fields = form.readsFields ? random.aside(READS_FIELDS) : undefined;
  // Some versions that read fields by name give way to others that are given the whole record.
  const takesTurns = fields === undefined || fields.chance(0.25);
  const define = (windows: Windows, version: number): Pipeline => ({
    ...keepingAll(
      definePipeline('sim', source as typeof SOURCES.kinesis, {
        // A filter is given the whole record.
        ...(fields ? {} : { filter: ({ skip }: DrawnReading) => !skip }),
        // Versions take turns. A draw for it would change all that follows in each seed.
        ...(SELECTORS[takesTurns ? (version + groups) % 2 : 0] as (typeof SELECTORS)[number]),
        ...times,
        ...(idWithin === undefined ? {} : { idWithin }),
        allowedLateness,
        groups,
        version,
        windows,
      }),
    ),
    sinks: Object.values(SINKS).flat(),
  });
  const versions = random.pick([1, 1, 2, 3]);
  const needed = !isOrdered(kind) && versions > 1 ? [LASTING, LONGEST] : [LASTING];
  const first = Object.fromEntries(
    Object.entries(drawWindows(random, kind, fields)).filter(
      ([name]) => needed.includes(name) || random.chance(0.4),
    ),
  );
  // What is drawn of longer windows is drawn aside, too. Those of a source without order stay, as the ids do.
  const aside = random.aside(LENGTHENS);
  const lengthens = aside.chance(0.5);
  const lengthened = (windows: Windows): Windows => {
    const longer = windows[LONGEST] && LONGER.get(windows[LONGEST]);
    const isLengthened = isOrdered(kind) ? aside.chance(0.5) : lengthens;
    return longer && isLengthened ? { ...windows, longer } : windows;
  };
  const drawn: [Pipeline, ...Pipeline[]] = [define(lengthened(first), 1)];
  let windows = first;
  while (drawn.length < versions) {
    // Some go back to the first definition, so that what has changed begins anew once more.
    windows = drawn.length > 1 && random.chance(0.4) ? first : changed(random, kind, fields, windows);
    if (isOrdered(kind) && random.chance(0.15)) allowedLateness = drawLateness();
    drawn.push(define(lengthened(windows), drawn.length + 1));
  }
  return drawn;
}

/** Draws a pipeline, and the records of its source. */
export function drawCase(random: Random, simulated: Drawn, extent?: Extent): Case {
  const kind = kindOf(simulated);
  const form = drawForm(random, simulated);
  const versions = drawVersions(random, kind, form);
  return {
    versions,
    lineages: drawLineages(random, versions, kind, extent ?? HABITS[kind], form),
    isBounded: true,
    limits: random.chance(0.4) ? drawLimits(random, versions, kind) : undefined,
    resent: (truth, place, arrival) => ({ ...placedAt(truth, place), arrival }),
  };
}

/** Draws bounds so small that groups hold only some keys, and that panes and lists take several entries. */
function drawLimits(random: Random, versions: Case['versions'], kind: SentKind): Limits {
  // Where a record's panes take entries of their own, time has passed before the record is in. Another
  // version that takes it in, or another lineage of its key that comes first, would notice that.
  const isAlone = versions.length === 1 && HABITS[kind].keepsKeys;
  const newKeys = random.pick([random.whole(50, 3_000), LIMITS.newKeys]);
  return {
    ...LIMITS,
    newKeys,
    crowded: newKeys / 2,
    // Of groups that have little room, an environment caches the last few or none.
    kept: newKeys,
    // Any pane fits by itself, so that no results are left out.
    panes: isAlone ? random.pick([2_000, LIMITS.panes]) : LIMITS.panes,
    lists: random.pick([200, LIMITS.lists]),
    poison: random.pick([4_000, LIMITS.poison]),
  };
}
