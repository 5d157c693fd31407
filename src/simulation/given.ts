import { positionOf } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import { hashOf } from '../engine/group/key-group.ts';
import { type Decoded, decodeRecord } from '../engine/intake/decode.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { lineageNamed, placeOf } from './place.ts';
import type { Random } from './random.ts';
import { SINKS } from './shapes.ts';
import type { Case, Place, Truth } from './truth.ts';

/** A record that an author gives, as a source would carry it. */
export interface GivenRecord {
  readonly data: Uint8Array;
  readonly arrival: EpochMillis;
  readonly outcome: Decoded;
}

/** After any event time. */
const HEREAFTER = Number.MAX_SAFE_INTEGER as EpochMillis;

/**
 * Records, as values or as bytes, decoded. Where arrivals are not given, a record arrives when it happens, or with the one
 * before it if that is later. When a refused one happens is not known: it arrives with the one before it, or at the
 * beginning with the one after, and is not refused as ahead of that.
 */
export function decodeGiven(
  pipeline: Pipeline,
  records: readonly unknown[],
  arrivals: readonly number[] = [],
): readonly GivenRecord[] {
  const given = records.map((record, at) => {
    const data = record instanceof Uint8Array ? record : new TextEncoder().encode(JSON.stringify(record));
    const source = { lineage: 'test', position: positionOf(String(at)), partitionKey: '', data };
    return { source, happened: decodeRecord(pipeline, { ...source, arrival: HEREAFTER }) };
  });
  const times = given.flatMap(({ happened }) => (happened.outcome === 'record' ? [happened.record.at] : []));
  let latest = times[0] ?? (0 as EpochMillis);
  return given.map(({ source, happened }, at) => {
    if (happened.outcome === 'record' && happened.record.at > latest) latest = happened.record.at;
    const isKnown = arrivals[at] !== undefined || happened.outcome === 'record';
    const arrival = (arrivals[at] ?? latest) as EpochMillis;
    return {
      data: source.data,
      arrival,
      outcome: isKnown ? decodeRecord(pipeline, { ...source, arrival }) : happened,
    };
  });
}

/** Few, so that keys meet in them. */
const MOST_GROUPS = 4;

/** An author's pipeline and records; the records of a key stay in their order. */
export function caseOf(random: Random, defined: Pipeline, records: readonly GivenRecord[]): Case {
  const { kind, lineage } = defined.source;
  const groups = Math.min(defined.groups, random.pick([1, 2, MOST_GROUPS]));
  const pipeline = { ...defined, groups, sinks: Object.values(SINKS) };
  const lanes = lineage.ordered ? random.whole(1, 3) : 1;
  const homes = new Map<string, number>();
  const truths = Array.from({ length: lanes }, () => [] as Truth[]);
  for (const [ordinal, { data, arrival, outcome }] of records.entries()) {
    const key = outcome.outcome === 'record' ? outcome.key : '';
    const home = homes.get(key) ?? random.whole(0, lanes - 1);
    homes.set(key, home);
    const own = truths[home] as Truth[];
    own.push(truthOf(placeOf(kind, home, own.length, ordinal), { data, arrival, outcome }));
  }
  return {
    versions: [pipeline],
    lineages: truths.map((own, at) => ({ name: lineageNamed(kind, at), parents: [], truths: own })),
    // What was ahead of its arrival may no longer be.
    resent: ({ data }, place, arrival) =>
      truthOf(place, { data, arrival, outcome: decodeRecord(pipeline, { ...place, data, arrival }) }),
  };
}

function truthOf(place: Place, { data, arrival, outcome }: GivenRecord): Truth {
  const truth = { ...place, data, arrival, fate: outcome.outcome };
  if (outcome.outcome !== 'record') return { ...truth, hash: hashOf(place.partitionKey) };
  const { key, record } = outcome;
  return { ...truth, hash: hashOf(key), content: { key, at: record.at, values: [record.values] } };
}
