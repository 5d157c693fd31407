import { type Position, positionOf, unorderedPositionOf } from '../core/position.ts';
import type { SourceKind } from './shapes.ts';
import type { Place } from './truth.ts';

/** What streams, queues and topics are called. */
export const SOURCE_NAME = 'sim';

/** With what is encoded in its lineage's name. */
const groupName = (at: number): string => `g/${at}`;

/** How the handlers name the lineage of a shard, a message group or a partition. */
export function lineageNamed(kind: SourceKind, at: number): string {
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
export function placeOf(kind: SourceKind, at: number, index: number, ordinal: number): Place {
  const lineage = lineageNamed(kind, at);
  if (kind === 'sqs') return messageAt(lineage, `m-${ordinal}`);
  const partitionKey = kind === 'fifo' ? groupName(at) : `${at}/p${index % 5}`;
  // Between those of a queue there is room for what is moved back.
  return {
    lineage,
    position: positionOf(String((index + 1) * (kind === 'fifo' ? 1_000 : 1))),
    partitionKey,
  };
}

function messageAt(lineage: string, id: string): Place {
  const position = unorderedPositionOf(id);
  return { lineage, position, partitionKey: position };
}

/**
 * Where a message stands that is moved back from a dead-letter queue: for its queue it is another one, after all that are there.
 *
 * @param last of the lineage, where it has an order
 */
export const placeAgain = ({ lineage, position, partitionKey }: Place, last: Position | undefined): Place =>
  last === undefined
    ? messageAt(lineage, `${position}-again`)
    : { lineage, position: positionOf(String(BigInt(last) + 1n)), partitionKey };
