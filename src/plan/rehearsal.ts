import { KeyState } from '../core/key.ts';
import { Panes } from '../core/panes.ts';
import type { Plain } from '../core/plain.ts';
import { before, type EpochMillis, millis } from '../core/time.ts';
import { rowsOf } from '../engine/delivery/project-rows.ts';
import { writtenPane } from '../engine/delivery/written-pane.ts';
import { draftEntry } from '../engine/format/next-entry.ts';
import { deflate } from '../engine/format/packed.ts';
import { type Deployment, firstDeployment } from '../engine/group/deployment.ts';
import { EMPTY_GROUP, type Folded, type Group, type GroupPane, listPanes } from '../engine/group/group.ts';
import { stateWeight } from '../engine/group/room.ts';
import { fold, foldIdle } from '../engine/intake/fold.ts';
import { bytesOf } from '../engine/log/group-cache.ts';
import { byKind } from '../pipeline/kinds.ts';
import type { MessageSink } from '../pipeline/message-sinks.ts';
import type { Pane, Pipeline } from '../pipeline/pipeline.ts';
import { LIMITS } from '../ports/limits.ts';
import { attributeBytes, ENTRY_BYTES, writeUnits } from './items.ts';
import type { Intake } from './lineages.ts';
import type { Load } from './load.ts';
import { Synthetic } from './synthetic.ts';

/** What the entries of one writer come to, on average. */
interface Entries {
  /** Entries a second of one group. */
  readonly rate: number;
  readonly writeUnits: number;
  /** The share whose body is an object, and how large that is. */
  readonly objects: number;
  readonly objectBytes: number;
  /** The bytes of an item, with its body where that is none. */
  readonly itemBytes: number;
}

/** What one group's panes come to, a second. */
interface PaneRates {
  readonly panes: number;
  /** The rows that are written once for all, many to a request, and those that are written one by one. */
  readonly settledRows: number;
  readonly rows: number;
  /** Write units of all rows. */
  readonly rowUnits: number;
  /** The bytes of all rows that replace no other: those that a table grows by. */
  readonly keptRowBytes: number;
  readonly latestRowBytes: number;
  /** The bytes of the panes as lines of JSON, deflated. */
  readonly lineBytes: number;
  /** By the name of a sink, what it sends of them. */
  readonly messages: ReadonlyMap<string, MessageRates>;
}

/** The messages that a sink makes of one group's panes, a second. */
interface MessageRates {
  readonly count: number;
  readonly bytes: number;
  /** How many are the first of their key in a delivery, how many the second, and so on. */
  readonly rounds: readonly number[];
  /** The share of deliveries that have any of each round: where messages come in bursts, most deliveries have none. */
  readonly bursts: readonly number[];
}

/** How one key group fares under a load. */
export interface Rehearsal {
  /** All groups, and those that have keys. */
  readonly allGroups: number;
  readonly groups: number;
  readonly keysOfGroup: number;
  /** The groups that a batch touches, and the records of a commit. */
  readonly touched: number;
  readonly recordsOfCommit: number;
  readonly handler: Entries;
  readonly sweeper: Entries;
  readonly panes: PaneRates;
  /** The bytes of a snapshot; what the group weighs at worst, as `LIMITS` counts it; and what it takes in memory. */
  readonly stateBytes: number;
  readonly weight: number;
  readonly memory: number;
  /** Panes that one record brings, on average. */
  readonly panesOfRecord: number;
  /** Whether the state still grew when there was no more time to look. */
  readonly grows: boolean;
  /** The share of the records that were refused, as a function of the definition threw on made-up values. */
  readonly refused: number;
}

/** How many records and commits are folded at most to fill windows, and to measure commits. */
const FILLING = 15_000;
const MEASURED = 80_000;
const COMMITS = 200;
const STEPS = 50;
const MOST_KEYS = 400;

/** A state has settled that grew by less than this share in the latest quarter of the filling. */
const SETTLED = 0.03;

const START = Date.UTC(2026, 0, 5, 12);
const MINUTE = 60_000;
/** As of a sweep: how much later than a record's arrival its silence counts. */
const MARGIN = millis('10s');

/** The bytes of a body that holds nothing. */
const EMPTY_BODY = 70;

/**
 * Lets one key group take records in as the engine would, commit by commit, with the sweeper and the projector coming
 * by, and says what that comes to. It folds and writes the entries themselves, of made-up records, so that what a
 * definition's windows store and emit is counted and not guessed. It is pure, and takes about a second at most: of many
 * keys it takes some, and of long windows the first.
 *
 * @param values of real records, what `Inputs` read of each; without them values are made up
 * @param effort the share of the commits to look at that would otherwise be
 */
export function rehearse(
  pipeline: Pipeline,
  load: Load,
  intake: Intake,
  {
    values,
    effort = 1,
  }: { readonly values?: readonly (readonly Plain[])[] | undefined; readonly effort?: number } = {},
): Rehearsal {
  const { keys, recordsPerSecond } = load;
  const groups = pipeline.groups * (1 - (1 - 1 / pipeline.groups) ** keys);
  const keysOfGroup = keys / groups;
  const reached = Math.max(1, (intake.groups * groups) / pipeline.groups);
  const touched = reached * (1 - (1 - 1 / reached) ** intake.batch);
  const recordsOfCommit = intake.batch / touched;
  const rate = (intake.batches * touched) / groups;

  const perKey = recordsPerSecond / keys;
  const span = spanOf(pipeline);
  const toFill = Math.max(2 * span.seconds * perKey, 1.5 * span.records);
  const simulated = Math.max(1, Math.min(Math.round(keysOfGroup), MOST_KEYS, Math.floor(FILLING / toFill)));
  const share = keysOfGroup / simulated;
  const records = Math.max(1, recordsOfCommit / share);
  const seconds = records / (perKey * simulated);
  const stage = new Stage(pipeline, load, new Synthetic(pipeline, simulated, values), seconds);

  // Windows are filled in a few large steps, and then commits are as large as they will be.
  const filling = Math.min(FILLING, toFill * simulated);
  const step = Math.max(records, filling / STEPS);
  const weights: number[] = [];
  let coarse: Tally | undefined;
  for (let folded = 0; folded < filling; folded += step) {
    if (coarse === undefined && folded >= filling / 2) coarse = stage.begin(1, share);
    stage.commit(step, step / (perKey * simulated));
    weights.push(stage.weight);
  }
  const fine = stage.begin(recordsOfCommit / records, share);
  const commits = Math.ceil(effort * Math.min(COMMITS, Math.max(20, Math.floor(MEASURED / records))));
  for (let commit = 0; commit < commits; commit++) stage.commit(records, seconds);
  stage.deliver();

  const longEnough = coarse === undefined || fine.seconds >= 2 * span.seconds;
  const panes = (longEnough ? fine : (coarse as Tally)).panes(share);
  const earlier = weights[Math.floor(0.75 * weights.length)] ?? stage.weight;
  return {
    allGroups: pipeline.groups,
    groups,
    keysOfGroup,
    touched,
    recordsOfCommit,
    handler: { ...fine.handler.average(), rate },
    sweeper: { ...fine.sweeper.average(), rate: sweepsOf(fine, share) },
    panes,
    stateBytes: EMPTY_BODY + (stage.stateBytes - EMPTY_BODY) * share,
    weight: stage.weight * share,
    memory: stage.memory * share,
    panesOfRecord: panes.panes / ((recordsPerSecond / keys) * keysOfGroup),
    grows: stage.weight > (1 + SETTLED) * earlier,
    refused: stage.refused / Math.max(1, stage.taken),
  };
}

/** Entries a second of the sweeper: it finds something in a minute the more often, the more keys a group has. */
const sweepsOf = ({ sweeper, seconds }: Tally, share: number): number => {
  const minutes = seconds / 60;
  const chance = Math.min(1, sweeper.entries / Math.max(1, minutes));
  return (1 - (1 - chance) ** share) / 60;
};

/** How long windows take to fill: the longest window of time, and the most records that a window counts. */
function spanOf({ rules }: Pipeline): { readonly seconds: number; readonly records: number } {
  const state = new KeyState(rules);
  const at = START as EpochMillis;
  let longest = MINUTE;
  try {
    const panes = new Panes(rules);
    state.apply(
      { at, arrival: at, values: rules.inputs.kinds.map((kind) => (kind === 'number' ? 1 : 'value')) },
      panes,
    );
    for (const { start, end } of state.listOpen().flat()) {
      if (Number.isFinite(end - start)) longest = Math.max(longest, end - start);
    }
  } catch {
    // A function of the author's does not take such values: windows count as short.
  }
  const counts = rules.windows.map(({ operator }) => Number(COUNTED.exec(operator.signature)?.[1] ?? 1));
  return { seconds: (longest + rules.time.outOfOrderness) / 1_000, records: Math.max(...counts) };
}

/** How the signatures begin of windows that count records. */
const COUNTED = /^(?:rolling|batches)\((\d+)/;

/** Adds up the entries of one writer. */
class Sum {
  entries = 0;
  #units = 0;
  #objects = 0;
  #objectBytes = 0;
  #itemBytes = 0;

  add(body: number): void {
    const isObject = body > LIMITS.inline;
    const item = ENTRY_BYTES + (isObject ? NAME_BYTES : body);
    this.entries++;
    this.#units += writeUnits(item);
    this.#objects += Number(isObject);
    this.#objectBytes += isObject ? body : 0;
    this.#itemBytes += item;
  }

  average(): Omit<Entries, 'rate'> {
    const each = (sum: number) => sum / Math.max(1, this.entries);
    return {
      writeUnits: each(this.#units),
      objects: each(this.#objects),
      objectBytes: this.#objects === 0 ? 0 : this.#objectBytes / this.#objects,
      itemBytes: each(this.#itemBytes),
    };
  }
}

/** What an entry holds in place of a body that is an object. */
const NAME_BYTES = 110;

/** What happened from some time on. */
class Tally {
  readonly handler = new Sum();
  readonly sweeper = new Sum();
  readonly messages = new Map<string, { bytes: number; rounds: number[]; deliveries: number[] }>();
  deliveries = 0;
  seconds = 0;
  emitted = 0;
  settledRows = 0;
  rows = 0;
  rowUnits = 0;
  keptRowBytes = 0;
  latestRowBytes = 0;
  lineBytes = 0;
  /** By how much a delta, and a snapshot, of the group would be larger than that of the keys that are looked at. */
  readonly #deltas: number;
  readonly #snapshots: number;

  constructor(deltas: number, snapshots: number) {
    this.#deltas = deltas;
    this.#snapshots = snapshots;
  }

  entry(by: 'handler' | 'sweeper', body: number, isSnapshot: boolean): void {
    const scale = isSnapshot ? this.#snapshots : this.#deltas;
    this[by].add(EMPTY_BODY + Math.max(0, body - EMPTY_BODY) * scale);
  }

  panes(share: number): PaneRates {
    const aSecond = (sum: number) => (sum * share) / Math.max(1e-9, this.seconds);
    return {
      panes: aSecond(this.emitted),
      settledRows: aSecond(this.settledRows),
      rows: aSecond(this.rows),
      rowUnits: aSecond(this.rowUnits),
      keptRowBytes: aSecond(this.keptRowBytes),
      latestRowBytes: this.rows === 0 ? 0 : this.latestRowBytes / this.rows,
      lineBytes: aSecond(this.lineBytes),
      messages: new Map(
        [...this.messages].map(([name, sent]) => {
          const rounds = sent.rounds.map(aSecond);
          const count = rounds.reduce((sum, of) => sum + of, 0);
          const bursts = sent.rounds.map((messages, round) =>
            busyShare(messages / this.deliveries, (sent.deliveries[round] ?? 0) / this.deliveries),
          );
          return [name, { count, bytes: aSecond(sent.bytes), rounds, bursts }];
        }),
      ),
    };
  }
}

/** One group at work, by a clock of its own. */
class Stage {
  readonly #pipeline: Pipeline;
  readonly #deployment: Deployment;
  readonly #records: Synthetic;
  readonly #every: number;
  /** How long two deliveries are apart at least. */
  readonly #apart: number;
  #group: Group = EMPTY_GROUP;
  #now = START;
  #swept = START;
  #delivered = START;
  #waiting: GroupPane[] = [];
  #owed = 0;
  #tally = new Tally(1, 1);
  taken = 0;
  refused = 0;
  memory = 0;

  /** @param seconds the time between two commits as they will be */
  constructor(pipeline: Pipeline, { deliveryWindow }: Load, records: Synthetic, seconds: number) {
    this.#pipeline = pipeline;
    this.#deployment = firstDeployment(pipeline);
    this.#records = records;
    this.#every = Math.max(1, deliveryWindow);
    this.#apart = Math.max(this.#every, 1_000 * seconds);
  }

  get weight(): number {
    return stateWeight(this.#group);
  }

  get stateBytes(): number {
    return this.#group.base?.stateBytes ?? 0;
  }

  /** Counts anew from now on. */
  begin(deltas: number, snapshots: number): Tally {
    this.deliver();
    this.#tally = new Tally(deltas, snapshots);
    return this.#tally;
  }

  /** Lets some time pass in which some records come, and commits them at its end. */
  commit(records: number, seconds: number): void {
    this.#owed += records;
    const count = Math.floor(this.#owed);
    this.#owed -= count;
    const until = this.#now + 1_000 * seconds;
    const made = Array.from({ length: count }, (_, at) =>
      this.#records.next(Math.round(this.#now + ((at + 1) / count) * 1_000 * seconds) as EpochMillis),
    );
    this.#now = until;
    this.#tally.seconds += seconds;
    if (made.length > 0) {
      const folded = fold(this.#deployment, this.#group, made);
      this.taken += folded.taken;
      this.refused += folded.poison.length;
      this.#append('handler', folded);
    }
    if (this.#now - this.#swept >= MINUTE) this.#sweep();
    if (this.#now - this.#delivered >= this.#every) this.deliver();
  }

  #sweep(): void {
    this.#swept = this.#now;
    const now = before(Math.round(this.#now) as EpochMillis, MARGIN);
    const passed = foldIdle(this.#deployment, this.#group, now);
    if (passed.changed) this.#append('sweeper', passed);
  }

  #append(by: 'handler' | 'sweeper', folded: Folded): void {
    const at = Math.round(this.#now) as EpochMillis;
    const { entry, group } = draftEntry(this.#deployment, this.#group, folded, at, { arrived: at }).write();
    this.#group = group;
    this.#tally.entry(by, entry.body.length, group.base?.ordinal === entry.ordinal);
    // An environment packs its groups before it lets go of one.
    group.keys.pack();
    this.memory = bytesOf(group);
    if (this.#pipeline.sinks.length > 0) this.#waiting.push(...listPanes(folded.panes));
    this.#tally.emitted += folded.panes.length;
  }

  /** Delivers what has been committed since the last time: a large step holds the panes of many deliveries. */
  deliver(): void {
    const deliveries = Math.max(1, Math.floor((this.#now - this.#delivered) / this.#apart));
    this.#delivered = this.#now;
    const panes = this.#waiting;
    this.#waiting = [];
    this.#tally.deliveries += deliveries;
    if (panes.length === 0) return;
    const size = Math.ceil(panes.length / deliveries);
    const lines: string[] = [];
    for (let at = 0; at < panes.length; at += size) {
      const written = this.#deliverAtOnce(panes.slice(at, at + size));
      lines.push(...written.map((pane) => JSON.stringify(pane)));
    }
    this.#tally.lineBytes += deflate(Buffer.from(lines.join('\n'))).length;
  }

  #deliverAtOnce(panes: readonly GroupPane[]): readonly Pane[] {
    const tally = this.#tally;
    for (const row of rowsOf(this.#pipeline, panes)) {
      const bytes = attributeBytes(row.pane) + row.partition.length + row.sort.length + NUMBERED;
      tally.rowUnits += writeUnits(bytes);
      if (row.settled) tally.settledRows++;
      else tally.rows++;
      if (row.sort.endsWith('#latest')) tally.latestRowBytes += bytes;
      else tally.keptRowBytes += bytes;
    }
    const written = panes.map((pane) => writtenPane(this.#pipeline, pane));
    for (const sink of this.#pipeline.sinks) {
      if (!('name' in sink)) continue;
      const counted = tally.messages.get(sink.name) ?? { bytes: 0, rounds: [], deliveries: [] };
      const onlyLatest = byKind<MessageSink, boolean>(sink, LATEST);
      const sent = new Map<string, number[]>();
      for (const pane of written) {
        const bytes = messageBytesOf(sink, pane);
        if (bytes === undefined) continue;
        const of = onlyLatest ? JSON.stringify([pane.key, pane.window]) : pane.key;
        const earlier = onlyLatest ? [] : (sent.get(of) ?? []);
        sent.set(of, [...earlier, bytes]);
      }
      for (const sizes of sent.values()) {
        for (const [round, bytes] of sizes.entries()) {
          counted.bytes += bytes;
          counted.rounds[round] = (counted.rounds[round] ?? 0) + 1;
        }
      }
      const most = Math.max(0, ...[...sent.values()].map(({ length }) => length));
      for (let round = 0; round < most; round++)
        counted.deliveries[round] = (counted.deliveries[round] ?? 0) + 1;
      tally.messages.set(sink.name, counted);
    }
    return written;
  }
}

/**
 * Returns the share of deliveries in which messages come, if these come at random then and not at all otherwise: the
 * share `a` for which a(1 - exp(-mean / a)) of the deliveries have any.
 */
function busyShare(mean: number, withAny: number): number {
  let [low, high] = [withAny, 1];
  for (let halving = 0; halving < 30; halving++) {
    const middle = (low + high) / 2;
    if (middle * (1 - Math.exp(-mean / middle)) < withAny) low = middle;
    else high = middle;
  }
  return high;
}

/** Whether a sink sends of a delivery only the latest pane of each key and window. */
const LATEST = { notify: () => false, stream: () => false, push: () => true, sink: () => false };

/** What a row holds beside its pane, its partition and its name: the names of these, and its order. */
const NUMBERED = 24;

/** Returns the bytes of the message that a sink makes of a pane; undefined where it makes none. */
function messageBytesOf(sink: MessageSink, pane: Pane): number | undefined {
  if (sink.windows && !sink.windows.includes(pane.window)) return undefined;
  try {
    if (sink.when && !sink.when(pane)) return undefined;
    const body = 'message' in sink && sink.message ? sink.message(pane) : pane;
    return Buffer.byteLength(JSON.stringify(body) ?? '') + pane.id.length;
  } catch {
    // A function of the author's does not take made-up values.
    return Buffer.byteLength(JSON.stringify(pane)) + pane.id.length;
  }
}
