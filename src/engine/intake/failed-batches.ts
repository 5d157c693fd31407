import { loggable } from '../../core/loggable.ts';
import { isAfter, MAX_PARTS, subPositionOf } from '../../core/position.ts';
import { type EpochMillis, isoTime, parseIsoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Clock } from '../../ports/clock.ts';
import { ENTRY_LIFETIME } from '../../ports/commit-log.ts';
import type { EnginePorts } from '../../ports/index.ts';
import type { ObjectReader } from '../../ports/reading.ts';
import type { SourceRecord } from '../../ports/source.ts';
import { definitionLog } from '../../wiring/names.ts';
import type { Sources } from '../group/sources.ts';
import { definitionIn } from '../log/definition-log.ts';
import { type Decoded, decodeAll, placedParts } from './decode.ts';
import { keptId, keptRecords } from './kept-records.ts';
import { CLOCK_SKEW, Moves } from './moves.ts';
import type { KeptRecord } from './poison.ts';

export interface FailedPorts extends Pick<EnginePorts, 'log'> {
  readonly clock: Clock;
  readonly reading: { readonly objects: ObjectReader };
  /** The bucket to which Lambda writes the batches that it gives up. */
  readonly failures: ObjectReader;
  /** Reads an event of the pipeline's source: the name of the source, and the records. */
  readonly sourceOf: (event: unknown) => string | undefined;
  readonly recordsOf: (event: unknown) => readonly SourceRecord[];
}

/** A record, or a part of one, that Lambda gave up before its group took it in. */
export interface Missed {
  readonly record: KeptRecord;
  /** Whether the logs tell for certain that it was not taken in, nor any other part of its record that is missed. */
  readonly confirmed: boolean;
}

/** Where Lambda writes batches that it gave up. */
const FAILURES_PREFIX = 'aws/lambda/';

/** A batch of one shard that Lambda gave up. */
interface FailedBatch {
  readonly givenUpAt: EpochMillis;
  readonly records: readonly SourceRecord[];
}

/**
 * Returns what the batches of a stream that Lambda gave up hold, and no group has taken in: each part of a record
 * once, and the parts of a record one after the other.
 *
 * A group takes the records of a shard in in order, and a shard has one batch in flight. So whatever a group
 * committed of a shard before a batch of it was given up, it committed with all of its records up to there. What
 * it committed later comes from records after the batch, unless it lies in the batch.
 *
 * @param tell called with the number of objects read so far
 * @throws TypeError when an object is not what Lambda writes for this kind of source; RangeError where batches were given
 * up, and none of the source was ever taken in
 */
export async function* missedRecords(
  ports: FailedPorts,
  pipeline: Pipeline,
  tell: (objects: number) => void = () => {},
): AsyncGenerator<Missed> {
  const last = await ports.log.latest(definitionLog(pipeline.name));
  if (last === undefined) return;
  const definition = definitionIn(last);
  // All batches were given up before any log is read, so that the logs have whatever was taken in of them.
  const objects: string[] = [];
  for await (const object of ports.failures.list(FAILURES_PREFIX)) objects.push(object);
  if (objects.length === 0) return;
  const { sources } = definition;
  if (sources === undefined) throw sourceUnknown(pipeline, objects.length);
  const refused = new Set<string>();
  for await (const { id } of keptRecords(ports, pipeline.name, 'poison')) refused.add(id);
  const moves = new Moves(ports.log, pipeline, definition);
  const seen = new Set<string>();
  for (const [at, object] of objects.entries()) {
    const body = await ports.failures.read(object);
    const batch = body && readBatch(ports, sources, object, body);
    tell(at + 1);
    if (batch === undefined) continue;
    const fresh = batch.records.filter(({ lineage, position }) => {
      const place = `${lineage}\n${position}`;
      return !seen.has(place) && seen.add(place);
    });
    let decoded = 0;
    for (const chunk of decodeAll(pipeline, fresh)) {
      for (const outcome of chunk) {
        const source = fresh[decoded++] as SourceRecord;
        yield* missedParts(source, outcome);
      }
    }
    async function* missedParts(source: SourceRecord, outcome: Decoded): AsyncGenerator<Missed> {
      const { lineage, position } = source;
      const end = batch?.records.findLast((record) => record.lineage === lineage) as SourceRecord;
      const to = subPositionOf(true, end.position, MAX_PARTS - 1, MAX_PARTS - 1);
      const packed = outcome.outcome === 'packed';
      const missed: Missed[] = [];
      for (const { member, child, expanded, partitionKey, part } of placedParts(source, outcome)) {
        if (part.outcome === 'filtered') continue;
        const record = {
          lineage,
          position,
          member,
          child,
          expanded,
          packed,
          arrival: isoTime(source.arrival),
          partitionKey: source.partitionKey,
          failed: true as const,
          data: Buffer.from(source.data).toString('base64'),
        };
        // It may have been refused by an earlier version, which did not know its key.
        const wholes = [
          record,
          { ...record, expanded: false },
          { ...record, expanded: false, packed: false },
        ];
        if (wholes.some((whole) => refused.has(keptId(whole)))) continue;
        const key = part.outcome === 'record' ? part.key : partitionKey;
        const from = subPositionOf(true, position, member, child);
        const past = (await moves.of(key, lineage)).filter((move) => !isAfter(from, move.position));
        const { givenUpAt } = batch as FailedBatch;
        const isTaken = past.some(
          (move) => !isAfter(move.position, to) || move.committedAt < givenUpAt - CLOCK_SKEW,
        );
        if (isTaken) continue;
        const confirmed =
          past.every((move) => move.committedAt > givenUpAt + CLOCK_SKEW) &&
          ports.clock.now() - source.arrival < ENTRY_LIFETIME;
        missed.push({ record, confirmed });
      }
      // A redrive lists all parts that are missing of a record at once, as a version may divide it otherwise later.
      const confirmed = missed.every((part) => part.confirmed);
      for (const { record } of missed) yield { record, confirmed };
    }
  }
}

/** Other mappings write to the same bucket, so that batches are told by their source. */
const sourceUnknown = ({ name }: Pick<Pipeline, 'name'>, objects: number): RangeError =>
  loggable(
    new RangeError(
      `Cannot tell which batches that Lambda gave up are of the source of "${name}" as a batch of it must have been taken in before: none was, and ${objects} objects hold what was given up; redrive once records are taken in`,
    ),
  );

/** Returns a batch; undefined where it is of another mapping: of the projector's, or of another source's. */
function readBatch(
  { sourceOf, recordsOf }: FailedPorts,
  sources: Sources,
  object: string,
  body: Uint8Array,
): FailedBatch | undefined {
  try {
    const { timestamp, payload, DDBStreamBatchInfo } = JSON.parse(Buffer.from(body).toString());
    // The event of a table's stream names its shard only where the mapping makes it.
    const event = { shardId: DDBStreamBatchInfo?.shardId, ...JSON.parse(payload) };
    const source = sourceOf(event);
    if (source === undefined || !sources.names.includes(source)) return undefined;
    const givenUpAt = parseIsoTime(timestamp);
    if (givenUpAt === undefined) throw new TypeError('Cannot read a time that is not in ISO 8601');
    return { givenUpAt, records: recordsOf(event) };
  } catch (cause) {
    throw new TypeError(
      `Cannot read object "${object}" as it must be what Lambda writes to a failure destination in S3, with the payload of a batch`,
      { cause },
    );
  }
}
