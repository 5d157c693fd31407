import { Latencies } from '../core/latencies.ts';
import type { EpochMillis, Millis } from '../core/time.ts';
import { cursorLogOf } from '../engine/delivery/cursor-logs.ts';
import type { Cursors } from '../engine/delivery/stretch.ts';
import { decodeLedger, decodePanes } from '../engine/format/entry.ts';
import type { GroupPane } from '../engine/group/group.ts';
import { readRefused } from '../engine/intake/poison.ts';
import { bodyObjectOf } from '../engine/log/spill.ts';
import { addRefused, type Refused, type RefusedByCode } from '../local/refused.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { sinkName } from '../pipeline/sinks.ts';
import type { LogEntry, StoredEntry } from '../ports/commit-log.ts';
import type { Ports } from '../ports/index.ts';
import type { Metric, Telemetry } from '../ports/telemetry.ts';
import { groupLogPrefix, PANES_PREFIX, POISON_PREFIX, STATE_PREFIX } from '../wiring/names.ts';

/** Counts what a local run does, from the commits themselves. */
export interface Tally extends Telemetry {
  readonly metrics: ReadonlyMap<Metric, number>;
  /** The number of records that each window refused as late. */
  readonly late: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  readonly warnings: ReadonlySet<string>;
  readonly panes: number;
  /** The furthest watermark of any key that is known. */
  readonly watermark: EpochMillis | undefined;
  /** Returns the last panes committed, for each window. */
  latest(): readonly GroupPane[];
  /** How many rows and objects the sinks received, and how many messages each sink sent, as far as that is known. */
  readonly delivered: {
    readonly rows: number;
    readonly objects: number;
    readonly messages: ReadonlyMap<string, number>;
  };
  /**
   * How long it took from a batch's receipt by the handler until a sink had what came of it, by the sink, in the order of the
   * pipeline's sinks, whichever was first: without those that had nothing yet.
   */
  readonly latencies: ReadonlyMap<string, Latencies>;
  /**
   * The share of the entries with panes, committed in this run, that all sinks have: 1 where there are none.
   */
  readonly deliveredShare: number;
  /** The refused records of the commits. */
  readonly refused: RefusedByCode;
  /** Returns the same ports, counting what goes through them. */
  watch(ports: Ports): Ports;
}

/** How many of the last panes of a window are shown: of many windows few each, so that all fit a screen. */
const latestPerWindow = (windows: number): number => Math.max(1, Math.min(3, Math.floor(12 / windows)));

/** @param onPanes is told what each commit emits */
export function createTally(
  pipeline: Pipeline,
  onPanes: (panes: readonly GroupPane[]) => void = () => {},
): Tally {
  const metrics = new Map<Metric, number>();
  const late = new Map<string, number>();
  const faults = new Map<string, number>();
  const warnings = new Set<string>();
  const latest = new Map(pipeline.rules.windows.map(({ name }) => [name, [] as GroupPane[]]));
  const prefix = groupLogPrefix(pipeline.name);
  const delivered = { rows: 0, objects: 0 };
  /** How many messages the outlet of each sink took. An author's function has none: it is given what is left. */
  const taken = new Map<string, number>();
  const own = pipeline.sinks.filter((sink) => 'deliver' in sink).map(sinkName);
  const messages = (): ReadonlyMap<string, number> => {
    const [name, another] = own;
    if (name === undefined || another !== undefined) return taken;
    const all = [...taken.values()].reduce((total, count) => total + count, 0);
    return new Map([...taken, [name, (metrics.get('sent') ?? 0) - all]]);
  };
  const latencies = new Map(pipeline.sinks.map((sink) => [sinkName(sink), new Latencies()]));
  const refused = new Map<string, Refused>();
  /** The last entry of each group log, and for each sink's log up to which entry it has been delivered. */
  const entries = new Map<string, number>();
  const covered = new Map<string, Cursors>();
  const cursorLogs = new Map(
    pipeline.sinks.flatMap((sink) => {
      const log = cursorLogOf(pipeline.name, sink);
      return log ? [[log.name, log] as const] : [];
    }),
  );
  let panes = 0;
  let watermark: EpochMillis | undefined;

  /** Bodies of entries and refused records that were put as objects, and that no entry names yet. */
  const bodies = new Map<string, Uint8Array>();

  const wholeOf = ({ stored, ...place }: StoredEntry): LogEntry | undefined => {
    const object = bodyObjectOf({ stored });
    const body = object === undefined ? stored : bodies.get(object);
    return body && { ...place, body };
  };

  const committed = (entry: LogEntry): void => {
    const { poisonObject = '' } = decodeLedger(entry);
    const lines = bodies.get(poisonObject);
    bodies.delete(poisonObject);
    for (const { code, reason, data } of lines ? readRefused(lines) : []) {
      addRefused(refused, code, () => ({ reason, data: Buffer.from(data, 'base64') }));
    }
    const emitted = decodePanes(entry);
    onPanes(emitted);
    for (const pane of emitted) {
      panes++;
      if (watermark === undefined || pane.watermark > watermark) watermark = pane.watermark;
      const last = latest.get(pane.window) ?? [];
      last.push(pane);
      if (last.length > latestPerWindow(latest.size)) last.shift();
    }
  };

  return {
    metrics,
    late,
    faults,
    warnings,
    get panes() {
      return panes;
    },
    get watermark() {
      return watermark;
    },
    latest: () => [...latest.values()].flat(),
    get delivered() {
      return { ...delivered, messages: messages() };
    },
    get latencies() {
      return new Map([...latencies].filter(([, { count }]) => count > 0));
    },
    get deliveredShare() {
      let [all, done] = [0, 0];
      for (const [log, last] of entries) {
        all += last;
        const each = [...cursorLogs.keys()].map((name) => covered.get(name)?.get(log)?.[0] ?? 0);
        done += Math.min(last, ...each);
      }
      return all === 0 ? 1 : done / all;
    },
    refused,
    watch: (ports) => ({
      ...ports,
      log: {
        ...ports.log,
        async append(name, entry) {
          const outcome = await ports.log.append(name, entry);
          const whole = outcome === 'committed' ? wholeOf(entry) : undefined;
          if (whole && name.startsWith(prefix)) {
            entries.set(name, entry.ordinal);
            committed(whole);
          }
          const cursors = whole && cursorLogs.get(name);
          if (cursors) covered.set(name, cursors.coveredBy(whole));
          bodies.delete(bodyObjectOf(entry) ?? '');
          return outcome;
        },
      },
      rows: {
        async put(rows) {
          await ports.rows.put(rows);
          delivered.rows += rows.length;
        },
      },
      ...(ports.outlets && {
        outlets: new Map(
          [...ports.outlets].map(([name, outlet]) => [
            name,
            {
              ...outlet,
              async send(sent, deadline) {
                const refused = await outlet.send(sent, deadline);
                taken.set(name, (taken.get(name) ?? 0) + sent.length - refused.length);
                return refused;
              },
            },
          ]),
        ),
      }),
      objects: {
        ...ports.objects,
        async create(name, object) {
          if (name.startsWith(STATE_PREFIX) || name.startsWith(POISON_PREFIX)) bodies.set(name, object.body);
          const outcome = await ports.objects.create(name, object);
          if (outcome === 'exists') return outcome;
          if (name.startsWith(PANES_PREFIX)) delivered.objects++;
          return outcome;
        },
      },
    }),
    count: (metric, by) => metrics.set(metric, (metrics.get(metric) ?? 0) + by),
    countLate: (window, by) => late.set(window, (late.get(window) ?? 0) + by),
    // A run shows what it counts; how full groups are is for alarms.
    measure: () => {},
    measureLag: () => {},
    countDelivery(sink, arrival) {
      // A run tells the arrival by the machine's clock, as its own stands still while it reads its input.
      latencies.get(sink)?.add((Date.now() - arrival) as Millis);
    },
    warn: (message) => warnings.add(message),
    fault(what, cause) {
      const name = `${what}: ${cause instanceof Error ? cause.message : String(cause)}`;
      faults.set(name, (faults.get(name) ?? 0) + 1);
    },
  };
}
