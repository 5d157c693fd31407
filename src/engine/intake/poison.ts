import { createHash } from 'node:crypto';
import { CodecError } from '../../core/codec.ts';
import { type SubPlace, subPlaceOf } from '../../core/position.ts';
import { isoTime } from '../../core/time.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { POISON_PREFIX } from '../../wiring/names.ts';
import type { GroupRecord, Poison, PoisonCode } from '../group/group.ts';

/**
 * A refused record as a line of JSON: what a person reads, and gives to the source again. Its position is that of the source's record,
 * of which it may be a member and a child, each counted from 0.
 */
export interface RefusedRecord extends SubPlace {
  readonly lineage: string;
  /** When the source received it: ISO 8601. */
  readonly arrival: string;
  readonly code: PoisonCode;
  readonly reason: string;
  /** The bytes of the source's record, in base64; a line that has none is of the record of the line before it. */
  readonly data: string;
}

/** What a line takes up beside the texts in it. */
const LINE_BYTES = 128;

/**
 * What a refused record takes up in an object, but for what JSON escapes in its reason.
 *
 * @param before the record on the line before
 */
export const refusedBytes = (
  { lineage, position, source }: GroupRecord,
  { reason }: Poison,
  before: GroupRecord | undefined,
): number =>
  LINE_BYTES +
  lineage.length +
  position.length +
  Buffer.byteLength(reason) +
  (source === before?.source ? 0 : Math.ceil((4 * source.data.length) / 3));

/**
 * Keeps the refused records of one commit as one object, a line each. Done before the commit that moves past them, so that
 * none is ever lost.
 *
 * The name is made of what the object holds, so that a try that is made again finds its own. One that cuts its batch
 * elsewhere leaves another object, of which some lines are the same: a record is known by its lineage and position.
 *
 * @returns the object's name
 */
export async function keepRefused(
  objects: Pick<ObjectStore, 'create'>,
  pipeline: string,
  refused: readonly GroupRecord[],
): Promise<string> {
  const body = Buffer.from(refused.map((record, at) => lineOf(record, refused[at - 1])).join(''));
  const [first] = refused as readonly [GroupRecord];
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 32);
  const date = isoTime(first.arrival).slice(0, 10);
  const name = `${POISON_PREFIX}pipeline=${pipeline}/date=${date}/${hash}.ndjson`;
  await objects.create(name, { body, contentType: 'application/x-ndjson' });
  return name;
}

function lineOf(
  { lineage, position, arrival, source, content }: GroupRecord,
  before: GroupRecord | undefined,
): string {
  if (content.outcome !== 'poison') return '';
  const { code, reason } = content.poison;
  const { buffer, byteOffset, byteLength } = source.data;
  const line: Partial<RefusedRecord> = {
    lineage,
    ...subPlaceOf(position),
    arrival: isoTime(arrival),
    code,
    reason,
    ...(source === before?.source
      ? {}
      : { data: Buffer.from(buffer, byteOffset, byteLength).toString('base64') }),
  };
  return `${JSON.stringify(line)}\n`;
}

/**
 * The refused records of an object, in order.
 *
 * @throws CodecError when it is no object of that kind
 */
export function readRefused(body: Uint8Array): readonly RefusedRecord[] {
  try {
    const lines = Buffer.from(body).toString().split('\n').slice(0, -1);
    let data = '';
    return lines.map((line) => {
      const record = JSON.parse(line) as Partial<RefusedRecord>;
      data = record.data ?? data;
      return { ...record, data } as RefusedRecord;
    });
  } catch (cause) {
    throw new CodecError('Cannot read refused records as they must be lines of JSON', { cause });
  }
}
