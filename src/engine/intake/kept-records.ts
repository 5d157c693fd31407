import { createHash } from 'node:crypto';
import { LogLostError } from '../../ports/commit-log.ts';
import { inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import type { ObjectReader } from '../../ports/reading.ts';
import { groupLog, keptPlace, LATE_PREFIX, ofPipeline, POISON_PREFIX } from '../../wiring/names.ts';
import { decodeLedger } from '../format/entry.ts';
import { type KeptRecord, type LateLine, lateObjectOf, type RefusedRecord, readKept } from './poison.ts';

export type KeptKind = 'poison' | 'late';

/** A record that is kept, with what the logs tell of it. */
export interface Kept {
  /** Identifies the record, in 16 hexadecimal digits. */
  readonly id: string;
  readonly record: RefusedRecord | LateLine;
  /** The object that holds it. */
  readonly object: string;
  /**
   * Whether the entry that commits it is there and names the object. False where the entry has expired, so that
   * nobody can tell a record of a commit from what a failed try left behind.
   */
  readonly confirmed: boolean;
}

export interface KeptPorts extends Pick<EnginePorts, 'log'> {
  readonly reading: { readonly objects: ObjectReader };
}

/** Returns what identifies a record: its place, or that of what was refused as a whole. */
export const keptId = ({ lineage, position, member, child, expanded, packed }: KeptRecord): string =>
  createHash('sha256')
    .update(`${lineage}\n${position}\n${packed ? member : ''}\n${expanded ? child : ''}`)
    .digest('hex')
    .slice(0, 16);

/** How many objects are read at a time, of up to 4 MB each. */
const OBJECTS_AT_A_TIME = 8;

/**
 * Returns the records of a pipeline that are kept, each once. It leaves out what a try left behind that was not
 * committed: the records of such a try came again.
 *
 * @param tell called with the number of objects read so far
 */
export async function* keptRecords(
  { log, reading }: KeptPorts,
  pipeline: string,
  kind: KeptKind,
  tell: (objects: number) => void = () => {},
): AsyncGenerator<Kept> {
  const prefix = ofPipeline(kind === 'poison' ? POISON_PREFIX : LATE_PREFIX, pipeline);
  const commits = new Commits(log, pipeline, kind);
  const seen = new Set<string>();
  /** Objects of which no entry tells, which are read last: another object may have the same records. */
  const unconfirmed: string[] = [];
  let read = 0;
  async function* recordsOf(objects: readonly string[], confirmed: boolean): AsyncGenerator<Kept> {
    const bodies = await inParallel(objects, (object) => reading.objects.read(object), OBJECTS_AT_A_TIME);
    for (const [at, body] of bodies.entries()) {
      tell(++read);
      for (const record of body ? readKept<RefusedRecord | LateLine>(body) : []) {
        const id = keptId(record);
        if (seen.has(id)) continue;
        seen.add(id);
        yield { id, record, object: objects[at] as string, confirmed };
      }
    }
  }
  let confirmed: string[] = [];
  for await (const object of reading.objects.list(prefix)) {
    const outcome = await commits.outcomeOf(object);
    if (outcome === 'committed') confirmed.push(object);
    if (outcome === 'expired') unconfirmed.push(object);
    if (outcome === 'not committed') tell(++read);
    if (confirmed.length < OBJECTS_AT_A_TIME) continue;
    yield* recordsOf(confirmed, true);
    confirmed = [];
  }
  yield* recordsOf(confirmed, true);
  for (let at = 0; at < unconfirmed.length; at += OBJECTS_AT_A_TIME)
    yield* recordsOf(unconfirmed.slice(at, at + OBJECTS_AT_A_TIME), false);
}

/** Tells which objects of kept records an entry names. */
class Commits {
  readonly #log: EnginePorts['log'];
  readonly #pipeline: string;
  readonly #kind: KeptKind;
  /** For each log, the objects that its entries name, by ordinal. */
  readonly #named = new Map<string, Map<number, string | undefined>>();

  constructor(log: EnginePorts['log'], pipeline: string, kind: KeptKind) {
    this.#log = log;
    this.#pipeline = pipeline;
    this.#kind = kind;
  }

  async outcomeOf(object: string): Promise<'committed' | 'not committed' | 'expired'> {
    const place = keptPlace(object);
    if (place === undefined) return 'expired';
    const log = groupLog(this.#pipeline, place.generation, place.group);
    const named = this.#named.get(log) ?? new Map<number, string | undefined>();
    this.#named.set(log, named);
    if (!named.has(place.ordinal)) await this.#read(log, place.ordinal, named);
    if (!named.has(place.ordinal)) {
      if (!(await this.#reaches(log, place.ordinal))) return 'not committed';
      // It may have been appended since the log was read.
      await this.#read(log, place.ordinal, named);
    }
    if (!named.has(place.ordinal)) return 'expired';
    return named.get(place.ordinal) === object ? 'committed' : 'not committed';
  }

  async #read(log: string, ordinal: number, named: Map<number, string | undefined>): Promise<void> {
    for (const entry of await this.#log.after(log, ordinal - 1)) {
      const { poisonObject, late } = decodeLedger(entry);
      const lateObject = late.length > 0 ? lateObjectOf(log, { ...entry, late }) : undefined;
      named.set(entry.ordinal, this.#kind === 'poison' ? poisonObject : lateObject);
    }
  }

  /** Tells whether a log has come to an ordinal, whether or not its entry is still there. */
  async #reaches(log: string, ordinal: number): Promise<boolean> {
    try {
      return ((await this.#log.latest(log))?.ordinal ?? 0) >= ordinal;
    } catch (error) {
      if (error instanceof LogLostError) return true;
      throw error;
    }
  }
}
