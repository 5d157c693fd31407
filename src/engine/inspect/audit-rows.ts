import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Sink } from '../../pipeline/sinks.ts';
import type { LogEntry } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { Reading, StoredRow } from '../../ports/reading.ts';
import { isNewer, type Ranked, type Row } from '../../ports/stores.ts';
import { partitionOf, rowsOf } from '../delivery/project-rows.ts';
import { BEGINNING, type Cursor, type Cursors, type Skip } from '../delivery/stretch.ts';
import type { GroupEntry } from '../format/read-entry.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import type { GroupPane } from '../group/group.ts';
import { digestOfPlain, type Findings } from './audit-findings.ts';
import { type AuditPorts, walkLog } from './audit-logs.ts';

/** How far a projector has come, and from where. */
export interface Coverage {
  readonly sink: Sink;
  /** The log that says so. */
  readonly log: string;
  readonly covered: Cursors;
  /** Where it began; undefined where the entry that says so has expired, together with all before it. */
  readonly from: Cursors | undefined;
  /** What it skipped, as far as its remaining entries say. */
  readonly skipped: readonly Skip[];
}

/**
 * Says whether an entry continues a projector's log of which all entries had expired: such an entry has
 * skips.
 */
export const beginsAnew = ({ skipped }: { readonly skipped: readonly Skip[] }): boolean => skipped.length > 0;

/** What an entry of a projector's log says. */
interface Noted {
  readonly covered: Cursors;
  readonly skipped: readonly Skip[];
}

/** Reads the log of a projector that notes cursors, and checks that they never go back. */
export async function auditCursors(
  ports: AuditPorts,
  deployment: Deployment,
  { sink, log, decode }: { readonly sink: Sink; readonly log: string; decode(entry: LogEntry): Noted },
  findings: Findings,
): Promise<Coverage> {
  let covered: Cursors = new Map();
  let from: Cursors | undefined;
  const skipped: Skip[] = [];
  for await (const { entry, content, before } of walkLog(ports, log, decode, findings, {
    beginsAnew,
  })) {
    if (content === undefined) continue;
    const { covered: next } = content;
    skipped.push(...content.skipped);
    if (before === 'nothing') from = next;
    for (const of of groupLogsOf(deployment, entry.committedAt)) {
      if (!isBefore(next.get(of) ?? BEGINNING, covered.get(of) ?? BEGINNING)) continue;
      findings.add({ kind: 'cursor', log, ordinal: entry.ordinal, of });
    }
    covered = next;
  }
  return { sink, log, covered, from, skipped };
}

export const isBefore = (a: Cursor, b: Cursor): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);

/** A row as it was offered: what decides whether it is newer, and a digest of what it holds. */
interface Offer extends Ranked {
  readonly digest: string;
}

/**
 * What may stand under one name: the newest row that must have been written, and every row that may have been
 * since.
 */
interface Expected {
  newest: Offer | undefined;
  ahead: Offer[];
}

/**
 * The rows of some keys, by partition and sort. They take about 400 bytes for each row of which the logs have
 * panes.
 */
export class KeyRows {
  readonly #pipeline: Pipeline;
  readonly #reader: Reading['rows'];
  readonly #coverage: Coverage;
  readonly #expected = new Map<string, Map<string, Expected>>();

  constructor(pipeline: Pipeline, reader: Reading['rows'], coverage: Coverage) {
    this.#pipeline = pipeline;
    this.#reader = reader;
    this.#coverage = coverage;
  }

  /** Takes in the next entry of a log. The panes of a key's earlier generation come first. */
  take(log: string, { ordinal, panes }: Pick<GroupEntry, 'ordinal' | 'panes'>): void {
    const { from, covered, skipped } = this.#coverage;
    const isSkipped = skipped.some((skip) => skip.log === log && ordinal > skip.from && ordinal <= skip.to);
    if (ordinal <= (from?.get(log) ?? BEGINNING)[0]) return;
    const [whole, part] = covered.get(log) ?? BEGINNING;
    // A skipped entry may have been written in part before.
    const done = isSkipped ? 0 : ordinal <= whole ? panes.length : ordinal === whole + 1 ? part : 0;
    this.#offer(panes.slice(0, done), (expected, row) => {
      if (expected.newest === undefined || isNewer(row, expected.newest)) expected.newest = row;
    });
    // Each pane is offered by itself, as a projector may have stopped after any of them.
    for (const pane of panes.slice(done)) this.#offer([pane], (expected, row) => expected.ahead.push(row));
  }

  /** Returns the rows of a partition of which the log has panes, by sort. */
  ofPartition(partition: string): ReadonlyMap<string, Expected> {
    return this.#expected.get(partition) ?? new Map();
  }

  #offer(panes: readonly GroupPane[], take: (expected: Expected, row: Offer) => void): void {
    for (const row of rowsOf(this.#pipeline, panes)) {
      const sorts = this.#expected.get(row.partition) ?? new Map<string, Expected>();
      this.#expected.set(row.partition, sorts);
      const expected = sorts.get(row.sort) ?? { newest: undefined, ahead: [] };
      sorts.set(row.sort, expected);
      take(expected, this.#offerOf(row));
    }
  }

  #offerOf(row: Row): Offer {
    const { start, revision } = row.pane;
    const { pane } = this.#reader.asStored(row);
    return { order: row.order, pane: { start, revision }, digest: digestOfPlain([row.order, pane]) };
  }
}

/** How many rows were compared with the log, and how many hold what has expired from it. */
export interface RowCounts {
  checked: number;
  unverified: number;
}

/**
 * Compares the rows of some keys with the panes of their groups.
 *
 * @param isWhole whether no entry of the logs is missing: a row of which they have no pane then has no origin
 * @param catchUp takes in what was committed since the logs were read, as a row may be newer
 */
export async function auditRows(
  { reading }: AuditPorts,
  pipeline: Pipeline,
  keys: Iterable<string>,
  rows: KeyRows,
  isWhole: boolean,
  catchUp: () => Promise<void>,
  findings: Findings,
): Promise<RowCounts> {
  const counts: RowCounts = { checked: 0, unverified: 0 };
  await inParallel([...keys], async (key) => {
    const partition = partitionOf(pipeline, key);
    const found = new Set<string>();
    for await (const stored of reading.rows.ofPartition(partition)) {
      found.add(stored.sort);
      let verdict = verdictOn(stored, rows.ofPartition(partition).get(stored.sort), isWhole);
      if (verdict === 'unknown' || verdict === 'differing') {
        await catchUp();
        verdict = verdictOn(stored, rows.ofPartition(partition).get(stored.sort), isWhole);
      }
      if (verdict === 'unverified') counts.unverified++;
      else counts.checked++;
      if (verdict === 'unknown') findings.add({ kind: 'unknown-row', partition, row: stored.sort });
      if (verdict === 'differing') findings.add({ kind: 'differing-row', partition, row: stored.sort });
    }
    for (const [row, { newest }] of rows.ofPartition(partition)) {
      if (newest === undefined || found.has(row)) continue;
      findings.add({ kind: 'missing-row', partition, row });
    }
  });
  return counts;
}

function verdictOn(
  stored: StoredRow,
  expected: Expected | undefined,
  isWhole: boolean,
): 'right' | 'differing' | 'unknown' | 'unverified' {
  if (expected === undefined) return isWhole ? 'unknown' : 'unverified';
  const digest = digestOfPlain([stored.order, stored.pane]);
  const { newest, ahead } = expected;
  if ([newest, ...ahead].some((offer) => offer?.digest === digest)) return 'right';
  // The pane of a newer row may have expired, as the last pane to be emitted need not have the latest end.
  const mayHaveExpired = !isWhole && (newest === undefined || isNewer(stored, newest));
  return mayHaveExpired ? 'unverified' : 'differing';
}
