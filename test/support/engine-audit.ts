import { gunzipSync } from 'node:zlib';
import type { MemoryPorts } from '../../src/adapters/memory/index.ts';
import { KeyState } from '../../src/core/key.ts';
import { Panes } from '../../src/core/panes.ts';
import { isAfter, type Position } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { decodeGroup, decodeLedger, decodePanes } from '../../src/engine/entry.ts';
import { type Group, type GroupPane, listPanes } from '../../src/engine/group.ts';
import { writtenPane } from '../../src/engine/pane.ts';
import type { Pane, Pipeline } from '../../src/index.ts';
import type { LogEntry } from '../../src/ports/commit-log.ts';
import type { SourceRecord } from '../../src/ports/source.ts';
import type { Metric } from '../../src/ports/telemetry.ts';
import {
  groupLog,
  layoutLog,
  objectsLog,
  PANES_PREFIX,
  POISON_PREFIX,
  rowsLog,
} from '../../src/wiring/names.ts';
import type { Truth } from './engine-drawn.ts';
import type { Tally, World } from './engine-sim.ts';

class Violation extends Error {
  override readonly name = 'Violation';
}

function must(holds: boolean, rule: string, seen?: () => unknown): asserts holds {
  if (!holds) throw new Violation(seen ? `${rule}: ${JSON.stringify(seen(), null, 1)}` : rule);
}

/** Two lists, the same items as often in both. */
function mustMatch(seen: readonly string[], expected: readonly string[], rule: string): void {
  const left = new Map<string, number>();
  for (const one of expected) left.set(one, (left.get(one) ?? 0) + 1);
  for (const one of seen) left.set(one, (left.get(one) ?? 0) - 1);
  const wrong = [...left].filter(([, count]) => count !== 0);
  must(wrong.length === 0, rule, () =>
    wrong
      .slice(0, 6)
      .map(([one, count]) => `${count > 0 ? 'missing' : 'too much'} ${Math.abs(count)} × ${one}`),
  );
}

/** Holds a world in which nothing is left to do against what must have become of its records. */
export function audit(world: World): Pick<Tally, 'panes' | 'corrections'> {
  const expected = foldAtOnce(world);
  auditLogs(world, expected);
  auditObjects(world, expected.panes);
  auditRows(world, expected.panes);
  auditPoison(world);
  must(
    new Set(expected.panes.map((pane) => writtenPane(world.pipeline, pane).id)).size ===
      expected.panes.length,
    'No two panes have one id',
  );
  return {
    panes: expected.panes.length,
    corrections: expected.panes.filter(({ revision }) => revision > 0).length,
  };
}

/** What an answer promises, held against the logs at that moment. */
export function checkAnswer(
  pipeline: Pipeline,
  ports: MemoryPorts,
  batch: readonly Truth[],
  /** The place in the batch that the answer names. */
  named: number | undefined,
  counted: Readonly<Record<Metric, number>>,
  excused: boolean,
): void {
  const end = named ?? batch.length;
  must(end >= 0, 'An answer names a record of its batch');
  must(
    batch.slice(0, end).every((one) => isCommitted(pipeline, ports, one)),
    'Every record before the one that an answer names is committed',
  );
  if (named === undefined) {
    const { received, applied, duplicate, late, filtered, poison } = counted;
    must(
      received === applied + duplicate + late + filtered + poison,
      'Of a batch wholly committed, received = applied + duplicate + late + filtered + poison',
      () => counted,
    );
  } else must(excused, 'A batch that meets no fault is wholly committed', () => ({ named }));
}

function isCommitted(pipeline: Pipeline, { log }: MemoryPorts, { fate, group, record }: Truth): boolean {
  if (fate === 'filtered') return true;
  const entry = log.logs.get(groupLog(pipeline.name, group))?.at(-1);
  const position = entry && groupOfEntry(pipeline, entry).positions.get(record.lineage);
  return position !== undefined && !isAfter(record.position, position);
}

const decoded = new WeakMap<LogEntry, Group>();

function groupOfEntry(pipeline: Pipeline, entry: LogEntry): Group {
  const group = decoded.get(entry) ?? decodeGroup(pipeline, entry);
  decoded.set(entry, group);
  return group;
}

interface Expected {
  readonly panes: readonly GroupPane[];
  /** By the record's lineage and position. */
  readonly outcomes: ReadonlyMap<SourceRecord, 'applied' | 'late' | 'poison'>;
}

/** Each key's records in the order of their source, folded in one go, without batches, commits or entries. */
function foldAtOnce({ pipeline, ports, truths }: World): Expected {
  const { rules } = pipeline;
  const panes = new Panes(rules);
  const layouts = panes.layouts.map((layout, at) => ({
    ...layout,
    ordered: rules.windows[at]?.operator.ordered ?? false,
  }));
  const keys: string[] = [];
  const states: KeyState[] = [];
  const outcomes = new Map<SourceRecord, 'applied' | 'late' | 'poison'>();
  for (const { record, fate, reading } of [...truths.values()].flat()) {
    if (fate === 'poison') outcomes.set(record, 'poison');
    if (fate !== 'record' || reading === undefined) continue;
    if (!keys.includes(reading.key)) states[keys.push(reading.key) - 1] = new KeyState(rules);
    panes.key = keys.indexOf(reading.key);
    const at = reading.at as EpochMillis;
    const values = rules.inputs.read(reading);
    const state = states[panes.key] as KeyState;
    outcomes.set(record, state.apply({ at, arrival: record.arrival, values }, panes));
  }
  for (const [key, state] of states.entries()) {
    panes.key = key;
    state.idle(ports.clock.now(), panes);
  }
  return { panes: listPanes({ keys, layouts, tables: panes.tables }), outcomes };
}

function auditLogs({ pipeline, ports, truths }: World, { outcomes }: Expected): void {
  const { logs } = ports.log;
  for (const [name, entries] of logs) {
    must(
      entries.every(({ ordinal }, at) => ordinal === at + 1),
      `The ordinals of log ${name} are 1, 2, 3, …`,
    );
  }
  const groups = Array.from({ length: pipeline.groups }, (_, group) => group);
  const known = [
    ...groups.map((group) => groupLog(pipeline.name, group)),
    layoutLog(pipeline.name),
    rowsLog(pipeline.name),
  ];
  must(
    [...logs.keys()].every((name) => name === objectsLog(pipeline.name) || known.includes(name)),
    'No log but those of groups, projectors and the layout is written',
  );
  for (const group of groups) {
    const mine = new Map(
      [...truths].map(([lineage, all]) => [
        lineage,
        all.filter((one) => one.group === group && one.fate !== 'filtered').map(({ record }) => record),
      ]),
    );
    auditGroup(pipeline, group, logs.get(groupLog(pipeline.name, group)) ?? [], mine, outcomes);
  }
}

function auditGroup(
  pipeline: Pipeline,
  group: number,
  entries: readonly LogEntry[],
  records: ReadonlyMap<string, readonly SourceRecord[]>,
  outcomes: Expected['outcomes'],
): void {
  const watermarks = new Map<string, EpochMillis>();
  const revisions = new Map<string, number>();
  const reached = new Map<string, Position>();
  let before: Group['positions'] = new Map();
  for (const entry of entries) {
    const where = `group ${group}, entry ${entry.ordinal}`;
    const { positions, keys, counters } = groupOfEntry(pipeline, entry);
    for (const [lineage, position] of reached) {
      const now = positions.get(lineage);
      must(now !== undefined && !isAfter(position, now), `Positions never fall (${where})`);
    }
    for (const [lineage, position] of positions) reached.set(lineage, position);
    const taken = [...records].flatMap(([lineage, all]) => {
      const position = positions.get(lineage);
      return position === undefined ? [] : all.filter((one) => !isAfter(one.position, position));
    });
    const tallied = { applied: 0, late: 0, poison: 0 };
    for (const record of taken) tallied[outcomes.get(record) ?? 'applied']++;
    must(
      JSON.stringify(counters) === JSON.stringify(tallied),
      `A lineage's records up to its position, and no others, are taken in, each once (${where})`,
      () => ({ counters, tallied }),
    );
    for (const [key, { watermark }] of keys) {
      must((watermarks.get(key) ?? watermark) <= watermark, `The watermark of ${key} never falls (${where})`);
      watermarks.set(key, watermark);
    }
    for (const { key, window, identity, revision } of decodePanes(entry)) {
      const one = JSON.stringify([key, window, identity]);
      const next = (revisions.get(one) ?? -1) + 1;
      must(revision === next, `Revisions follow each other (${where})`, () => ({ one, next }));
      revisions.set(one, next);
    }
    auditLedger(entry, records, outcomes, before, positions, where);
    before = positions;
  }
  for (const [lineage, all] of records) {
    const end = all.at(-1)?.position;
    must(reached.get(lineage) === end, `Group ${group} has taken in all of ${lineage}`, () => ({
      end,
      reached: reached.get(lineage),
    }));
  }
}

/** The records that an entry moved past and did not take in are those that it lists. */
function auditLedger(
  entry: LogEntry,
  records: ReadonlyMap<string, readonly SourceRecord[]>,
  outcomes: Expected['outcomes'],
  before: Group['positions'],
  positions: Group['positions'],
  where: string,
): void {
  const { poison, late } = decodeLedger(entry);
  const named = ({ lineage, position }: Pick<SourceRecord, 'lineage' | 'position'>) =>
    `${lineage} ${position}`;
  const passed = [...records].flatMap(([lineage, all]) => {
    const [from, to] = [before.get(lineage), positions.get(lineage)];
    return all.filter(
      ({ position }) =>
        (from === undefined || isAfter(position, from)) && to !== undefined && !isAfter(position, to),
    );
  });
  for (const [listed, outcome] of [
    [poison, 'poison'],
    [late, 'late'],
  ] as const) {
    mustMatch(
      listed.map(named),
      passed.filter((record) => outcomes.get(record) === outcome).map(named),
      `An entry lists its ${outcome} records (${where})`,
    );
  }
  must(
    late.every(({ at, watermark }) => at < watermark),
    `A late record is behind its key's watermark (${where})`,
    () => late,
  );
}

const lineOf = (pipeline: Pipeline, pane: GroupPane): string => JSON.stringify(writtenPane(pipeline, pane));

function auditObjects({ pipeline, ports }: World, expected: readonly GroupPane[]): void {
  const seen: string[] = [];
  for (const [name, { body }] of ports.objects.stored) {
    if (!name.startsWith(PANES_PREFIX)) continue;
    const lines = gunzipSync(body).toString().trimEnd().split('\n');
    for (const line of lines) {
      const { end } = JSON.parse(line) as Pane;
      const inside = new Date(Date.parse(end) - 1).toISOString();
      const folder = `pipeline=${pipeline.name}/date=${inside.slice(0, 10)}/hour=${inside.slice(11, 13)}/`;
      must(
        name.startsWith(PANES_PREFIX + folder),
        'A pane is filed under the last hour of its window',
        () => [name, end],
      );
    }
    seen.push(...lines);
  }
  mustMatch(
    seen,
    expected.map((pane) => lineOf(pipeline, pane)),
    'The objects hold every pane exactly once',
  );
}

function auditRows({ pipeline, ports }: World, expected: readonly GroupPane[]): void {
  const rows = new Map<string, GroupPane>();
  const offer = (name: string, pane: GroupPane, ranks: (one: GroupPane) => readonly number[]): void => {
    const other = rows.get(name);
    if (other === undefined || isGreater(ranks(pane), ranks(other))) rows.set(name, pane);
  };
  for (const pane of expected) {
    const name = `${pipeline.name}#${pane.key}|${pane.window}`;
    offer(`${name}#latest`, pane, ranksOf(pane.window));
    if (['lastThree', 'trailing', 'running'].includes(pane.window)) continue;
    offer(`${name}#${pane.index ?? new Date(pane.identity).toISOString()}`, pane, ({ revision }) => [
      revision,
    ]);
  }
  const seen = [...ports.rows.stored].flatMap(([partition, sorts]) =>
    [...sorts].map(([sort, { pane }]) => `${partition}|${sort} ${JSON.stringify(pane)}`),
  );
  mustMatch(
    seen,
    [...rows].map(([name, pane]) => `${name} ${lineOf(pipeline, pane)}`),
    'The rows are the latest pane of each key and window, and the last of each closed window',
  );
}

/** By what the latest pane of a window is told, the first figure first. */
const ranksOf =
  (window: string) =>
  ({ identity, start, end, revision }: GroupPane): readonly number[] => {
    if (window === 'lastThree' || window === 'byThree') return [identity];
    return window === 'running' ? [revision] : [end, -start, revision];
  };

function isGreater(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((figure, place) => figure !== b[place]);
  return at >= 0 && (a[at] as number) > (b[at] as number);
}

function auditPoison({ ports, truths }: World): void {
  const kept = [...ports.objects.stored].filter(([name]) => name.startsWith(POISON_PREFIX));
  const poison = [...truths.values()].flat().filter(({ fate }) => fate === 'poison');
  mustMatch(
    kept.map(([name, { body }]) => `${name} ${Buffer.from(body).toString('base64')}`),
    poison.map(
      ({ record: { lineage, position, data } }) =>
        `${POISON_PREFIX}${lineage}/${position} ${Buffer.from(data).toString('base64')}`,
    ),
    'The bytes of every refused record are kept under its name',
  );
}
