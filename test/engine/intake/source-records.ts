import { type Position, positionOf } from '../../../src/core/position.ts';
import type { EpochMillis } from '../../../src/core/time.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';

/** When every record here arrives. */
export const ARRIVAL = Date.parse('2024-05-01T12:00:00Z') as EpochMillis;

/** A record as a stream delivers it: a text, or any bytes. */
export function sourceRecord(data: string | Uint8Array, position: Position = positionOf('1')): SourceRecord {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  return { lineage: 'stream/shard', position, arrival: ARRIVAL, partitionKey: 'any', data: bytes };
}
