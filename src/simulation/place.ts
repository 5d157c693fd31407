import { type Position, positionOf, unorderedPositionOf } from '../core/position.ts';
import type { SourceKind } from './shapes.ts';
import type { Place } from './truth.ts';

/** What streams, queues and topics are called. */
export const SOURCE_NAME = 'sim';

/** With what is encoded in its lineage's name. */
const groupName = (at: number): string => `g/${at}`;

/** How the handlers name the lineage of a shard, a message group or a partition. */
export const lineageNamed = (kind: SourceKind, at: number): string => LINEAGES[kind](at);

const LINEAGES: { readonly [Kind in SourceKind]: (at: number) => string } = {
  kinesis: (at) => `${SOURCE_NAME}/shardId-${String(at).padStart(12, '0')}`,
  sqs: () => SOURCE_NAME,
  fifo: (at) => `${SOURCE_NAME}.fifo/${encodeURIComponent(groupName(at))}`,
  kafka: (at) => `${SOURCE_NAME}/${at}`,
};

/**
 * Where a record stands.
 *
 * @param at its lineage
 * @param index its place in the lineage, from 0
 * @param ordinal its place among all records, from 0
 */
export const placeOf = (kind: SourceKind, at: number, index: number, ordinal: number): Place =>
  PLACES[kind](lineageNamed(kind, at), at, index, ordinal);

type PlaceOf = (lineage: string, at: number, index: number, ordinal: number) => Place;

const keyed: PlaceOf = (lineage, at, index) => ({
  lineage,
  position: positionOf(String(index + 1)),
  partitionKey: `${at}/p${index % 5}`,
});

const PLACES: { readonly [Kind in SourceKind]: PlaceOf } = {
  kinesis: keyed,
  sqs: (lineage, _at, _index, ordinal) => messageAt(lineage, `m-${ordinal}`),
  fifo: (lineage, at, index) => ({
    lineage,
    // Between those of a queue there is room for what is moved back.
    position: positionOf(String((index + 1) * 1_000)),
    partitionKey: groupName(at),
  }),
  kafka: keyed,
};

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
