import { placeById } from '../adapters/rabbitmq/records.ts';
import { type Position, positionOf, unorderedPositionOf } from '../core/position.ts';
import type { SentKind } from './shapes.ts';
import type { Place } from './truth.ts';

/** The name of streams, queues and topics. */
export const SOURCE_NAME = 'sim';

/** Names a message group. The name has a character that lineages encode. */
const groupName = (at: number): string => `g/${at}`;

/** Names the lineage of a shard, a message group or a partition as the handlers do. */
export const lineageNamed = (kind: SentKind, at: number): string => LINEAGES[kind](at);

const LINEAGES: { readonly [Kind in SentKind]: (at: number) => string } = {
  kinesis: (at) => `${SOURCE_NAME}/shardId-${String(at).padStart(12, '0')}`,
  sqs: () => SOURCE_NAME,
  fifo: (at) => `${SOURCE_NAME}.fifo/${encodeURIComponent(groupName(at))}`,
  kafka: (at) => `${SOURCE_NAME}/${at}`,
  rabbitmq: () => encodeURIComponent(`${SOURCE_NAME}::/`),
  dynamodb: (at) => `${SOURCE_NAME}/2026-01-05T08:00:00.000/shardId-${at}`,
};

/**
 * Returns the place of a record.
 *
 * @param at the number of its lineage
 * @param index its place in the lineage, from 0
 * @param ordinal its place among all records, from 0
 */
export const placeOf = (kind: SentKind, at: number, index: number, ordinal: number): Place =>
  PLACES[kind](lineageNamed(kind, at), at, index, ordinal);

type PlaceOf = (lineage: string, at: number, index: number, ordinal: number) => Place;

const keyed: PlaceOf = (lineage, at, index) => ({
  lineage,
  position: positionOf(String(index + 1)),
  partitionKey: `${at}/p${index % 5}`,
});

const PLACES: { readonly [Kind in SentKind]: PlaceOf } = {
  kinesis: keyed,
  sqs: (lineage, _at, _index, ordinal) => messageAt(lineage, `m-${ordinal}`),
  fifo: (lineage, at, index) => ({
    lineage,
    // The gaps between positions leave room for records that are moved back.
    position: positionOf(String((index + 1) * 1_000)),
    partitionKey: groupName(at),
  }),
  kafka: keyed,
  rabbitmq: (lineage, _at, _index, ordinal) => ({ lineage, ...placeById(`message ${ordinal}`) }),
  dynamodb: (lineage, at, index, ordinal) => {
    const { partitionKey, ...place } = keyed(lineage, at, index, ordinal);
    return { ...place, partitionKey: JSON.stringify([['id', partitionKey]]) };
  },
};

function messageAt(lineage: string, id: string): Place {
  const position = unorderedPositionOf(id);
  return { lineage, position, partitionKey: position };
}

/**
 * Returns the place of a message that is moved back from a dead-letter queue. For its queue it is a new
 * message, after all that are there.
 *
 * @param last the last position of the lineage, where it has an order
 */
export const placeAgain = ({ lineage, position, partitionKey }: Place, last: Position | undefined): Place =>
  last === undefined
    ? messageAt(lineage, `${position}-again`)
    : { lineage, position: positionOf(String(BigInt(last) + 1n)), partitionKey };
