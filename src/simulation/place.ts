import { positionOf, unorderedPositionOf } from '../core/position.ts';
import type { SourceKind } from './shapes.ts';
import type { Truth } from './truth.ts';

/** What streams, queues and topics are called. */
export const SOURCE_NAME = 'sim';

/** With what is encoded in its lineage's name. */
const groupName = (at: number): string => `g/${at}`;

/** How the handlers name the lineage of a shard, a message group or a partition. */
export function lineageOf(kind: SourceKind, at: number): string {
  switch (kind) {
    case 'kinesis':
      return `${SOURCE_NAME}/shardId-${String(at).padStart(12, '0')}`;
    case 'fifo':
      return `${SOURCE_NAME}.fifo/${encodeURIComponent(groupName(at))}`;
    case 'kafka':
      return `${SOURCE_NAME}/${at}`;
    case 'sqs':
      return SOURCE_NAME;
  }
}

/**
 * Where a record stands.
 *
 * @param at its lineage
 * @param index its place in the lineage, from 0
 * @param ordinal its place among all records, from 0
 */
export function placeOf(
  kind: SourceKind,
  at: number,
  index: number,
  ordinal: number,
): Pick<Truth, 'lineage' | 'position' | 'partitionKey'> {
  const lineage = lineageOf(kind, at);
  if (kind === 'sqs') {
    const position = unorderedPositionOf(`m-${ordinal}`);
    return { lineage, position, partitionKey: position };
  }
  const partitionKey = kind === 'fifo' ? groupName(at) : `${at}/p${index % 5}`;
  return { lineage, position: positionOf(String(index + 1)), partitionKey };
}
