import type { Pipeline } from '../../pipeline/pipeline.ts';
import { type Sink, sinkName } from '../../pipeline/sinks.ts';
import { upstreamOf } from '../../pipeline/upstream.ts';
import { type LogEntry, LogLostError, type WholeLog } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts, UpstreamStores } from '../../ports/index.ts';
import { definitionLog, readsLog } from '../../wiring/names.ts';
import { decodeSinkCursor, encodeSinkCursor, NOTHING_SPENT } from '../format/sink-cursor.ts';
import { type Deployment, type Generations, groupLogsOf } from '../group/deployment.ts';
import { FIRST } from '../group/incarnation.ts';
import { definitionIn } from '../log/definition-log.ts';
import { cursorLogOf } from './cursor-logs.ts';
import { decodeIntent, encodeIntent, finishFromRemains } from './project-objects.ts';
import { decodeCovered, encodeCovered } from './project-rows.ts';
import { decodeRead, encodeRead, upstreamLog } from './read-panes.ts';
import { BEGINNING, type Cursors, oldestKept, type ReadPorts, type Skip } from './stretch.ts';

/**
 * The entries of a group that expired before a projector reached them, so that it will never deliver their
 * panes.
 */
export interface Skipped extends Skip {
  /** The name of the sink that lacks their panes. */
  readonly sink: string;
}

/**
 * Lets projectors continue that are stuck, as entries which they had not delivered have expired. It notes in
 * the log of each projector what that skips, and lets it continue from the oldest entry that is sure to exist
 * until it is read. It may be repeated: where nothing is missing, it writes nothing.
 *
 * @returns what the projectors skip
 * @throws Error when a projector appended to its log meanwhile; the call must then be repeated
 */
export async function resume(ports: ResumePorts, deployment: Deployment): Promise<readonly Skipped[]> {
  const { name, sinks } = deployment.pipeline;
  const skipped: Skipped[] = [];
  for (const sink of sinks) {
    const log = cursorLogOf(name, sink)?.name;
    if (log === undefined) continue;
    const last = await lastOf(ports.log, log);
    if (last === undefined) continue;
    const { covered, lost, bodyOf } = await STATES[sink.kind](
      ports,
      deployment.pipeline,
      last === 'expired' ? undefined : last,
    );
    const skips = [...lost, ...(await gapsAfter(ports, deployment, covered))];
    if (skips.length === 0 && last !== 'expired') continue;
    const now = ports.clock.now();
    const entry = {
      ordinal: nextOrdinal(last, now),
      committedAt: now,
      body: bodyOf(withSkips(covered, skips), skips),
    };
    if ((await ports.log.append(log, entry)) === 'conflict') {
      throw new Error(`Cannot resume "${name}" as its projector is at work: do it again`);
    }
    skipped.push(...skips.map((skip) => ({ ...skip, sink: sinkName(sink) })));
  }
  return skipped;
}

/**
 * Lets the reader of another pipeline's panes continue where entries have expired that it had not read. It notes in the
 * reader's log what that skips.
 *
 * @returns what the reader skips
 * @throws Error when the reader appended to its log meanwhile; the call must then be repeated
 */
export async function resumeReads(
  ports: Pick<EnginePorts, 'log' | 'clock'>,
  upstream: UpstreamStores,
  pipeline: Pipeline,
): Promise<readonly Skip[]> {
  const of = upstreamOf(pipeline);
  const log = readsLog(pipeline.name);
  const last = await lastOf(ports.log, log);
  const read: ReadPorts = { log: upstreamLog(upstream), clock: ports.clock };
  const written = of && (await read.log.latest(definitionLog(of.name)));
  if (of === undefined || last === undefined || written === undefined) return [];
  const noted = last === 'expired' ? { covered: new Map(), incarnation: undefined } : decodeRead(last);
  const { generations } = definitionIn(written);
  const skipped = await gapsAfter(read, { pipeline: of, generations }, noted.covered);
  if (skipped.length === 0 && last !== 'expired') return [];
  const now = ports.clock.now();
  const entry = {
    ordinal: nextOrdinal(last, now),
    committedAt: now,
    body: encodeRead({ ...noted, covered: withSkips(noted.covered, skipped), skipped }),
  };
  if ((await ports.log.append(log, entry)) === 'conflict') {
    throw new Error(`Cannot resume "${pipeline.name}" as its reader is at work: do it again`);
  }
  return skipped;
}

/**
 * Ordinals name objects, so that none may be used twice. A log that has lost its entries continues at the seconds since
 * 1970, which it cannot have reached, as it grows by less than one entry a second.
 */
const nextOrdinal = (last: LogEntry | 'expired', now: number): number =>
  last === 'expired' ? Math.floor(now / 1_000) : last.ordinal + 1;

/**
 * Returns the last entry of a projector's log, which may have expired as well; undefined where there never
 * was one.
 */
async function lastOf(log: WholeLog, name: string): Promise<LogEntry | 'expired' | undefined> {
  try {
    return await log.latest(name);
  } catch (error) {
    if (error instanceof LogLostError) return 'expired';
    throw error;
  }
}

type ResumePorts = ReadPorts & Pick<EnginePorts, 'objects'>;

/** What a projector's last entry says. Without an entry, nothing is covered. */
interface State {
  readonly covered: Cursors;
  /** The entries that it had covered, but whose panes can no longer be written. */
  readonly lost: readonly Skip[];
  /** Returns the body of the next entry. */
  bodyOf(covered: Cursors, skips: readonly Skip[]): Uint8Array;
}

type StateOf = (ports: ResumePorts, pipeline: Pipeline, last: LogEntry | undefined) => Promise<State>;

const messagesState: StateOf = async (_ports, _pipeline, last) => {
  const { covered, spent } = last ? decodeSinkCursor(last) : { covered: new Map(), spent: NOTHING_SPENT };
  return { covered, lost: [], bodyOf: (covered, skipped) => encodeSinkCursor({ covered, skipped, spent }) };
};

/** For each kind of sink, how the last entry of its projector is read. */
const STATES: { readonly [Kind in Sink['kind']]: StateOf } = {
  table: async (_ports, _pipeline, last) => ({
    covered: last ? decodeCovered(last).covered : new Map(),
    lost: [],
    bodyOf: encodeCovered,
  }),
  async bucket(ports, pipeline, last) {
    const intent = last && decodeIntent(last);
    return {
      covered: intent?.covered ?? new Map(),
      lost: intent ? await finishFromRemains(ports, pipeline, intent) : [],
      bodyOf: (covered, skipped) =>
        encodeIntent({
          from: new Map(),
          to: new Map(),
          more: true,
          covered,
          names: [],
          skipped,
          incarnations: intent?.incarnations ?? FIRST,
        }),
    };
  },
  notify: messagesState,
  stream: messagesState,
  // Nothing is noted of what is pushed, so that this is never asked for.
  push: messagesState,
  sink: messagesState,
};

/**
 * Returns the cursors after some skips. A lost stretch may end inside an entry, whose other panes are still
 * delivered.
 */
function withSkips(covered: Cursors, skips: readonly Skip[]): Cursors {
  const further = skips.filter(({ log, to }) => to > (covered.get(log) ?? BEGINNING)[0]);
  return new Map([...covered, ...further.map(({ log, to }) => [log, [to, 0]] as const)]);
}

/** Returns what a projector must skip in each log in which the next entry is missing. */
async function gapsAfter(
  ports: ReadPorts,
  deployment: Generations,
  covered: Cursors,
): Promise<readonly Skip[]> {
  const logs = groupLogsOf(deployment, ports.clock.now());
  const found = await inParallel(logs, async (log): Promise<readonly Skip[]> => {
    const [from] = covered.get(log) ?? BEGINNING;
    const [next] = await ports.log.after(log, from);
    if (next === undefined || next.ordinal === from + 1) return [];
    // Someone may also have deleted entries that had not expired.
    return [{ log, from, to: Math.max(next.ordinal - 1, await oldestKept(ports, log)) }];
  });
  return found.flat();
}
