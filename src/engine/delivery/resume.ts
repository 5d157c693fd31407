import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Sink } from '../../pipeline/sinks.ts';
import { type LogEntry, LogLostError, type WholeLog } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { type Deployment, groupLogsOf } from '../group/deployment.ts';
import { FIRST } from '../group/incarnation.ts';
import { CURSOR_LOGS } from './cursor-logs.ts';
import { decodeIntent, encodeIntent, finishFromRemains } from './project-objects.ts';
import { decodeCovered, encodeCovered } from './project-rows.ts';
import { BEGINNING, type Cursors, oldestKept, type ReadPorts, type Skip } from './stretch.ts';

/** What a projector will never deliver: the entries of a group that expired before it came to them. */
export interface Skipped extends Skip {
  /** The sink that lacks their panes. */
  readonly sink: Sink['kind'];
}

/**
 * Lets projectors go on that cannot, as entries which they had not delivered have expired: writes down in their logs what each
 * skips, and goes on from the oldest entry that is sure to stay until it is read. Where nothing is missing it writes nothing, so
 * that it may be done again.
 *
 * @throws Error when a projector appended meanwhile: it is to be done again
 */
export async function resume(ports: ResumePorts, deployment: Deployment): Promise<readonly Skipped[]> {
  const { name, sinks } = deployment.pipeline;
  const skipped: Skipped[] = [];
  for (const { kind } of sinks) {
    const log = CURSOR_LOGS[kind].name(name);
    const last = await lastOf(ports.log, log);
    if (last === undefined) continue;
    const { covered, lost, bodyOf } = await STATES[kind](
      ports,
      deployment.pipeline,
      last === 'expired' ? undefined : last,
    );
    const skips = [...lost, ...(await gapsAfter(ports, deployment, covered))];
    if (skips.length === 0 && last !== 'expired') continue;
    const now = ports.clock.now();
    const entry = {
      // Objects are named by ordinals: a log that has lost its own goes on where none has come, as it grows by less than one a second.
      ordinal: last === 'expired' ? Math.floor(now / 1_000) : last.ordinal + 1,
      committedAt: now,
      body: bodyOf(withSkips(covered, skips), skips),
    };
    if ((await ports.log.append(log, entry)) === 'conflict') {
      throw new Error(`Cannot resume "${name}" as its projector is at work: do it again`);
    }
    skipped.push(...skips.map((skip) => ({ ...skip, sink: kind })));
  }
  return skipped;
}

/** The last entry of a projector's log: that may have expired, too. */
async function lastOf(log: WholeLog, name: string): Promise<LogEntry | 'expired' | undefined> {
  try {
    return await log.latest(name);
  } catch (error) {
    if (error instanceof LogLostError) return 'expired';
    throw error;
  }
}

type ResumePorts = ReadPorts & Pick<EnginePorts, 'objects'>;

/** What a projector's last entry says; without one, nothing is covered. */
interface State {
  readonly covered: Cursors;
  /** What it has covered, and could not carry out any more. */
  readonly lost: readonly Skip[];
  /** The body of the entry after it. */
  bodyOf(covered: Cursors, skips: readonly Skip[]): Uint8Array;
}

/** How each kind of sink's projector is asked what its last entry says. */
const STATES: {
  readonly [Kind in Sink['kind']]: (
    ports: ResumePorts,
    pipeline: Pipeline,
    last: LogEntry | undefined,
  ) => Promise<State>;
} = {
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
};

/** A stretch that is lost may end inside an entry: what is left of that is still to be delivered. */
function withSkips(covered: Cursors, skips: readonly Skip[]): Cursors {
  const further = skips.filter(({ log, to }) => to > (covered.get(log) ?? BEGINNING)[0]);
  return new Map([...covered, ...further.map(({ log, to }) => [log, [to, 0]] as const)]);
}

/** The logs in which an entry is missing that a projector comes to next, and what it is to skip. */
async function gapsAfter(
  ports: ReadPorts,
  deployment: Deployment,
  covered: Cursors,
): Promise<readonly Skip[]> {
  const logs = groupLogsOf(deployment, ports.clock.now());
  const found = await inParallel(logs, async (log): Promise<readonly Skip[]> => {
    const [from] = covered.get(log) ?? BEGINNING;
    const [next] = await ports.log.after(log, from);
    if (next === undefined || next.ordinal === from + 1) return [];
    // Entries that were deleted are gone, however young.
    return [{ log, from, to: Math.max(next.ordinal - 1, await oldestKept(ports, log)) }];
  });
  return found.flat();
}
