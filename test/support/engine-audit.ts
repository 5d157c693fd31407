import { gunzipSync } from 'node:zlib';
import type { MemoryPorts } from '../../src/adapters/memory/index.ts';
import { KeyState } from '../../src/core/key.ts';
import { isAfter, type Position } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { decodeGroup, decodePanes } from '../../src/engine/entry.ts';
import type { Group, GroupPane } from '../../src/engine/group.ts';
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
  const panes: GroupPane[] = [];
  const keys = new Map<string, KeyState>();
  const outcomes = new Map<SourceRecord, 'applied' | 'late' | 'poison'>();
  for (const { record, fate, reading } of [...truths.values()].flat()) {
    if (fate === 'poison') outcomes.set(record, 'poison');
    if (fate !== 'record' || reading === undefined) continue;
    const { key } = reading;
    const state = keys.get(key) ?? new KeyState(pipeline.rules);
    keys.set(key, state);
    const at = reading.at as EpochMillis;
    const selected = pipeline.rules.windows.map(({ operator }) => operator.select(reading));
    const emit = (pane: Omit<GroupPane, 'key'>) => panes.push({ ...pane, key });
    outcomes.set(record, state.apply({ at, arrival: record.arrival, selected }, emit));
  }
  for (const [key, state] of keys) state.idle(ports.clock.now(), (pane) => panes.push({ ...pane, key }));
  return { panes, outcomes };
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
    for (const [key, [, , watermark]] of keys) {
      must((watermarks.get(key) ?? watermark) <= watermark, `The watermark of ${key} never falls (${where})`);
      watermarks.set(key, watermark);
    }
    for (const { key, window, start, index, revision } of decodePanes(entry)) {
      const identity = JSON.stringify([key, window, index === undefined ? start : 'index']);
      const next = (revisions.get(identity) ?? -1) + 1;
      must((index ?? revision) === next, `Revisions follow each other (${where})`, () => ({
        identity,
        next,
      }));
      revisions.set(identity, next);
    }
  }
  for (const [lineage, all] of records) {
    const end = all.at(-1)?.position;
    must(reached.get(lineage) === end, `Group ${group} has taken in all of ${lineage}`, () => ({
      end,
      reached: reached.get(lineage),
    }));
  }
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
  const offer = (name: string, pane: GroupPane): void => {
    const other = rows.get(name);
    const [order, otherOrder] = [pane, other].map((one) => one && (one.index ?? one.end)) as [number, number];
    if (!other || order > otherOrder || (order === otherOrder && pane.revision > other.revision)) {
      rows.set(name, pane);
    }
  };
  for (const pane of expected) {
    offer(`${pipeline.name}#${pane.key}|${pane.window}#latest`, pane);
    if (pane.kind === 'rolling') continue;
    offer(`${pipeline.name}#${pane.key}|${pane.window}#${new Date(pane.start).toISOString()}`, pane);
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
