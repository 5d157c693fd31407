import { CodecError, decodeTables } from '../../core/codec.ts';
import { patched } from '../../core/delta.ts';
import type { StoredKey } from '../../core/key.ts';
import { unrelate } from '../../core/related.ts';
import { Table } from '../../core/table.ts';
import type { EpochMillis } from '../../core/time.ts';
import { type LogEntry, LogLostError } from '../../ports/commit-log.ts';
import { firstDiffering } from '../../wiring/definition.ts';
import { type Deployment, OutdatedError } from '../group/deployment.ts';
import type { Group, Reached } from '../group/group.ts';
import { PersistentMap } from '../group/persistent-map.ts';
import { REFUSED } from '../group/taken.ts';
import { Scale, TIMES } from '../group/weight.ts';
import { countersOf, newBase, reachedOf, stateOf, wellFormed, windowsOf, withTail } from './entry.ts';
import { type KeyTables, namesOf, OWN_TABLES, slotsOf, type Times } from './group-tables.ts';
import { INHERITED, WINDOW, type WrittenWindow } from './layout.ts';

/**
 * Returns the group as of the last of consecutive entries. They follow the group `from`, or the first of them
 * is a snapshot. A window that began in a version later than that of the entries has no state; a window that
 * is gone loses its state.
 *
 * @throws CodecError when a body was not written by `nextEntry`, or by a newer form of it; LogLostError when
 * the entries are not consecutive; OutdatedError when a newer version of the definition wrote them, or when
 * this version wrote them after other versions had run
 */
export function readGroup(deployment: Deployment, from: Group, entries: readonly LogEntry[]): Group {
  if (entries.length === 0) return from;
  const builder = new GroupBuilder(deployment, from);
  for (const entry of entries) wellFormed(entry, () => builder.read(entry));
  return wellFormed(entries.at(-1) as LogEntry, () => builder.group());
}

/** A group while its entries are read. */
class GroupBuilder {
  readonly #deployment: Deployment;
  readonly #positions: Map<string, Reached>;
  #windows: readonly WrittenWindow[];
  readonly #times: Map<string, Times>;
  #tables: Map<string, KeyTables>;
  #last: Omit<Group, 'positions' | 'keys' | 'ids' | 'weight'>;

  constructor(deployment: Deployment, from: Group) {
    this.#deployment = deployment;
    this.#last = from;
    this.#windows = windowsOf(deployment);
    this.#positions = new Map(from.positions);
    this.#times = new Map(from.keys);
    const names = namesOf(from);
    const slots = slotsOf(deployment.pipeline, from, names);
    this.#tables = new Map(keysOf(slots, names.length).map((tables, at) => [names[at] as string, tables]));
  }

  read(entry: LogEntry): void {
    const { ordinal, committedAt } = entry;
    const { written, tables: bytes, state } = stateOf(entry);
    const { version, base, sealed, positions, forgotten, changed, gone, keys, inherited, counters } = written;
    const windows = written.windows.map(WINDOW.read);
    const { pipeline } = this.#deployment;
    if (version > pipeline.version) {
      throw new OutdatedError(
        `Cannot read on in a log of "${pipeline.name}" as its entries must be of version ${pipeline.version} or lower: entry ${ordinal} is of version ${version}`,
      );
    }
    const isSnapshot = base === ordinal;
    if (isSnapshot && version === pipeline.version && !this.#isWrittenBy(windows)) {
      throw new OutdatedError(
        `Cannot read on in a log of "${pipeline.name}" as version ${version} has been written down since, with other windows or after another version`,
      );
    }
    if (!isSnapshot && (ordinal !== this.#last.ordinal + 1 || base !== this.#last.base?.ordinal)) {
      throw new LogLostError(
        `Cannot read on in a log as entries must follow each other from the last snapshot: entry ${ordinal} came after ${this.#last.ordinal}`,
      );
    }
    const [times = [], cuts = [], ...slots] = decodeTables(bytes);
    for (let time = 1; time < TIMES; time++) {
      if (written.related[time - 1] && times[0]) unrelate(times[0], time, 0);
    }
    if (isSnapshot) {
      this.#windows = windows;
      this.#times.clear();
      this.#tables = new Map(keysOf(slots, keys.length).map((tables, at) => [keys[at] as string, tables]));
      this.#positions.clear();
      this.#setTimes(keys, times);
    } else {
      this.#patch(changed, gone, keys, times, cuts, slots);
      for (const lineage of forgotten) this.#positions.delete(lineage);
    }
    for (const [lineage, reached] of reachedOf(positions)) this.#positions.set(lineage, reached);
    const { base: before } = this.#last;
    this.#last = {
      ordinal,
      committedAt,
      version,
      sealed,
      base: isSnapshot || before === undefined ? newBase(entry, state) : withTail(before, entry),
      inherited: inherited.map(INHERITED.read).map(({ groups, group, positions: reached }) => ({
        groups,
        group,
        positions: new Map(reachedOf(reached)),
      })),
      counters: countersOf(counters),
    };
  }

  /** Says whether an entry's windows are those of the deployment, and began when they did. */
  #isWrittenBy(windows: readonly WrittenWindow[]): boolean {
    const deployed = windowsOf(this.#deployment);
    return (
      firstDiffering(windows.map(signed), deployed.map(signed)) === undefined &&
      windows.every(({ epoch }, at) => epoch === deployed[at]?.epoch)
    );
  }

  group(): Group {
    const { pipeline, epochs } = this.#deployment;
    const windows = pipeline.rules.windows.map(({ name, operator }, at) => {
      const place = this.#windows.findIndex((window) => window.name === name);
      const { signature, epoch, tables = 0 } = this.#windows[place] ?? {};
      if (signature !== operator.signature || epoch !== epochs[at]) return undefined;
      const from =
        OWN_TABLES + this.#windows.slice(0, place).reduce((total, window) => total + window.tables, 0);
      return { name, layout: operator.layout, from, to: from + tables };
    });
    const keys = new Map<string, StoredKey>();
    const ids = new Map<string, Table>();
    for (const [name, tables] of this.#tables) {
      const [table] = tables;
      if (table && table.rows > 0) ids.set(name, table);
      const times = this.#times.get(name);
      if (times === undefined) continue;
      const { maxEventTime, lastArrival, watermark } = times;
      const stored = windows.map((window) => window && laidOut(tables.slice(window.from, window.to), window));
      keys.set(name, { maxEventTime, lastArrival, watermark, windows: stored });
    }
    const weight = new Scale();
    for (const [name, tables] of this.#tables) {
      weight.name(name);
      for (const table of tables) weight.rows(table, 0, table.rows);
    }
    return { ...this.#last, positions: this.#positions, keys: PersistentMap.of(keys), ids, weight };
  }

  #patch(
    changed: readonly number[],
    gone: readonly number[],
    added: readonly string[],
    times: readonly Table[],
    [cut]: readonly Table[],
    tails: readonly (readonly Table[])[],
  ): void {
    // The writer counted the names in this order: `REFUSED` last, though it came before some of the keys.
    const names = [...this.#tables.keys()].toSorted((a, b) => Number(a === REFUSED) - Number(b === REFUSED));
    const nameOf = (place: number): string => {
      const name = names[place];
      if (name === undefined)
        throw new CodecError('Cannot read an entry that changes a key which is not there');
      return name;
    };
    const deltas = keysOf(tails, changed.length + added.length);
    if (cut?.rows !== deltas.length || cut.width !== 2 * tails.length) {
      throw new CodecError('Cannot read an entry as it must say what is kept of each table');
    }
    const touched = [...changed.map(nameOf), ...added];
    this.#setTimes(touched, times);
    for (const [at, name] of touched.entries()) {
      const earlier = this.#tables.get(name);
      const later = (deltas[at] as KeyTables).map((tail, slot) => {
        const place = at * cut.width + 2 * slot;
        const [drop, keep] = [cut.numbers[place] as number, cut.numbers[place + 1] as number];
        return patched(earlier?.[slot] ?? new Table(tail.width, tail.plainWidth), { drop, keep }, tail);
      });
      this.#tables.set(name, later);
    }
    for (const name of gone.map(nameOf)) {
      this.#tables.delete(name);
      this.#times.delete(name);
    }
  }

  #setTimes(names: readonly string[], [times]: readonly Table[]): void {
    if (times?.rows !== names.length || times.width !== TIMES) {
      throw new CodecError('Cannot read an entry as it must have the times of its keys');
    }
    for (const [row, name] of names.entries()) {
      const [maxEventTime, lastArrival, watermark] = times.numbers.subarray(row * TIMES) as unknown as [
        EpochMillis,
        EpochMillis,
        EpochMillis,
      ];
      if (name !== REFUSED) this.#times.set(name, { maxEventTime, lastArrival, watermark });
    }
  }
}

const signed = ({ name, signature }: WrittenWindow) => [name, signature] as const;

/** Returns the tables of each key, from slots that hold one table of each key. */
function keysOf(slots: readonly (readonly Table[])[], keys: number): KeyTables[] {
  if (slots.length < OWN_TABLES || slots.some((slot) => slot.length !== keys)) {
    throw new CodecError(`Cannot read an entry as it must have the tables of ${keys} keys`);
  }
  return Array.from({ length: keys }, (_, at) => slots.map((slot) => slot[at] as Table));
}

type Layout = readonly { readonly width: number; readonly plainWidth: number }[];

function laidOut(
  tables: KeyTables,
  { name, layout }: { readonly name: string; readonly layout: Layout },
): KeyTables {
  const fits =
    tables.length === layout.length &&
    layout.every(
      ({ width, plainWidth }, at) => tables[at]?.width === width && tables[at]?.plainWidth === plainWidth,
    );
  if (!fits)
    throw new CodecError(`Cannot read window "${name}" as its tables must be those that its kind stores`);
  return tables;
}
