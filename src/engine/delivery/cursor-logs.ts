import { byKind } from '../../pipeline/kinds.ts';
import { type Sink, sinkName } from '../../pipeline/sinks.ts';
import type { LogEntry } from '../../ports/commit-log.ts';
import { messagesLog, objectsLog, rowsLog } from '../../wiring/names.ts';
import { decodeSinkCursor } from '../format/sink-cursor.ts';
import { decodeIntent } from './project-objects.ts';
import { decodeCovered } from './project-rows.ts';
import type { Cursors } from './stretch.ts';

/** The log in which a projector notes how far it has covered the panes of a pipeline. */
export interface CursorLog {
  readonly name: string;
  coveredBy(entry: LogEntry): Cursors;
}

/** Returns the log of the projector of a sink; undefined where the sink has none. */
export function cursorLogOf(pipeline: string, sink: Sink): CursorLog | undefined {
  const messages = (): CursorLog => ({
    name: messagesLog(pipeline, sinkName(sink)),
    coveredBy: (entry) => decodeSinkCursor(entry).covered,
  });
  return byKind<Sink, CursorLog | undefined>(sink, {
    table: () => ({ name: rowsLog(pipeline), coveredBy: (entry) => decodeCovered(entry).covered }),
    bucket: () => ({ name: objectsLog(pipeline), coveredBy: (entry) => decodeIntent(entry).covered }),
    notify: messages,
    stream: messages,
    push: () => undefined,
    sink: messages,
  });
}
