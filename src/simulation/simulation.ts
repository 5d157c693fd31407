import { createHash } from 'node:crypto';
import { memoryPorts } from '../adapters/memory/index.ts';
import { memoryReading } from '../adapters/memory/reading.ts';
import { type EpochMillis, isoTime, type Millis } from '../core/time.ts';
import { OutdatedError } from '../engine/group/deployment.ts';
import { type Missed, missedRecords } from '../engine/intake/failed-batches.ts';
import { type Kept, keptRecords } from '../engine/intake/kept-records.ts';
import { TIME_IS_UP } from '../engine/intake/process-batch.ts';
import { isRedrivable, Redrive } from '../engine/intake/redrive.ts';
import { beginGeneration } from '../engine/log/rescale.ts';
import { bodyObjectOf, enginePorts } from '../engine/log/spill.ts';
import {
  eventReaderOf,
  type InvocationContext,
  intakeOf,
  panesArrivals,
  panesHandler,
  processHandler,
  projectHandler,
  sweepHandler,
} from '../handlers.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { LogEntry, StoredEntry } from '../ports/commit-log.ts';
import type { Ports, UpstreamStores } from '../ports/index.ts';
import { LIMITS } from '../ports/limits.ts';
import type { SourceRecord } from '../ports/source.ts';
import {
  groupLogPrefix,
  POISON_PREFIX,
  REDRIVE_PREFIX,
  readsLog,
  rowsLog,
  STATE_PREFIX,
} from '../wiring/names.ts';
import { Audit, type Audited } from './audit.ts';
import { drawCase } from './draw.ts';
import { drawFirst, drawReader } from './draw-chain.ts';
import type { Simulated } from './draw-source.ts';
import { drawFaults, type Fault } from './faults.ts';
import { behind, type Call } from './gate.ts';
import { type Covered, readBy } from './log-format.ts';
import { MessageSinks, type SentBy, withMessageSinks } from './message-sinks.ts';
import { PanesModel } from './panes-model.ts';
import { Random } from './random.ts';
import { panesIn, type Recording, replayed } from './recording.ts';
import { drawRollout, mistaken } from './rollout.ts';
import { SHAPES, type SourceKind, type WokenBy, wakeUpOf } from './shapes.ts';
import { type Delivery, namedBy, type SourceModel, sourceModel, wholeBatchAgain } from './source.ts';
import { type Ending, type Environment, type Invocation, injectedAt, Stage } from './stage.ts';
import type { Case, Truth } from './truth.ts';
import { must, Violation } from './violation.ts';

/** Determines a schedule: the same seed and faults give the same steps. */
export interface Schedule {
  readonly seed: number;
  /** Without it, the faults are drawn from the seed. */
  readonly faults?: readonly Fault[] | undefined;
}

export interface Settings {
  /** What is simulated, for which pipelines and records are drawn, or a function that makes a case. */
  readonly given: Simulated | ((random: Random) => Case);
  /** Stands between the handlers and the gate, to break a rule on purpose. */
  readonly tamper?: ((ports: Ports) => Ports) | undefined;
  readonly trace?: ((line: string) => void) | undefined;
}

/** The result of a schedule. A rule that it broke is a value, not an exception. */
export interface Ran extends Partial<Audited> {
  readonly violation: Violation | undefined;
  /** The faults that happened, in order. */
  readonly applied: readonly Fault[];
  readonly steps: number;
  /** The steps at which a fault could have happened. */
  readonly exposed: readonly number[];
  readonly happened: Happened;
  /** The digest of the trace. */
  readonly digest: string;
}

/** How often each happening occurred, to make sure that schedules go where they should. */
export type Happened = Record<(typeof HAPPENINGS)[number], number>;
export const HAPPENINGS = [
  'batches',
  'duplicates',
  'timeouts',
  'warm',
  'recovered',
  'shared',
  'sweeps',
  'projections',
  'conflicts',
  'late',
  'poison',
  'pauses',
  'outages',
  'rescales',
  'dead letters',
  'redriven',
  'redrives',
  'given up',
  'missed',
  'deployments',
  'outdated',
  'mistakes',
  'messages',
  'repeated messages',
  'refused messages',
  'too old',
  'pushed',
] as const;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
const INVOCATION_MILLIS = 60 * SECOND;
/** After how many rounds of ten seconds without faults what still waits is never taken in. Dead letters take some 4,000. */
const MAX_ROUNDS = 50_000;
/**
 * By how much an invocation's clock is off at most, and for how long a record is on its way at most: together
 * less than the 10 s that sweeps allow for.
 */
const MAX_SKEW = 4 * SECOND;
/** For how long bodies beside the log are kept, which is longer than the entries that name them. */
const STATE_LIFETIMES = [10 * DAY, 14 * DAY];
/** Bodies are small here. So some schedules keep most of them beside the log, and some keep none there. */
const INLINE_BYTES = [300, LIMITS.inline, LIMITS.inline];
/** By how much clocks differ at most where Lambda gives batches up, and the time of that tells what was before. */
const CLOSE_SKEW = SECOND;
/** Tells apart what else is drawn from a seed. */
const GIVES_UP = 0x5f37_59df;
const MESSAGE_SINKS = 0x7feb_352d;
const FIRST_OF_CHAIN = 0x2545_f491;
/** How many environments of a role may receive another invocation. */
const MAX_HOSTS = 6;

/** Runs one schedule with its faults, then without faults until no work remains, and audits it. */
export async function runSchedule(settings: Settings, { seed, faults }: Schedule): Promise<Ran> {
  const random = new Random(seed);
  const draws = random.fork();
  const drawn = drawFaults(random.fork());
  const { given } = settings;
  let drawnCase: Case;
  try {
    drawnCase =
      typeof given === 'string'
        ? withMessageSinks(
            given === 'panes' ? await chainedCase(draws, seed, settings) : drawCase(draws, given),
            new Random(seed ^ MESSAGE_SINKS),
          )
        : given(draws);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { violation: error, ...nothingRan() };
  }
  const simulation = new Simulation(
    random,
    new Random(~seed),
    new Random(~seed ^ GIVES_UP),
    new Random(~seed ^ MESSAGE_SINKS),
    drawnCase,
    faults ?? drawn,
    settings,
  );
  let audited: Audited | undefined;
  let violation: Violation | undefined;
  try {
    audited = await simulation.run();
  } catch (error) {
    violation = error instanceof Violation ? error : unexpected(error);
  }
  return { ...audited, violation, ...simulation.outcome() };
}

/** Runs a schedule of the pipeline whose panes are read, and draws one that reads what came of it. */
async function chainedCase(draws: Random, seed: number, { tamper, trace }: Settings): Promise<Case> {
  const first = drawFirst(draws);
  const random = new Random(seed ^ FIRST_OF_CHAIN);
  const [redrives, failures] = [random.fork(), random.fork()];
  const faults = drawFaults(random.fork());
  const settings = {
    given: () => first,
    tamper,
    trace: trace && ((line: string) => trace(`first: ${line}`)),
  };
  const simulation = new Simulation(random, redrives, failures, new Random(0), first, faults, settings);
  const recording = simulation.record();
  try {
    await simulation.run();
  } catch (error) {
    throw error instanceof Violation ? error : unexpected(error);
  }
  return drawReader(draws, first.versions[0], recording);
}

const nothingHappened = (): Happened => Object.fromEntries(HAPPENINGS.map((name) => [name, 0])) as Happened;

const nothingRan = (): Omit<Ran, 'violation'> => ({
  applied: [],
  steps: 0,
  exposed: [],
  happened: nothingHappened(),
  digest: '',
});

/** Allows a RangeError where bounds are small, as few groups may then have no room for their keys. */
const refusedForRoom = (limits: Case['limits']) => (error: unknown) => {
  if (limits === undefined || !(error instanceof RangeError)) throw error;
  return false;
};

/** Makes a violation of an error that the engine threw where nothing may throw, or that the machine threw. */
function unexpected(error: unknown): Violation {
  const violation = new Violation(`Nothing but what is injected fails: ${String(error)}`);
  violation.cause = error;
  return violation;
}

/** Checks that a batch takes only as many requests as there are commits, whatever its records are. */
function auditCost({ calls }: Invocation): void {
  const [refused = 0, bodies = 0, appends = 0] = [
    `objects.create ${POISON_PREFIX}`,
    `objects.create ${STATE_PREFIX}`,
    'log.append',
  ].map((kind) => calls.get(kind));
  must(
    Math.max(refused, bodies) <= appends,
    'A commit creates one object of refused records, and one body',
    () => [...calls],
  );
}

const placeName = ({ lineage, position }: Pick<Truth, 'lineage' | 'position'>): string =>
  `${lineage} ${position}`;

type Role = 'process' | 'sweep' | 'project' | 'rescale' | 'redrive';

/** An environment with its handlers, whose closures hold what a warm start finds. */
interface Host extends Environment {
  readonly pipeline: Pipeline;
  readonly process: ReturnType<typeof processHandler>;
  readonly sweep: ReturnType<typeof sweepHandler>;
  readonly project: (
    event: Parameters<ReturnType<typeof projectHandler>>[0],
    context: InvocationContext,
  ) => Promise<void>;
  rescale(groups: number): Promise<boolean>;
  /** Finishes what earlier redrives left undone, and takes those of the kept records in again. */
  redrive(wants: (kept: Kept) => boolean): Promise<void>;
  /** The same, of what was given up and missed. */
  redriveFailed(wants: (missed: Missed) => boolean): Promise<void>;
  skew: number;
}

/**
 * Which version's code an invocation runs, and the batch that it received, which is empty if it processes no
 * batch.
 */
interface Work {
  readonly host: Host;
  readonly version: number;
  readonly batch: readonly Truth[];
  /** Whether it takes in what redrives have listed. */
  readonly redrives: boolean;
  readonly begunAt: EpochMillis;
  /** When the records of the batch arrived, by the clock of its environment, where their source does not say so. */
  readonly arrival: EpochMillis | undefined;
}

class Simulation {
  readonly #random: Random;
  /** Draws what is redriven, so that schedules without a redrive are as they would be without it. */
  readonly #redrives: Random;
  /** Draws what Lambda gives up, and when that is redriven, likewise. */
  readonly #failures: Random;
  /** How often Lambda gives up what it would redeliver. */
  readonly #givesUp: number;
  /** The failures bucket. */
  readonly #failed = new Map<string, Uint8Array>();
  readonly #givenUp = new Map<string, Truth>();
  /** The invocations that may still take in records of their batch. */
  #unsettled: Invocation[] = [];
  /** The last entry of a reader of panes, and how far it says that each log is read. */
  #noted: { readonly last: object; readonly covered: Covered } | undefined;
  /** The first version. Every version has the same name and source. */
  readonly #pipeline: Pipeline;
  readonly #versions: Case['versions'];
  readonly #mistaken: Pipeline | undefined;
  readonly #limits: Case['limits'];
  readonly #kind: SourceKind;
  readonly #source: SourceModel;
  readonly #world: ReturnType<typeof memoryPorts>;
  readonly #stage: Stage;
  readonly #audit: Audit;
  readonly #tamper: (ports: Ports) => Ports;
  readonly #work = new Map<Invocation, Work>();
  /** When the last version was deployed. */
  #deployedAt = Number.NEGATIVE_INFINITY;
  readonly #hosts: Record<Role, Host[]> = { process: [], sweep: [], project: [], rescale: [], redrive: [] };
  /** How many invocations an environment receives at a time. */
  readonly #atOnce: number;
  readonly #running = new Set<Invocation>();
  readonly #inFlight = new Set<Invocation>();
  readonly #warmth: number;
  /** How long after its arrival a record can be read. */
  readonly #lag: number;
  readonly #inline: number;
  readonly #firstArrival: number;
  readonly #stateLifetime: number;
  /** When each object was created that may expire. */
  readonly #createdAt = new Map<string, EpochMillis>();
  readonly #happened = nothingHappened();
  readonly #digest = createHash('sha256');
  /** The versions that environments run: two while one replaces the other. */
  #serving: readonly Pipeline[];
  #wakeUps: WokenBy[] = [];
  readonly #messages: MessageSinks;
  /** The stores of the pipeline whose panes are read. */
  readonly #upstream: UpstreamStores | undefined;
  /** When all groups were last swept without faults. */
  #sweptAt: number;
  /** The panes that are read, by lineage and position. */
  readonly #recorded = new Map<string, Truth>();
  #recording: { entries: Recording['entries'][number][]; swept: Recording['swept'][number][] } | undefined;
  #failure: unknown;
  #faultless = false;

  constructor(
    random: Random,
    redrives: Random,
    failures: Random,
    messages: Random,
    simulated: Case,
    faults: readonly Fault[],
    settings: Settings,
  ) {
    const { versions, limits, isBounded = false } = simulated;
    this.#random = random;
    this.#redrives = redrives;
    this.#failures = failures;
    [this.#pipeline] = versions;
    this.#serving = [this.#pipeline];
    this.#versions = versions;
    this.#mistaken = mistaken(versions);
    this.#limits = limits;
    this.#kind = this.#pipeline.source.kind;
    const mayGiveUp = isBounded && SHAPES[this.#kind].failureOf !== undefined && failures.chance(0.3);
    this.#givesUp = mayGiveUp ? failures.pick([0.2, 0.6]) : 0;
    this.#tamper = settings.tamper ?? ((ports) => ports);
    const { recording } = simulated;
    this.#source = recording
      ? new PanesModel(
          random.fork(),
          recording.entries.at(-1)?.at,
          panesIn(recording, this.#pipeline),
          ({ record }) => this.#isRead(record),
        )
      : sourceModel(random.fork(), SHAPES[this.#kind], simulated);
    this.#upstream = recording && replayed(recording, () => this.#now());
    for (const { truths } of recording ? simulated.lineages : [])
      for (const truth of truths) this.#recorded.set(placeName(truth), truth);
    this.#audit = new Audit(simulated);
    this.#messages = new MessageSinks(simulated, messages, (check) => this.#held(check));
    this.#warmth = random.pick([0, 0.5, 0.9]);
    this.#atOnce = random.pick([1, 1, 4]);
    this.#lag = random.pick([0, random.whole(0, MAX_SKEW), MAX_SKEW]);
    this.#inline = random.pick(INLINE_BYTES);
    this.#stateLifetime = random.pick(STATE_LIFETIMES);
    // Some pipelines wait for their first record until entries expire.
    const drawnWait = random.chance(0.05) ? random.whole(2, 12) * DAY : 0;
    // A reader is there before the first pane, as it refuses to begin once that may have expired.
    const waits = recording ? 0 : drawnWait;
    this.#firstArrival = recording?.entries[0]?.at ?? this.#source.nextArrival() ?? waits;
    this.#sweptAt = this.#firstArrival - waits;
    this.#world = memoryPorts({
      start: this.#sweptAt as EpochMillis,
      answerEntries: random.pick([1, 3, 1_000]),
    });
    this.#stage = new Stage(random.fork(), faults, {
      landed: (...call) => this.#landed(...call),
      ...(settings.trace ? { saw: (line) => this.#trace(line, settings.trace) } : {}),
    });
  }

  async run(): Promise<Audited> {
    if (this.#upstream) await this.#withoutFaults(() => this.#wakeReader());
    await this.#runWithFaults();
    return this.#runToQuiet();
  }

  /** Records what the schedule does, for one that reads it. */
  record(): Recording {
    this.#recording = { entries: [], swept: [] };
    return this.#recording;
  }

  /** Whether the reader has noted a pane as taken in. */
  #isRead({ lineage, position }: SourceRecord): boolean {
    const last = this.#world.log.logs.get(readsLog(this.#pipeline.name))?.at(-1);
    if (last === undefined) return false;
    if (this.#noted?.last !== last) this.#noted = { last, covered: readBy(this.#whole(last)) };
    const { covered } = this.#noted;
    // A reader forgets logs that are gone. A pane that it had not read by then is missed in the windows.
    const isLater = (log: string) => generationOf(log) > generationOf(lineage);
    if (!covered.has(lineage) && [...covered.keys()].some(isLater)) return true;
    const [ordinal, panes] = covered.get(lineage) ?? [0, 0];
    const [at, pane] = [BigInt(position) / 1_000_000n, BigInt(position) % 1_000_000n];
    return at <= ordinal || (at === BigInt(ordinal) + 1n && pane < panes);
  }

  outcome(): Pick<Ran, 'applied' | 'steps' | 'exposed' | 'happened' | 'digest'> {
    const { applied, steps, exposed } = this.#stage;
    Object.assign(this.#happened, this.#messages.counts);
    const digest = this.#digest.digest('hex').slice(0, 16);
    return { applied, steps, exposed, happened: this.#happened, digest };
  }

  #trace(line: string, tell: Settings['trace']): void {
    this.#digest.update(`${line}\n`);
    tell?.(line);
  }

  async #runWithFaults(): Promise<void> {
    const random = this.#random;
    // Some schedules lag, so that records wait while others sweep. Some crowd, so that many meet in one
    // group.
    const eagerness = random.pick([0.1, 0.4, 1]);
    const crowd = random.pick([2, 4, 8]);
    const rescales = new Set(
      random.chance(0.3) ? [random.whole(2, 40), ...(random.chance(0.3) ? [random.whole(2, 60)] : [])] : [],
    );
    const rollout = drawRollout(random, this.#versions);
    const mistake = random.whole(1, 40);
    const redrives = this.#redrives.chance(0.3) ? 0.08 : 0;
    const outage = random.chance(0.05) ? random.pick([0, random.whole(1, 20)]) : undefined;
    for (let round = 0; round < 400 && !this.#isConsumed(); round++) {
      this.#serving = rollout.get(round) ?? this.#serving;
      if (this.#running.size < crowd && random.chance(0.35)) this.#begin(eagerness);
      if (rescales.has(round)) this.#rescale(random.pick([1, 2, 4, 8]));
      if (round === mistake) this.#mistake();
      if (this.#redrives.chance(redrives) && this.#remembers) this.#redriveKept();
      if (this.#givenUp.size > 0 && this.#failures.chance(0.05) && this.#remembers)
        this.#redriveFailed(this.#drawMissed());
      if (round === outage) await this.#sitOut();
      if (random.chance(0.25)) this.#pass(random.whole(0, random.chance(0.05) ? 90 : 4) * SECOND);
      if (random.chance(0.03)) this.#giveUp();
      for (let turns = random.whole(1, 6); turns > 0; turns--) await this.#step();
      if (random.chance(0.02)) this.#redrive();
      if (this.#source.drained) await this.#passPause();
    }
  }

  /** Runs a task without faults, once all that is under way has ended. */
  async #withoutFaults(task: () => Promise<void>): Promise<void> {
    const { faulty } = this.#stage;
    this.#stage.faulty = false;
    await this.#drain();
    await task();
    this.#stage.faulty = faulty;
  }

  /** Runs without faults until no work remains; and once more, to check that this changes nothing. */
  async #runToQuiet(): Promise<Audited> {
    this.#stage.faulty = false;
    await this.#drain();
    this.#serving = this.#versions.slice(-1);
    this.#faultless = true;
    for (let rounds = 0; !this.#isConsumed(); rounds++) {
      must(rounds < MAX_ROUNDS, 'When faults stop, everything that waits is taken in');
      await this.#passPause();
      const next = this.#source.nextArrival() ?? 0;
      this.#pass(Math.max(10 * SECOND, next - this.#now()));
      this.#redrive();
      for (let delivery = this.#source.next(); delivery; delivery = this.#source.next()) {
        this.#process(delivery);
      }
      await this.#drain();
    }
    // A version that has committed nothing is taken back, as the open windows are those of the version
    // before.
    this.#serveAtWork();
    await this.#finishRedrives();
    await this.#redriveAllFailed();
    const silent = await this.#close();
    const again = this.#random.chance(0.1);
    if (again) {
      for (let times = this.#random.whole(1, 4); times > 0; times--) {
        await this.#age(2 * DAY);
        this.#duplicate();
        await this.#drain();
      }
    }
    // This is longer than any panes wait for others.
    this.#pass(DAY);
    this.#project({});
    await this.#drain();
    must(this.#running.size === 0, 'Every invocation ends');
    // Where there is no pane to be read, the pipeline never begins.
    if (this.#upstream && this.#recorded.size === 0) return { panes: 0, corrections: 0 };
    this.#happened.rescales = this.#audit.generations - 1;
    this.#happened.deployments = this.#audit.deployments.length - 1;
    const last = this.#audit.deployments.at(this.#audit.deployments.version);
    this.#messages.finish(last.pipeline);
    return this.#audit.finish(this.#world, silent);
  }

  /** Lets time pass until a sweep finds no window open, and returns up to when silence counted then. */
  async #close(): Promise<EpochMillis> {
    for (let wait = 2 * DAY; wait < 10_000 * DAY; wait *= 2) {
      this.#pass(wait);
      await this.#wakeReader();
      const { open, now: silence } = await this.#swept();
      // A pipeline that never ran has no silence that one which reads it could count.
      const now = silence ?? (this.#upstream && this.#recorded.size === 0 ? this.#now() : undefined);
      must(now !== undefined, 'Once nothing waits, silence counts');
      this.#project({});
      await this.#drain();
      if (open === 0) return now;
    }
    throw new Violation('When faults stop, every due window closes');
  }

  /** Wakes the handler as its schedule does, also where there is nothing to take in. */
  async #wakeReader(): Promise<void> {
    if (this.#upstream === undefined) return;
    this.#duplicate();
    await this.#drain();
  }

  async #swept(): Promise<Awaited<ReturnType<Host['sweep']>>> {
    let swept: Awaited<ReturnType<Host['sweep']>> | undefined;
    this.#sweep((result) => {
      swept = result;
    });
    await this.#drain();
    must(swept !== undefined, 'A sweep that meets no fault ends');
    return swept;
  }

  /** Lets time pass where no record comes for more than a day, with sweeps, and with entries that expire. */
  async #passPause(): Promise<void> {
    const next = this.#source.nextArrival();
    if (next === undefined || next - this.#now() <= DAY) return;
    this.#happened.pauses++;
    // Pauses without sweeps are not so long together that entries expire which only the sweeper renews.
    const isSwept = next - this.#sweptAt > 4 * DAY || this.#random.chance(0.3);
    await this.#withoutFaults(async () => {
      // A version that was taken back does not stay so for days, as nothing would renew what expires.
      this.#serveAtWork();
      await this.#finishRedrives();
      while (next - this.#now() > DAY) {
        await this.#age(Math.min(1.5 * DAY, next - this.#now() - SECOND), isSwept);
      }
    });
  }

  /**
   * Refuses appends to the logs of groups for days: before these logs have begun, for about as long as bodies
   * are kept beside the log; later, for as long as the last snapshots live.
   */
  async #sitOut(): Promise<void> {
    this.#happened.outages++;
    const random = this.#random;
    const isOfGroup = (log: string): boolean => log.startsWith(groupLogPrefix(this.#pipeline.name));
    await this.#withoutFaults(async () => {
      this.#serveAtWork();
      await this.#finishRedrives();
      const hasBegun = [...this.#world.log.logs.keys()].some(isOfGroup);
      const length = hasBegun ? random.whole(1, 5) * DAY : this.#stateLifetime - random.whole(0, 2 * DAY);
      // A record that is moved back comes later still, and no record may come after the 14 days of a queue's
      // `maxLateness`.
      const most = SHAPES[this.#kind].receives < Number.POSITIVE_INFINITY ? 11 * DAY : length;
      const until = this.#now() + Math.min(length, most);
      this.#stage.refuses = (call, name) => call === 'log.append' && isOfGroup(name);
      while (this.#now() < until) {
        this.#deliver();
        await this.#drain();
        // A version that is being replaced does not stay so for days, as nothing would renew what expires.
        this.#serveAtWork();
        await this.#age(Math.min(DAY, until - this.#now()));
      }
      this.#stage.refuses = () => false;
      this.#deliver();
      await this.#drain();
      await this.#age(1.5 * DAY);
    });
  }

  async #age(length: number, isSwept = true): Promise<void> {
    this.#messages.abandonOthers(this.#serving);
    this.#pass(length);
    await this.#wakeReader();
    if (isSwept) {
      this.#sweep();
      this.#sweptAt = this.#now();
    }
    await this.#drain();
    this.#project({});
    await this.#drain();
    this.#world.log.expire(this.#now());
    this.#world.objects.expire(
      [...this.#createdAt].flatMap(([name, at]) => (at + this.#stateLifetime <= this.#now() ? [name] : [])),
    );
  }

  async #drain(): Promise<void> {
    while (await this.#step());
  }

  async #step(): Promise<boolean> {
    this.#messages.faulty = this.#stage.faulty;
    const went = await this.#stage.step();
    if (this.#failure !== undefined) throw this.#failure;
    return went;
  }

  #now(): EpochMillis {
    return this.#world.clock.now();
  }

  #begin(eagerness: number): void {
    const random = this.#random;
    const draw = random.next();
    if (draw < 0.45) {
      if (!random.chance(eagerness)) return;
      for (let batches = random.pick([1, 1, 3]); batches > 0; batches--) {
        this.#deliver();
        if (random.chance(0.2)) this.#duplicate();
      }
    } else if (draw < 0.55) this.#duplicate();
    else if (draw < 0.75) this.#sweep();
    else if (draw < 0.95) this.#wakeProjector();
    else this.#project({});
  }

  /** Moves the clock on, and puts what has arrived by then into the source. */
  #pass(length: number): void {
    this.#world.clock.pass(length as Millis);
    this.#source.put((this.#now() - this.#lag) as EpochMillis);
  }

  #deliver(): void {
    const delivery = this.#source.next();
    if (delivery) this.#process(delivery);
  }

  #duplicate(): void {
    const delivery = this.#source.again();
    if (delivery === undefined || !this.#isKept(delivery)) return;
    this.#happened.duplicates++;
    this.#process(delivery);
  }

  /** Says whether the source can still have the batch. */
  #isKept({ batch }: Delivery): boolean {
    const { retention = Number.POSITIVE_INFINITY } = this.#pipeline.source.lineage;
    return batch.every(({ arrival }) => this.#now() - arrival < retention - DAY);
  }

  /** Lets a mapping believe that an invocation is lost. The invocation does not notice. */
  #giveUp(): void {
    const waiting = [...this.#inFlight];
    if (waiting.length > 0) this.#random.pick(waiting).timeOut();
  }

  #process({ batch: delivered, event, settle }: Delivery): void {
    this.#happened.batches++;
    const host = this.#host('process');
    const deadline = this.#now() + INVOCATION_MILLIS;
    const context = { getRemainingTimeInMillis: () => deadline - this.#now() };
    const invocation = this.#invoke(
      host,
      () => host.process(event as never, context).catch(wholeBatchAgain(SHAPES[this.#kind], delivered)),
      (ending) => {
        this.#inFlight.delete(invocation);
        const { met, telemetry } = invocation;
        const { counted } = telemetry;
        this.#happened.conflicts += counted.conflicts;
        this.#happened.late += counted.late;
        this.#happened.poison += counted.poison;
        const { batch } = this.#work.get(invocation) as Work;
        if (ending.ended === 'answered') {
          const back = this.#upstream
            ? this.#audit.untaken(batch)
            : namedBy(SHAPES[this.#kind], batch, ending.result);
          // An invocation may wait for what another one in its environment writes down, and older code leaves
          // to newer code what it cannot do.
          const excused =
            met.length > 0 ||
            host.pipeline.version < this.#audit.deployments.version ||
            host.failedAt >= invocation.from ||
            this.#mayBeOutdated(invocation) ||
            this.#now() >= deadline - 2 * SECOND - MAX_SKEW;
          // A reader that met a fault may have been given a pane more than once.
          if (!this.#upstream || !excused) this.#audit.answered(batch, back, counted, excused);
          if (!excused) auditCost(invocation);
          this.#settle(invocation, settle, back);
          return;
        }
        if (ending.ended === 'timed out') this.#happened.timeouts++;
        this.#settle(invocation, settle, new Set(batch));
      },
      delivered,
    );
    this.#inFlight.add(invocation);
    if (this.#givesUp > 0) this.#unsettled.push(invocation);
  }

  #settle(invocation: Invocation, settle: Delivery['settle'], back: ReadonlySet<Truth>): void {
    const givesUp =
      this.#givesUp > 0 &&
      back.size > 0 &&
      // Nothing can be redriven into a pipeline that has never taken anything in.
      this.#audit.hasBegun &&
      this.#failures.chance(this.#givesUp) &&
      // A batch that is given up is no smaller than those of its records that are still under way.
      ![...this.#atWorkOn(invocation)].some((truth) => back.has(truth));
    const dead = settle(back, givesUp);
    if (givesUp && dead.size > 0) this.#fail([...dead]);
    else this.#happened['dead letters'] += dead.size;
    this.#audit.buried(dead);
  }

  /** Returns the records that invocations may still take in, but for one of them. */
  #atWorkOn(but?: Invocation): Set<Truth> {
    this.#unsettled = this.#unsettled.filter(({ over }) => !over);
    const others = this.#unsettled.filter((invocation) => invocation !== but);
    return new Set(others.flatMap((invocation) => this.#work.get(invocation)?.batch ?? []));
  }

  /** Writes what Lambda gave up to the failures bucket. */
  #fail(batch: readonly Truth[]): void {
    this.#happened['given up'] += batch.length;
    const body = { timestamp: isoTime(this.#now()), ...SHAPES[this.#kind].failureOf?.(batch) };
    this.#failed.set(`aws/lambda/${this.#failed.size}`, Buffer.from(JSON.stringify(body)));
    for (const truth of batch) this.#givenUp.set(placeName(truth), truth);
  }

  #redrive(): void {
    const again = this.#source.redrive(this.#now());
    this.#happened.redriven += again.length;
    this.#audit.resent(again);
  }

  /** Takes some of the records in again that are kept as refused or late, or only finishes what was begun. */
  #redriveKept(wants = this.#drawKept()): void {
    const host = this.#host('redrive');
    if (host.pipeline.version !== this.#audit.deployments.version) return;
    this.#invoke(
      host,
      () =>
        host.redrive(wants).catch((error) => {
          // Another version may be put to work after the redrive is begun, before it asks which one is.
          if (host.pipeline.version < this.#audit.deployments.version && error instanceof RangeError) return;
          refusedForRoom(this.#limits)(error.cause ?? error);
        }),
      () => {},
      [],
      true,
    );
  }

  /**
   * Whether no key was forgotten yet. One that was would begin anew with a record that is redriven, and open windows
   * once more that have closed.
   */
  get #remembers(): boolean {
    const { maxLateness = Number.POSITIVE_INFINITY } = this.#pipeline.rules.time;
    return this.#now() - this.#firstArrival <= maxLateness;
  }

  /** Ends redrives that were interrupted. */
  async #finishRedrives(): Promise<void> {
    if (this.#happened.redrives + this.#happened.missed === 0) return;
    this.#redriveKept(() => false);
    await this.#drain();
  }

  /** Takes some of the records in that Lambda gave up and no group has taken in. */
  #redriveFailed(wants: (missed: Missed) => boolean): void {
    const host = this.#host('redrive');
    if (host.pipeline.version !== this.#audit.deployments.version) return;
    // Whoever redrives waits until nobody is at work any more on what was given up.
    const busy = new Set([...this.#atWorkOn()].map(placeName));
    const settled = new Set([...this.#givenUp.keys()].filter((name) => !busy.has(name)));
    this.#invoke(
      host,
      () =>
        host
          .redriveFailed((missed) => settled.has(placeName(missed.record)) && wants(missed))
          .catch((error) => {
            if (host.pipeline.version < this.#audit.deployments.version && error instanceof RangeError)
              return;
            refusedForRoom(this.#limits)(error.cause ?? error);
          }),
      () => {},
      [],
      true,
    );
  }

  #drawMissed(): (missed: Missed) => boolean {
    const random = this.#failures.fork();
    const share = random.pick([0.3, 1]);
    const chosen = new Map<string, boolean>();
    return ({ record, confirmed }) => {
      const name = placeName(record);
      const isChosen = chosen.get(name) ?? random.chance(share);
      chosen.set(name, isChosen);
      return confirmed && isChosen;
    };
  }

  /**
   * Takes in what is missing of all that was given up, twice at once, whether or not the logs tell that it is.
   */
  async #redriveAllFailed(): Promise<void> {
    if (this.#givenUp.size === 0 || !this.#remembers) return;
    if (this.#failures.chance(0.3)) this.#pass(this.#failures.whole(1, 3) * DAY);
    for (let times = 2; times > 0; times--)
      this.#redriveFailed(({ record, confirmed }) => confirmed || this.#audit.isMissing(record));
    await this.#drain();
    this.#audit.redrivenAll();
  }

  #drawKept(): (kept: Kept) => boolean {
    const random = this.#redrives;
    const share = random.pick([0.3, 1]);
    return ({ record, confirmed }) =>
      // Of others nobody can tell whether they were committed, and the command leaves them unless it is told.
      confirmed &&
      // By then the record may be of the present, and its place in the list is its id.
      !('code' in record && ['future', 'past', 'no-id'].includes(record.code)) &&
      random.chance(share);
  }

  /** Runs a definition whose windows changed while its version did not. */
  #mistake(): void {
    if (this.#mistaken === undefined || this.#audit.deployments.version === 0) return;
    this.#happened.mistakes++;
    const host = this.#begun('sweep', this.#mistaken);
    this.#invoke(
      host,
      () => host.sweep({}, { getRemainingTimeInMillis: () => INVOCATION_MILLIS }),
      ({ ended }) => must(ended !== 'answered', 'Windows change with the version alone'),
    );
  }

  #serveAtWork(): void {
    const atWork = this.#versions.find(({ version }) => version === this.#audit.deployments.version);
    if (atWork) this.#serving = [atWork];
  }

  #sweep(swept: (result: Awaited<ReturnType<Host['sweep']>>) => void = () => {}): void {
    this.#happened.sweeps++;
    const host = this.#host('sweep');
    const context = { getRemainingTimeInMillis: () => INVOCATION_MILLIS };
    this.#invoke(
      host,
      () => host.sweep({}, context),
      (ending) => {
        if (ending.ended === 'answered') swept(ending.result);
      },
    );
  }

  #rescale(groups: number): void {
    const host = this.#host('rescale');
    this.#invoke(
      host,
      () => host.rescale(groups).catch(refusedForRoom(this.#limits)),
      () => {},
    );
  }

  /** Delivers some of the wake-ups, in any order. Now and then one is lost, or comes again. */
  #wakeProjector(): void {
    const random = this.#random;
    const waiting = random.shuffled(this.#wakeUps);
    const taken = waiting.splice(0, random.whole(1, 4));
    this.#wakeUps = [...waiting.filter(() => !random.chance(0.1)), ...taken.filter(() => random.chance(0.2))];
    if (taken.length > 0) this.#project(wakeUpOf(taken), () => this.#wakeUps.push(...taken));
  }

  #project(event: Parameters<Host['project']>[0], failed: () => void = () => {}): void {
    this.#happened.projections++;
    const host = this.#host('project');
    this.#invoke(
      host,
      () => host.project(event, { getRemainingTimeInMillis: () => INVOCATION_MILLIS }),
      ({ ended }) => {
        if (ended !== 'answered') failed();
      },
    );
  }

  #invoke<Result>(
    host: Host,
    task: () => Promise<Result>,
    ended: (ending: Ending<Result>) => void,
    batch: readonly Truth[] = [],
    redrives = false,
  ): Invocation {
    const skew = this.#random.whole(-MAX_SKEW, MAX_SKEW);
    if (host.running.size === 0) {
      const drawn = this.#random.chance(0.3) ? MAX_SKEW : skew;
      host.skew = this.#givesUp > 0 ? Math.max(-CLOSE_SKEW, Math.min(CLOSE_SKEW, drawn)) : drawn;
    }
    const invocation = this.#stage.invoke(host, task, (ending) => {
      this.#running.delete(invocation);
      this.#held(() => {
        if (ending.ended === 'threw' && !this.#mayThrow(host, invocation, ending.error)) throw ending.error;
        must(ending.ended === 'answered' || !this.#faultless, 'What meets no fault answers', () => ending);
        ended(ending);
      });
    });
    this.#running.add(invocation);
    this.#messages.begins(invocation);
    const begunAt = this.#now();
    const arrival =
      this.#pipeline.source.lineage.arrivesWhenRead && !redrives
        ? ((begunAt + host.skew) as EpochMillis)
        : undefined;
    this.#work.set(invocation, { host, version: host.pipeline.version, batch, redrives, begunAt, arrival });
    return invocation;
  }

  /**
   * Says whether an invocation may throw this error: one that was injected, or one that says that newer code
   * was there before, or that the invocation knows a generation which has ended.
   */
  #mayThrow({ pipeline }: Host, invocation: Invocation, error: unknown): boolean {
    const injected = injectedAt(error);
    if (injected !== undefined) {
      // Of invocations that ran side by side, one may have waited for what another one requested.
      must(
        injected >= invocation.from,
        'An invocation fails by what happens while it runs, and by nothing before',
      );
      return true;
    }
    if (this.#messages.refused(invocation)) return true;
    // Only faults take so long: an invocation that meets none must answer.
    if (error === TIME_IS_UP) return true;
    // What makes a reader leave panes untaken was met, or is told as a fault.
    if (
      this.#upstream &&
      error instanceof Error &&
      error.message.startsWith('Cannot go on reading the panes')
    )
      return !this.#faultless;
    if (!(error instanceof OutdatedError)) return pipeline === this.#mistaken && error instanceof RangeError;
    const { version } = this.#audit.deployments;
    if (pipeline.version < version) this.#happened.outdated++;
    return pipeline.version < version || this.#mayBeOutdated(invocation) || this.#audit.generations > 1;
  }

  /**
   * Says whether the environment of an invocation may have read the deployment before the last version was
   * deployed: an environment goes by what it read for a minute. It reads the deployment again once it is told
   * so, and then tries the batch another time.
   */
  #mayBeOutdated(invocation: Invocation): boolean {
    const { begunAt } = this.#work.get(invocation) as Work;
    return this.#deployedAt > begunAt - MINUTE - MAX_SKEW;
  }

  /** Returns an environment for one more invocation, which is a warm or a new one. */
  #host(role: Role): Host {
    const serving = this.#random.pick(this.#serving);
    const hosts = this.#hosts[role].filter(({ alive, retired }) => alive && !retired).slice(-MAX_HOSTS);
    this.#hosts[role] = hosts;
    const free = hosts.filter(({ pipeline, running }) => pipeline === serving && running.size < this.#atOnce);
    if (free.length > 0 && this.#random.chance(this.#warmth)) {
      const warm = this.#random.pick(free);
      this.#happened[warm.running.size > 0 ? 'shared' : 'warm']++;
      if (warm.threw) this.#happened.recovered++;
      return warm;
    }
    const host = this.#begun(role, serving);
    hosts.push(host);
    return host;
  }

  #begun(role: Role, pipeline: Pipeline): Host {
    const { clock } = this.#world;
    const environment = this.#stage.environment(role);
    const ports = behind(this.#stage.gateOf(environment), {
      ...this.#world,
      limits: { ...LIMITS, ...this.#limits, inline: this.#inline },
      arrivals: this.#upstream
        ? panesArrivals(
            { ...this.#world, limits: { ...LIMITS, inline: this.#inline } },
            this.#upstream,
            pipeline,
          )
        : { frontier: (now) => this.#source.frontier(now, this.#world.progress) },
      clock: {
        ...clock,
        now: () => (clock.now() + host.skew) as EpochMillis,
        alarm: (at, ring) => clock.alarm((at - host.skew) as EpochMillis, ring),
        // The event loop stands still here, so requests are sent at once.
        turn: () => Promise.resolve(),
      },
      telemetry: {
        count: (metric, by) => this.#stage.running.telemetry.count(metric, by),
        countLate: (window, by) => this.#stage.running.telemetry.countLate(window, by),
        measure: (...measured) => this.#stage.running.telemetry.measure(...measured),
        measureLag: (...lag) => this.#stage.running.telemetry.measureLag(...lag),
        countDelivery: (...delivery) => this.#stage.running.telemetry.countDelivery(...delivery),
        warn: (message) => this.#stage.running.telemetry.warn(message),
        fault: (what, cause) => this.#stage.running.telemetry.fault(what, cause),
      },
    } satisfies Ports);
    const gate = this.#stage.gateOf(environment);
    const sender = (): SentBy => ({ invocation: this.#stage.running, now: ports.clock.now() });
    const seen = this.#tamper(this.#chained(ports, environment));
    const projected = { ...seen, outlets: this.#messages.outlets(gate, sender) };
    const redrivePorts = () => ({
      ...enginePorts(seen),
      reading: memoryReading(this.#world),
      unpack: SHAPES[this.#kind].membersOf,
    });
    const host: Host = Object.assign(environment, {
      pipeline,
      skew: 0,
      process: this.#upstream
        ? panesHandler(seen, pipeline, this.#watched(intakeOf(seen, pipeline)))
        : processHandler(seen, pipeline),
      sweep: sweepHandler(seen, pipeline),
      project: (event: Parameters<Host['project']>[0], context: InvocationContext) =>
        projectHandler(projected, this.#messages.served(pipeline, gate, sender))(event, context),
      rescale: (groups: number) => beginGeneration(enginePorts(seen), pipeline, groups),
      redriveFailed: async (wants: (missed: Missed) => boolean) => {
        const engine = {
          ...redrivePorts(),
          failures: this.#failuresBucket(),
          ...eventReaderOf(pipeline, ports.clock),
        };
        const redrive = await Redrive.begin(engine, pipeline);
        const chosen: Missed['record'][] = [];
        for await (const missed of missedRecords(engine, pipeline))
          if (!redrive.has(missed.record) && wants(missed)) chosen.push(missed.record);
        await redrive.take(chosen);
      },
      redrive: async (wants: (kept: Kept) => boolean) => {
        const engine = redrivePorts();
        const redrive = await Redrive.begin(engine, pipeline);
        for (const kind of ['poison', 'late'] as const) {
          const chosen: Kept['record'][] = [];
          for await (const kept of keptRecords(engine, pipeline.name, kind))
            if (isRedrivable(kept) && wants(kept)) chosen.push(kept.record);
          await redrive.take(chosen);
        }
      },
    });
    return host;
  }

  /** Adds what a chain needs: the stores of the pipeline that is read, or where its sweepers note how far they are. */
  #chained(ports: Ports, environment: Environment): Ports {
    const recording = this.#recording;
    if (recording) {
      const note = async (silence: EpochMillis) => void recording.swept.push({ silence, at: this.#now() });
      return { ...ports, swept: { note } };
    }
    if (this.#upstream === undefined) return ports;
    const { log } = behind(this.#stage.gateOf(environment), { ...ports, log: this.#upstream.log });
    return { ...ports, upstream: { ...this.#upstream, log } };
  }

  /** Notes which panes an invocation has read, and in which order it takes them in. */
  #watched(take: ReturnType<typeof intakeOf>): ReturnType<typeof intakeOf> {
    return (records, ...rest) => {
      const invocation = this.#stage.running;
      const work = this.#work.get(invocation) as Work;
      const truths = records.map((record) => {
        const truth = this.#recorded.get(placeName(record));
        must(truth !== undefined, 'A reader takes in the panes of its source alone', () => placeName(record));
        return truth;
      });
      // The latest read is first: what is read again may be in another order, as clocks differ, and as what has been
      // covered meanwhile is before it no more.
      this.#work.set(invocation, { ...work, batch: [...truths, ...work.batch] });
      return take(records, ...rest);
    };
  }

  #failuresBucket() {
    const failed = this.#failed;
    return {
      async *list() {
        yield* [...failed.keys()];
      },
      read: async (name: string) => failed.get(name),
    };
  }

  /** Audits every call that landed. Every entry wakes the projector, also those of its own logs. */
  #landed(invocation: Invocation, call: Call, name: string, answer: unknown): void {
    if (answer === 'created' && name.startsWith(STATE_PREFIX)) this.#createdAt.set(name, this.#now());
    if (answer === 'created' && name.startsWith(REDRIVE_PREFIX)) {
      this.#held(() => {
        const { kept, missed } = this.#audit.listed(this.#world.objects.stored.get(name)?.body);
        this.#happened.redrives += kept;
        this.#happened.missed += missed;
      });
    }
    if (call !== 'log.append' || answer !== 'committed') return;
    const entry = this.#world.log.logs.get(name)?.at(-1);
    if (entry) this.#recording?.entries.push({ log: name, entry: this.#whole(entry), at: this.#now() });
    this.#held(() => {
      const { version, batch, redrives, arrival, host } = this.#work.get(invocation) as Work;
      const { length } = this.#audit.deployments;
      if (entry)
        this.#audit.appended(name, this.#whole(entry), version, redrives ? 'redriven' : batch, arrival);
      const sender = { invocation, now: (this.#now() + host.skew) as EpochMillis };
      const pipeline = this.#versions.find((one) => one.version === version);
      if (entry) this.#messages.appended(name, this.#whole(entry), sender, pipeline);
      if (this.#audit.deployments.length > length) this.#deployedAt = this.#now();
    });
    const { name: pipeline } = this.#pipeline;
    const isWoken = name.startsWith(groupLogPrefix(pipeline)) || name === rowsLog(pipeline);
    if (isWoken) this.#wakeUps.push({ log: name, ordinal: entry?.ordinal ?? 0 });
  }

  /** Returns an entry with its body, wherever that is stored. */
  #whole({ stored, ...place }: StoredEntry): LogEntry {
    const name = bodyObjectOf({ stored });
    if (name === undefined) return { ...place, body: stored };
    const object = this.#world.objects.stored.get(name);
    must(object !== undefined, 'A body is there before the entry that names it');
    return { ...place, body: object.body };
  }

  /** Runs a check. What it throws ends the schedule, and the invocation that is checked never sees it. */
  #held(check: () => void): void {
    try {
      check();
    } catch (failure) {
      this.#failure ??= failure;
    }
  }

  #isConsumed(): boolean {
    return this.#source.nextArrival() === undefined && this.#source.drained;
  }
}

/** Returns the generation of a group's log. */
const generationOf = (log: string): number => Number(log.split('/').at(-2));
