import { positionOf } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import { hashOf } from '../engine/group/key-group.ts';
import { type Decoded, type DecodedPart, decodeRecord, placedParts } from '../engine/intake/decode.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { upstreamOf } from '../pipeline/upstream.ts';
import type { SourceRecord } from '../ports/source.ts';
import { lineageNamed, placeOf } from './place.ts';
import type { Random } from './random.ts';
import { keepingAll, type SentKind, SHAPES, SINKS } from './shapes.ts';
import type { Case, Fate, Truth } from './truth.ts';

/** A record that the author of a test provides, as a source would carry it. */
export interface GivenRecord {
  readonly source: SourceRecord;
  readonly outcome: Decoded;
}

/** An instant after any event time. */
const HEREAFTER = Number.MAX_SAFE_INTEGER as EpochMillis;

/**
 * Decodes records, which are values or bytes. Without `arrivals`, a record arrives at its event time, or with
 * the record before it if that is later. A refused record has no known event time: it arrives with the record
 * before it, or at the beginning with the record after it, and is not refused as ahead of its arrival.
 */
export function decodeGiven(
  pipeline: Pipeline,
  records: readonly unknown[],
  arrivals: readonly number[] = [],
): readonly GivenRecord[] {
  // Nothing lies too far before an arrival that is not known yet.
  const timeless = { ...pipeline, maxPast: undefined };
  const drafts = records.map((record, at) => {
    const data = record instanceof Uint8Array ? record : new TextEncoder().encode(JSON.stringify(record));
    const place = { lineage: 'test', position: positionOf(String(at)), partitionKey: '' };
    const source = withMembers(pipeline, { ...place, data, arrival: HEREAFTER });
    return { source, happened: decodeRecord(timeless, source) };
  });
  const timesOf = (source: SourceRecord, happened: Decoded): readonly EpochMillis[] =>
    placedParts(source, happened).flatMap(({ part }) => (part.outcome === 'record' ? [part.record.at] : []));
  let latest = drafts.flatMap(({ source, happened }) => timesOf(source, happened))[0] ?? (0 as EpochMillis);
  return drafts.map(({ source, happened }, at) => {
    const times = timesOf(source, happened);
    for (const time of times) if (time > latest) latest = time;
    const isKnown = arrivals[at] !== undefined || times.length > 0;
    const arrived = { ...source, arrival: (arrivals[at] ?? latest) as EpochMillis };
    return { source: arrived, outcome: isKnown ? decodeRecord(pipeline, arrived) : happened };
  });
}

/** So few groups that keys meet in them. */
const MOST_GROUPS = 4;

/** Makes a case of a user's pipeline and records. The records of a key stay in their order. */
export function caseOf(random: Random, defined: Pipeline, records: readonly GivenRecord[]): Case {
  const upstream = upstreamOf(defined);
  if (upstream !== undefined) {
    throw new RangeError(
      `Cannot simulate "${defined.name}" by records as they must be sent to its source: it reads the panes of "${upstream.name}"; simulate that pipeline, and try this one on panes by tryPipeline`,
    );
  }
  const kind = defined.source.kind as SentKind;
  const { lineage } = defined.source;
  const groups = Math.min(defined.groups, random.pick([1, 2, MOST_GROUPS]));
  const pipeline = keepingAll({ ...defined, groups, sinks: Object.values(SINKS).flat() });
  const lanes = lineage.ordered ? random.whole(1, 3) : 1;
  const hasParts = records.some(({ outcome }) => ['expanded', 'packed'].includes(outcome.outcome));
  const homes = new Map<string, number>();
  const truths = Array.from({ length: lanes }, () => [] as Truth[]);
  for (const [ordinal, { source, outcome }] of records.entries()) {
    const keys = placedParts(source, outcome).flatMap(({ part }) =>
      part.outcome === 'record' ? [part.key] : [],
    );
    // Where records have parts of several keys, one lineage alone keeps the order of each key.
    const key = hasParts ? '' : (keys[0] ?? '');
    const home = homes.get(key) ?? random.whole(0, lanes - 1);
    homes.set(key, home);
    const lane = truths[home] as Truth[];
    const placed = { ...source, ...placeOf(kind, home, lane.length, ordinal) };
    const carried = SHAPES[kind].carried?.(placed);
    lane.push(carried ? truthOf(carried, decodeRecord(pipeline, carried)) : truthOf(placed, outcome));
  }
  return {
    versions: [pipeline],
    lineages: truths.map((lane, at) => ({ name: lineageNamed(kind, at), parents: [], truths: lane })),
    // What was ahead of its arrival may no longer be.
    resent: ({ data }, place, arrival) => {
      const source = withMembers(defined, { ...place, data, arrival });
      return truthOf(source, decodeRecord(pipeline, source));
    },
  };
}

/** Takes a record's bytes apart as the adapter of its source does. */
function withMembers(pipeline: Pipeline, record: SourceRecord): SourceRecord {
  const members = SHAPES[pipeline.source.kind].membersOf?.(record.data);
  return members ? { ...record, members } : record;
}

function truthOf(source: SourceRecord, outcome: Decoded): Truth {
  const { lineage, position, partitionKey, data, arrival } = source;
  const record = { lineage, position, partitionKey, data, arrival };
  if (outcome.outcome !== 'expanded' && outcome.outcome !== 'packed') {
    return { ...record, ...fateOf(outcome, partitionKey) };
  }
  const parts = placedParts(source, outcome).map(({ member, child, partitionKey, part }) => ({
    member,
    child,
    ...fateOf(part, partitionKey),
  }));
  return { ...record, hash: hashOf(partitionKey), fate: 'record', parts };
}

function fateOf(outcome: DecodedPart, partitionKey: string): Fate {
  const fate = outcome.outcome;
  if (outcome.outcome !== 'record') return { fate, hash: hashOf(partitionKey) };
  const { key, record, id } = outcome;
  return { fate, hash: hashOf(key), content: { key, at: record.at, values: [record.values], id } };
}
