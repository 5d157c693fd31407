import type { PaneKind } from '../../core/panes.ts';
import type { EpochMillis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { LogEntry } from '../../ports/commit-log.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import { isNewer, type Row } from '../../ports/stores.ts';
import { pack, unpack } from '../format/packed.ts';
import type { Deployment } from '../group/deployment.ts';
import type { GroupPane } from '../group/group.ts';
import { mustRenew } from '../group/lifetimes.ts';
import { type Projector, type Step, stepOf, TO_BE_REPEATED } from './projector.ts';
import {
  beginnings,
  type Cursors,
  coveredWith,
  packCursors,
  packSkips,
  panesAfter,
  type ReadPorts,
  type Skip,
  unpackCursors,
  unpackSkips,
} from './stretch.ts';
import { identityOf, labelOf, writtenPane } from './written-pane.ts';

type RowPorts = ReadPorts & Pick<EnginePorts, 'rows'>;

/** The panes that a projector writes as rows, and where it notes how far it has come. */
export interface RowTarget {
  /** The log in which it notes its cursors. */
  readonly log: string;
  /** The logs of the groups whose panes are written. */
  readonly groupLogs: readonly string[];
}

/**
 * Writes the panes that are not yet covered as rows: each window under its start, each batch under its
 * ordinal, and the latest pane of each key and window.
 *
 * @param deadline the time at and after which nothing is read; the next wake-up continues
 */
export const rowsProjector = (
  ports: RowPorts,
  deployment: Deployment,
  target: RowTarget,
  deadline: EpochMillis,
): Projector => ({ log: target.log, step: () => stepRows(ports, deployment, target, deadline) });

/**
 * Writes the rows of a stretch, and then the cursor that covers them. A row only replaces an older one, so
 * that a step that is taken twice, or by two projectors at once, has the same result.
 */
async function stepRows(
  ports: RowPorts,
  deployment: Deployment,
  { log, groupLogs }: RowTarget,
  deadline: EpochMillis,
): Promise<Step> {
  const cover = (ordinal: number, covered: Cursors) =>
    ports.log.append(log, { ordinal, committedAt: ports.clock.now(), body: encodeCovered(covered) });
  const last = await ports.log.latest(log);
  if (last === undefined) {
    await cover(1, await beginnings(ports, deployment));
    return TO_BE_REPEATED;
  }
  const { covered } = decodeCovered(last);
  const { rowsStep } = ports.limits ?? LIMITS;
  const stretch = await panesAfter(ports, covered, groupLogs, rowsStep, deadline);
  const step = stepOf(stretch);
  if (!step.moved && !mustRenew(last.committedAt, ports.clock.now())) return step;
  await ports.rows.put(rowsOf(deployment.pipeline, stretch.panes));
  await cover(last.ordinal + 1, coveredWith(covered, stretch, deployment, ports.clock.now()));
  return step;
}

/** Encodes how far rows are written, and which entries were skipped on the way, as the body of an entry. */
export const encodeCovered = (covered: Cursors, skipped: readonly Skip[] = []): Uint8Array =>
  pack([packCursors(covered), packSkips(skipped)]);

/** Decodes the body that `encodeCovered` made. */
export function decodeCovered({ body }: Pick<LogEntry, 'body'>): {
  readonly covered: Cursors;
  readonly skipped: readonly Skip[];
} {
  const [covered, skipped] = unpack(body) as unknown as [
    ReturnType<typeof packCursors>,
    ReturnType<typeof packSkips>,
  ];
  return { covered: unpackCursors(covered), skipped: unpackSkips(skipped) };
}

/** The name under which the latest pane of a key and window is a row. */
export const LATEST = 'latest';

/** Returns the partition of the rows of a key. */
export const partitionOf = ({ name }: Pick<Pipeline, 'name'>, key: string): string => `${name}#${key}`;

/** Returns the rows of some panes. Of rows that replace one another, it returns only the last. */
export function rowsOf(pipeline: Pipeline, panes: readonly GroupPane[]): Row[] {
  const rows = new Map<string, Row>();
  for (const pane of panes) {
    const written = writtenPane(pipeline, pane);
    const partition = partitionOf(pipeline, pane.key);
    const offer = (name: string, order: number, settled: boolean): void => {
      const row = { partition, sort: `${labelOf(pane)}#${name}`, order, settled, pane: written };
      const place = `${row.sort}#${partition}`;
      const rival = rows.get(place);
      if (rival === undefined || isNewer(row, rival)) rows.set(place, row);
    };
    offer(LATEST, orderOf(pane), false);
    if (hasRow(pane)) offer(identityOf(pane), pane.revision, isSettled(pane));
  }
  return [...rows.values()];
}

/** Whether the next record of the key supersedes a pane of a kind. */
const IS_SUPERSEDED: { readonly [Kind in PaneKind]: boolean } = {
  final: false,
  late: false,
  early: false,
  empty: false,
  retracted: false,
  rolling: true,
  running: true,
};

/**
 * Whether a pane has a row besides that of the latest pane. Windows of time and batches do. A pane that the
 * next record supersedes does not, as such a row would not be worth its cost.
 */
const hasRow = ({ layout: { identity, ordered }, kind }: GroupPane): boolean =>
  identity === 'start' || (identity === 'index' && ordered && !IS_SUPERSEDED[kind]);

/** Whether the pane's row is the only one of its name: no earlier pane had it, and no later pane will. */
const isSettled = ({ revision, revisable }: GroupPane): boolean => revision === 0 && !revisable;

/**
 * Returns a number that grows with how late a pane is. Where the source has an order, the latest pane is the
 * last by that order; elsewhere it is the pane that ends last. A session that was retracted may end together
 * with the session that it became part of; of these two the latest is the one that starts first.
 */
function orderOf({ layout, identity, revision, end }: GroupPane): number {
  if (!layout.ordered) return end;
  return layout.identity === 'index' ? identity : revision;
}
