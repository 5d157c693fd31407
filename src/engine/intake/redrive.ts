import { LoggableError } from '../../core/loggable.ts';
import { type Position, positionOf, unorderedPositionOf } from '../../core/position.ts';
import { type EpochMillis, millis, parseIsoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { EnginePorts } from '../../ports/index.ts';
import type { ObjectReader } from '../../ports/reading.ts';
import type { SourceRecord } from '../../ports/source.ts';
import type { Metric } from '../../ports/telemetry.ts';
import { definitionLog, ofPipeline, REDRIVE_PREFIX, redriveDone, redriveObject } from '../../wiring/names.ts';
import { REDRIVE_LINEAGE } from '../group/taken.ts';
import { definitionIn, holdDeployment } from '../log/definition-log.ts';
import { GroupLogs } from '../log/group-logs.ts';
import { type Kept, keptId } from './kept-records.ts';
import { type KeptRecord, readKept } from './poison.ts';
import { processBatch } from './process-batch.ts';

export interface RedrivePorts extends Pick<EnginePorts, 'log' | 'objects' | 'clock' | 'limits'> {
  readonly reading: { readonly objects: ObjectReader };
  /** Takes a record's bytes apart, where producers of its source may have packed several records into one. */
  readonly unpack?: ((data: Uint8Array) => SourceRecord['members']) | undefined;
}

/** How many records, and how many bytes of them, one redrive lists at most. */
const MAX_RECORDS = 5_000;
const MAX_BYTES = 4 * 1_048_576;

/** How many positions a redrive has: more than it has records. */
const POSITIONS = 1_000_000;

/** For how long a try works before it looks again. */
const TRY = millis('1m');

/** How often a redrive is tried before it gives up. */
const MAX_TRIES = 5;

/** How the records of redrives were counted. */
export type RedriveCounts = Readonly<Record<'records' | 'applied' | 'late' | 'filtered' | 'poison', number>>;

/**
 * Takes records in again that were refused, came late, or were given up, each once.
 *
 * The records of a redrive are an ordered lineage of their own, but for those that a source without order gave up,
 * which keep the place by which that source knows them. An object lists them, which is created once and
 * never changed, so that each has one position whoever takes it in: a group drops what it has taken in already,
 * as it does with records of a source. The lists are numbered without a gap, and the next one is created only
 * when all records of this one are in. So a redrive that is repeated, killed at any point or run by two people
 * at once takes each record in once.
 */
export class Redrive {
  readonly #ports: RedrivePorts;
  readonly #pipeline: Pipeline;
  readonly #counted = { records: 0, applied: 0, late: 0, filtered: 0, poison: 0 };
  /** The ids of the refused and late records that are in a list. */
  readonly #listed = new Set<string>();
  /** The places of records that were given up, of which a list has all parts that were missed. */
  readonly #listedFailed = new Set<string>();
  #last = 0;
  #tell: (counts: RedriveCounts) => void;

  private constructor(ports: RedrivePorts, pipeline: Pipeline, tell: (counts: RedriveCounts) => void) {
    this.#ports = ports;
    this.#pipeline = pipeline;
    this.#tell = tell;
  }

  /**
   * Begins where earlier redrives ended, and finishes the last of them if it was interrupted.
   *
   * @param tell called each time that records are in
   * @throws Error when the pipeline has not begun, or this is not the definition at work
   */
  static async begin(
    ports: RedrivePorts,
    pipeline: Pipeline,
    tell: (counts: RedriveCounts) => void = () => {},
  ): Promise<Redrive> {
    await mustBeAtWork(ports, pipeline);
    const redrive = new Redrive(ports, pipeline, tell);
    await redrive.#catchUp();
    return redrive;
  }

  /** The number of the last list. */
  get last(): number {
    return this.#last;
  }

  get counts(): RedriveCounts {
    return { ...this.#counted };
  }

  /** Whether a record is in a list, so that it was taken in again. */
  has(record: KeptRecord): boolean {
    return record.failed ? this.#listedFailed.has(placeOf(record)) : this.#listed.has(keptId(record));
  }

  /**
   * Takes those of the records in that are in no list yet.
   *
   * @param records those of one source record stand one after the other
   */
  async take(records: AsyncIterable<KeptRecord> | Iterable<KeptRecord>): Promise<void> {
    let list: KeptRecord[] = [];
    let bytes = 0;
    for await (const record of records) {
      if (this.has(record)) continue;
      const before = list.at(-1);
      const isSame = before !== undefined && isOfSame(before, record);
      if (!isSame && (list.length >= MAX_RECORDS || bytes + record.data.length > MAX_BYTES)) {
        await this.#takeList(list);
        [list, bytes] = [[], 0];
      }
      list.push(record);
      bytes += isSame ? 0 : record.data.length;
    }
    await this.#takeList(list);
  }

  async #takeList(records: readonly KeptRecord[]): Promise<void> {
    const { objects, clock } = this.#ports;
    for (;;) {
      const rest = records.filter((record) => !this.has(record));
      if (rest.length === 0) return;
      const number = this.#last + 1;
      const body = Buffer.from(
        [{ redrive: number, at: clock.now() }, ...rest.map(lineOf)]
          .map((line) => `${JSON.stringify(line)}\n`)
          .join(''),
      );
      const name = redriveObject(this.#pipeline.name, number);
      await objects.create(name, { body, contentType: 'application/x-ndjson' });
      // The list may be another's, who was first. Then its records are taken in, and these are listed after it.
      await this.#catchUp();
    }
  }

  /** Reads the lists that are new, and takes in the records of those that are not done. */
  async #catchUp(): Promise<void> {
    for (;;) {
      const { name } = this.#pipeline;
      const number = this.#last + 1;
      const body = await this.#ports.objects.read(redriveObject(name, number));
      if (body === undefined) return;
      const list = readList(body);
      const done = redriveDone(name, number);
      if (!(await this.#ports.objects.exists(done))) {
        await this.#process(number, list);
        await this.#ports.objects.create(done, { body: new Uint8Array(), contentType: 'text/plain' });
      }
      for (const record of list.records) {
        if (record.failed) this.#listedFailed.add(placeOf(record));
        else this.#listed.add(keptId(record));
      }
      this.#last = number;
    }
  }

  async #process(number: number, { at, records }: List): Promise<void> {
    const { log, objects, clock, limits, unpack } = this.#ports;
    const pipeline = this.#pipeline;
    const { ordered } = pipeline.source.lineage;
    const wantedOf = new Map<SourceRecord, readonly KeptRecord[]>();
    for (const [place, parts] of bySource(records).entries()) {
      const [record] = parts as readonly [KeptRecord];
      const { partitionKey, data: base64 } = record;
      const data = Buffer.from(base64, 'base64');
      const members = unpack?.(data);
      wantedOf.set(
        {
          ...(record.failed && !ordered
            ? ownPlace(record)
            : { lineage: REDRIVE_LINEAGE, position: redrivePosition(ordered, number, place) }),
          arrival: at,
          waitedSince: parseIsoTime(record.arrival) ?? at,
          partitionKey,
          data,
          ...(members && { members }),
        },
        parts,
      );
    }
    const wants = (source: SourceRecord, member: number, child: number): boolean =>
      (wantedOf.get(source) ?? []).some(
        (part) => (!part.packed || part.member === member) && (!part.expanded || part.child === child),
      );
    let fault: unknown;
    const counted = new Map<Metric, number>();
    const telemetry = {
      count: (metric: Metric, by: number) => void counted.set(metric, (counted.get(metric) ?? 0) + by),
      countLate: () => {},
      countDelivery: () => {},
      measure: () => {},
      measureLag: () => {},
      warn: () => {},
      fault: (_what: string, cause: unknown) => {
        fault = cause;
      },
    };
    // The sweeper asks for the progress of the source's lineages alone.
    const progress = { note: async () => {}, read: async () => undefined };
    const engine = { log, objects, clock, telemetry, progress, ...(limits && { limits }) };
    let rest: readonly SourceRecord[] = [...wantedOf.keys()];
    const logsNow = async () => new GroupLogs(engine, await holdDeployment(engine, pipeline));
    for (let tries = 0; rest.length > 0; tries++) {
      if (tries === MAX_TRIES) {
        throw new LoggableError(
          `Cannot redrive all records as ${rest.length} of redrive ${number} could not be committed in ${MAX_TRIES} tries: run the same command again to go on`,
          { cause: fault },
        );
      }
      const deadline = (clock.now() + TRY) as EpochMillis;
      const { again } = await processBatch(engine, await logsNow(), rest, deadline, logsNow, wants);
      if (again.length < rest.length) tries = -1;
      rest = again;
    }
    this.#counted.records += records.length;
    for (const name of ['applied', 'late', 'filtered', 'poison'] as const)
      this.#counted[name] += counted.get(name) ?? 0;
    this.#tell(this.counts);
  }
}

/**
 * Returns the place at which the source of a record that it gave up delivered it. A source without order knows the
 * record by that alone, so that a group which has taken it in already drops it.
 */
const ownPlace = ({ lineage, position }: KeptRecord): Pick<SourceRecord, 'lineage' | 'position'> => ({
  lineage,
  position: unorderedPositionOf(position),
});

/** Returns the position of a record of a redrive: one that follows those of all earlier redrives. */
const redrivePosition = (ordered: boolean, number: number, place: number): Position =>
  ordered
    ? positionOf(String(number * POSITIONS + place))
    : unorderedPositionOf(`redrive-${number}-${place}`);

interface List {
  /** When the list was made, which is when its records arrive. */
  readonly at: EpochMillis;
  readonly records: readonly KeptRecord[];
}

function readList(body: Uint8Array): List {
  const [head, ...records] = readKept<KeptRecord>(body);
  return { at: (head as unknown as Pick<List, 'at'>).at, records };
}

/** Returns the line of a record in a list, which has the bytes of the record unless the line before has them. */
function lineOf(record: KeptRecord, at: number, all: readonly KeptRecord[]): Partial<KeptRecord> {
  const { lineage, position, member, child, expanded, packed, arrival, partitionKey, data, failed } = record;
  const before = all[at - 1];
  return {
    lineage,
    position,
    member,
    child,
    expanded,
    packed,
    arrival,
    partitionKey,
    ...(failed && { failed }),
    ...(before && isOfSame(before, record) ? {} : { data }),
  };
}

const isOfSame = (a: KeptRecord, b: KeptRecord): boolean =>
  a.lineage === b.lineage && a.position === b.position;

const placeOf = ({ lineage, position }: KeptRecord): string => `${lineage}\n${position}`;

/** Parts records by the source's record that they are of, in order. */
function bySource(records: readonly KeptRecord[]): readonly (readonly KeptRecord[])[] {
  const parted: KeptRecord[][] = [];
  for (const record of records) {
    const last = parted.at(-1);
    if (last?.[0] && isOfSame(last[0], record)) last.push(record);
    else parted.push([record]);
  }
  return parted;
}

/** Returns which of the kept records are in lists, and how many lists there are, without taking anything in. */
export async function redrivenRecords(
  { reading }: Pick<RedrivePorts, 'reading'>,
  pipeline: string,
): Promise<ReadonlySet<string>> {
  const listed = new Set<string>();
  for await (const name of reading.objects.list(ofPipeline(REDRIVE_PREFIX, pipeline))) {
    if (!name.endsWith('.ndjson')) continue;
    const body = await reading.objects.read(name);
    // What failed was not refused by then, and may have been by the redrive itself.
    for (const record of body ? readList(body).records : []) if (!record.failed) listed.add(keptId(record));
  }
  return listed;
}

/** Says whether a redrive could change anything by taking a record in. */
export const isRedrivable = ({ record }: Kept): boolean => !('applied' in record && record.applied);

/** Says in which redrive a record was taken in again before it was refused; undefined where in none. */
export function redriveOf({
  lineage,
  position,
}: Pick<KeptRecord, 'lineage' | 'position'>): number | undefined {
  if (lineage !== REDRIVE_LINEAGE) return undefined;
  const number = /^redrive-(\d+)-/.exec(position)?.[1];
  return number === undefined ? Math.floor(Number(position) / POSITIONS) : Number(number);
}

async function mustBeAtWork(ports: RedrivePorts, { name, version }: Pipeline): Promise<void> {
  const last = await ports.log.latest(definitionLog(name));
  if (last === undefined)
    throw new Error(`Cannot redrive records of "${name}" as it must have begun: there are no logs of it`);
  const { version: atWork } = definitionIn(last);
  // A higher version would be put to work before its code is deployed, and of a lower one no commit is taken.
  if (version !== atWork) {
    throw new RangeError(
      `Cannot redrive records of "${name}" as its definition must be the one at work: that is version ${atWork}, this is version ${version}`,
    );
  }
}
