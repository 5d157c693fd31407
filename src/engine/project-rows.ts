import type { EpochMillis } from '../core/time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Ports } from '../ports/index.ts';
import { isNewer, type Row } from '../ports/stores.ts';
import { rowsLog } from '../wiring/names.ts';
import { mustRenew, pack, unpack } from './entry.ts';
import type { GroupPane } from './group.ts';
import { identityOf, writtenPane } from './pane.ts';
import { beginnings, type Cursors, packCursors, panesAfter, unpackCursors } from './unprojected.ts';

/** Panes of one step: some seconds of conditional puts. */
const STEP_PANES = 4_000;

/**
 * Writes the panes not yet covered as rows: each window under its start, each batch under its ordinal, and per key and
 * window the latest pane.
 *
 * Rows are written before the cursor that covers them, and only over older ones, so that a step done twice, or by two
 * at once, comes to the same.
 *
 * @param deadline no step is begun at or after it: the next wake-up goes on
 */
export async function projectRows(
  { log, rows, clock }: Pick<Ports, 'log' | 'rows' | 'clock'>,
  pipeline: Pipeline,
  groups: readonly number[],
  deadline: EpochMillis,
): Promise<void> {
  const name = rowsLog(pipeline.name);
  const cover = (ordinal: number, covered: Cursors) =>
    log.append(name, { ordinal, committedAt: clock.now(), body: pack(packCursors(covered)) });
  while (clock.now() < deadline) {
    const last = await log.latest(name);
    if (last === undefined) {
      await cover(1, await beginnings(log, pipeline, clock.now()));
      continue;
    }
    const covered: Cursors = unpackCursors(unpack(last.body) as never);
    const stretch = await panesAfter(log, pipeline, covered, groups, STEP_PANES);
    if (stretch.to.size === 0 && !mustRenew(last, clock.now())) return;
    await rows.put(rowsOf(pipeline, stretch.panes));
    await cover(last.ordinal + 1, new Map([...covered, ...stretch.to]));
  }
}

const LATEST = 'latest';

/** The rows of some panes; of those that replace one another only the last. */
function rowsOf(pipeline: Pipeline, panes: readonly GroupPane[]): Row[] {
  const rows = new Map<string, Row>();
  for (const pane of panes) {
    const written = writtenPane(pipeline, pane);
    const partition = `${pipeline.name}#${pane.key}`;
    const offer = (name: string, order: number, settled: boolean): void => {
      const row = { partition, sort: `${pane.window}#${name}`, order, settled, pane: written };
      const place = `${row.sort}#${partition}`;
      const other = rows.get(place);
      if (other === undefined || isNewer(row, other)) rows.set(place, row);
    };
    offer(LATEST, orderOf(pane), false);
    if (hasRow(pane)) offer(identityOf(pane), pane.revision, isSettled(pane));
  }
  return [...rows.values()];
}

/** Windows and batches have rows of their own. A pane that the next record supersedes is worth its cost only as the latest. */
const hasRow = ({ layout: { identity, ordered }, kind }: GroupPane): boolean =>
  identity === 'start' || (identity === 'index' && ordered && kind !== 'rolling');

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
