import { isoTime } from '../core/time.ts';
import type { Pane, Pipeline } from '../pipeline/pipeline.ts';
import type { GroupPane } from './group.ts';

/** A pane as it is written. */
export function writtenPane(pipeline: Pipeline, pane: GroupPane): Pane {
  const key = encodeURIComponent(pane.key);
  return {
    id: `${pipeline.name}/${key}/${pane.window}/${identityOf(pane)}/${pane.revision}`,
    pipeline: pipeline.name,
    key: pane.key,
    window: pane.window,
    start: isoTime(pane.start),
    end: isoTime(pane.end),
    revision: pane.revision,
    kind: pane.kind,
    ...(pane.index === undefined ? {} : { index: pane.index }),
    results: pane.results,
    count: pane.count,
    watermark: isoTime(pane.watermark),
  };
}

/** Which of its key's windows of one name a pane is of: the window's start, or a rolling pane's record. */
export const identityOf = (pane: GroupPane): string =>
  pane.index === undefined ? isoTime(pane.start) : String(pane.index);
