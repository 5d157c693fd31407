import type { Sink } from '../../pipeline/sinks.ts';
import type { LogEntry } from '../../ports/commit-log.ts';
import { objectsLog, rowsLog } from '../../wiring/names.ts';
import { decodeIntent } from './project-objects.ts';
import { decodeCovered } from './project-rows.ts';
import type { Cursors } from './stretch.ts';

/** The log in which a projector notes how far it has covered the panes of a pipeline. */
interface CursorLog {
  name(pipeline: string): string;
  coveredBy(entry: LogEntry): Cursors;
}

/** For each kind of sink, the log of its projector. */
export const CURSOR_LOGS: { readonly [Kind in Sink['kind']]: CursorLog } = {
  table: { name: rowsLog, coveredBy: (entry) => decodeCovered(entry).covered },
  bucket: { name: objectsLog, coveredBy: (entry) => decodeIntent(entry).covered },
};
