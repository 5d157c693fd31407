import { positionOf } from './core/position.ts';
import type { EpochMillis } from './core/time.ts';
import { type Decoded, decode, type Poison } from './engine/decode.ts';
import { EMPTY_GROUP, fold, foldIdle, type GroupPane, type GroupRecord, listPanes } from './engine/group.ts';
import { writtenPane } from './engine/pane.ts';
import type { Pane, Pipeline } from './pipeline/pipeline.ts';

/** What a pipeline made of some records. */
export interface Tried<Panes> {
  /** As they were emitted; after the last record, key by key. */
  readonly panes: readonly Panes[];
  readonly applied: number;
  readonly late: number;
  readonly filtered: number;
  /** The records refused, by their place in the input, from 0. */
  readonly poison: readonly (Poison & { readonly at: number })[];
}

export interface TryOptions {
  /**
   * When each record arrives at the source, in epoch milliseconds. Left out, a record arrives when it happens, or with
   * the one before it if that is later.
   */
  readonly arrivals?: readonly number[];
  /** Whether time passes after the last record until every window has closed. Default true. */
  readonly close?: boolean;
}

/**
 * Tries a pipeline on records, in memory and at once: for the tests of a definition.
 *
 * @param records what the source carries, before schema and map, as values; or as bytes, for what is not JSON
 * @throws TypeError when folding them twice gives different panes: a function of the definition is not pure
 */
export function tryPipeline<Panes = Pane>(
  pipeline: Pipeline<Panes>,
  records: readonly unknown[],
  options: TryOptions = {},
): Tried<Panes> {
  const [once, again] = [0, 1].map(() => tryOnce(pipeline as Pipeline, records, options));
  if (JSON.stringify(once) !== JSON.stringify(again)) {
    throw new TypeError(
      `Cannot try "${pipeline.name}" as its functions must be pure: folded twice, it differs`,
    );
  }
  return once as Tried<Panes>;
}

function tryOnce(
  pipeline: Pipeline,
  records: readonly unknown[],
  { arrivals, close = true }: TryOptions,
): Tried<Pane> {
  const decoded = decodeAll(pipeline, records, arrivals);
  const taken = decoded.flatMap(({ outcome, ...source }): GroupRecord[] =>
    outcome.outcome === 'filtered' ? [] : [{ ...source, content: outcome }],
  );
  const folded = fold(pipeline, EMPTY_GROUP, taken);
  const closing = close ? closeAll(pipeline, folded, decoded.at(-1)?.arrival) : [];
  return {
    panes: [...listPanes(folded.panes), ...closing].map((pane) => writtenPane(pipeline, pane)),
    applied: folded.counters.applied,
    late: folded.counters.late,
    filtered: decoded.filter(({ outcome }) => outcome.outcome === 'filtered').length,
    poison: folded.poison.flatMap(({ position, content }) =>
      content.outcome === 'poison' ? [{ at: Number(position), ...content.poison }] : [],
    ),
  };
}

interface DecodedRecord extends Omit<GroupRecord, 'content'> {
  readonly arrival: EpochMillis;
  readonly outcome: Decoded;
}

/** After any event time. */
const HEREAFTER = Number.MAX_SAFE_INTEGER as EpochMillis;

function decodeAll(
  pipeline: Pipeline,
  records: readonly unknown[],
  arrivals: readonly number[] | undefined,
): readonly DecodedRecord[] {
  let latest = Number.MIN_SAFE_INTEGER;
  return records.map((record, at) => {
    const data = record instanceof Uint8Array ? record : new TextEncoder().encode(JSON.stringify(record));
    const source = { lineage: 'test', position: positionOf(String(at)), partitionKey: '', data };
    const happened = decode(pipeline, { ...source, arrival: HEREAFTER });
    if (happened.outcome === 'record') latest = Math.max(latest, happened.record.at);
    const arrival = (arrivals?.[at] ?? latest) as EpochMillis;
    return { ...source, arrival, outcome: decode(pipeline, { ...source, arrival }) };
  });
}

/** Lets more and more time pass after the last arrival, until no window is open. */
function closeAll(
  pipeline: Pipeline,
  folded: Pick<ReturnType<typeof fold>, 'positions' | 'keys' | 'counters'>,
  last: EpochMillis | undefined,
): readonly GroupPane[] {
  const panes: GroupPane[] = [];
  let group = { ...folded, ordinal: 1, committedAt: undefined };
  for (let silence = 1; ; silence *= 2) {
    const now = ((last ?? 0) + pipeline.rules.time.idleAfter + silence) as EpochMillis;
    const idle = foldIdle(pipeline, group, now, Number.POSITIVE_INFINITY);
    panes.push(...listPanes(idle.panes));
    if (idle.open === 0) return panes;
    group = { ...idle, ordinal: 1, committedAt: undefined };
  }
}
