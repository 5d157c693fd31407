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

/** Which panes go to rows. */
export interface RowTarget {
  /** The log of the cursors. */
  readonly log: string;
  /** The logs of the groups whose panes are written. */
  readonly groupLogs: readonly string[];
}

/**
 * Writes the panes not yet covered as rows: each window under its start, each batch under its ordinal, and per key and
 * window the latest pane.
 *
 * @param deadline nothing is read at or after it: the next wake-up goes on
 */
export const rowsProjector = (
  ports: RowPorts,
  deployment: Deployment,
  target: RowTarget,
  deadline: EpochMillis,
): Projector => ({ log: target.log, step: () => stepRows(ports, deployment, target, deadline) });

/**
 * Rows are written before the cursor that covers them, and only over older ones, so that a step done twice, or by two
 * at once, comes to the same.
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

/** How far rows are written, as an entry of their log, and what was skipped on the way there. */
export const encodeCovered = (covered: Cursors, skipped: readonly Skip[] = []): Uint8Array =>
  pack([packCursors(covered), packSkips(skipped)]);

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

const LATEST = 'latest';

/** The rows of some panes; of those that replace one another only the last. */
export function rowsOf(pipeline: Pipeline, panes: readonly GroupPane[]): Row[] {
  const rows = new Map<string, Row>();
  for (const pane of panes) {
    const written = writtenPane(pipeline, pane);
    const partition = `${pipeline.name}#${pane.key}`;
    const offer = (name: string, order: number, settled: boolean): void => {
      const row = { partition, sort: `${labelOf(pane)}#${name}`, order, settled, pane: written };
      const place = `${row.sort}#${partition}`;
      const other = rows.get(place);
      if (other === undefined || isNewer(row, other)) rows.set(place, row);
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

/** Windows and batches have rows of their own. A pane that the next record supersedes is worth its cost only as the latest. */
const hasRow = ({ layout: { identity, ordered }, kind }: GroupPane): boolean =>
  identity === 'start' || (identity === 'index' && ordered && !IS_SUPERSEDED[kind]);

/** Nothing was ever written under its name, nor will be. */
const isSettled = ({ revision, revisable }: GroupPane): boolean => revision === 0 && !revisable;

/**
 * The latest pane is the last one by the order of the source, or the one that ends last: of a session that was retracted and
 * the one that it became part of, which may end together, that is the one that starts first.
 */
function orderOf({ layout, identity, revision, end }: GroupPane): number {
  if (!layout.ordered) return end;
  return layout.identity === 'index' ? identity : revision;
}
