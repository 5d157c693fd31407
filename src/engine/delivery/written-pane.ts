import type { Results } from '../../core/aggregate.ts';
import type { Plain } from '../../core/plain.ts';
import { type EpochMillis, isoTime } from '../../core/time.ts';
import type { Pane, Pipeline } from '../../pipeline/pipeline.ts';
import type { GroupPane } from '../group/group.ts';

/** Returns a pane as sinks write it. */
export function writtenPane(pipeline: Pipeline, pane: GroupPane): Pane {
  const key = encodeURIComponent(pane.key);
  // The fields are assigned one by one, in the order in which they are written: spreading takes several times
  // as long.
  const written = {
    id: `${pipeline.name}/${key}/${labelOf(pane)}/${identityOf(pane)}/${pane.revision}`,
    pipeline: pipeline.name,
    key: pane.key,
    window: pane.window,
    start: isoTime(pane.start),
    end: isoTime(pane.end),
    revision: pane.revision,
    kind: pane.kind,
  } as { -readonly [Field in keyof Pane]: Pane[Field] };
  if (pane.index !== undefined) written.index = pane.index;
  written.results = pane.results && writtenResults(pane.results);
  written.count = pane.count;
  written.watermark = isoTime(pane.watermark);
  return written;
}

/**
 * Returns the name of a pane's window, with the version in which it began if another window had that name
 * before.
 */
export const labelOf = ({ window, layout }: GroupPane): string =>
  layout.epoch === 0 ? window : `${window}@${layout.epoch}`;

/** Returns what tells a pane's window apart from the other windows of its key and name. */
export function identityOf({ identity, layout }: GroupPane): string {
  if (layout.identity === 'none') return 'all';
  return layout.identity === 'start' ? isoTime(identity as EpochMillis) : String(identity);
}

/** Writes NaN and the infinities as null, as JSON does, so that every sink shows the same. */
const writtenResults = (results: Results): Results =>
  Object.values(results).every(isWritten)
    ? results
    : Object.fromEntries(Object.entries(results).map(([name, value]) => [name, written(value)]));

/** Whether a value is sure to be written as it is. An object or a list is not, as it may hold NaN. */
const isWritten = (value: Plain): boolean =>
  typeof value === 'number' ? Number.isFinite(value) : value === null || typeof value !== 'object';

function written(value: Plain): Plain {
  if (isWritten(value)) return value;
  if (typeof value === 'number') return null;
  return Array.isArray(value) ? value.map(written) : writtenResults(value as Results);
}
