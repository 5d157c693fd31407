import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { RecordRange } from '../../ports/telemetry.ts';

/**
 * The most lineages that a log line lists. A batch of a FIFO queue or a topic may hold records of
 * thousands.
 */
const MAX_RANGES = 10;

/**
 * Describes records without their keys, for a log line: for each lineage their number, the first and the
 * last, in order.
 */
export function rangesOf(
  { source }: Pick<Pipeline, 'source'>,
  records: readonly Pick<SourceRecord, 'lineage' | 'position'>[],
): readonly RecordRange[] {
  const { namedByProducers } = source.lineage;
  const ranges = new Map<string, RecordRange>();
  for (const { lineage: whole, position } of records) {
    const lineage = namedByProducers ? whole.slice(0, whole.indexOf('/')) : whole;
    const { count, first } = ranges.get(lineage) ?? { count: 0, first: position };
    ranges.set(lineage, { lineage, count: count + 1, first, last: position });
  }
  return [...ranges.values()].slice(0, MAX_RANGES);
}
