import { CodecError, decodeTables } from '../../core/codec.ts';
import { patched } from '../../core/delta.ts';
import type { StoredKey } from '../../core/key.ts';
import { unrelate } from '../../core/related.ts';
import { Table } from '../../core/table.ts';
import type { EpochMillis } from '../../core/time.ts';
import { type LogEntry, LogLostError } from '../../ports/commit-log.ts';
import { firstDiffering } from '../../wiring/definition.ts';
import { type Deployment, OutdatedError } from '../group/deployment.ts';
import { EMPTY_GROUP, type Group, type Reached } from '../group/group.ts';
import { ID_WIDTH } from '../group/known-ids.ts';
import { packedKeys } from '../group/packed-keys.ts';
import { PersistentMap } from '../group/persistent-map.ts';
import { REFUSED } from '../group/taken.ts';
import { Scale, TIMES } from '../group/weight.ts';
import { countersOf, newBase, reachedOf, stateOf, wellFormed, windowsOf, withTail } from './entry.ts';
import { areElsewhere, type KeyTables, OWN_TABLES, sharingOf } from './group-tables.ts';
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

/** A window as the entries have it. */
interface PlacedWindow extends WrittenWindow {
  /** The layout of its tables, if it is a window of the deployment. */
  readonly layout: Layout | undefined;
}

/** A group while its entries are read. What an entry takes depends on what it changes. */
class GroupBuilder {
  readonly #deployment: Deployment;
  readonly #positions: Map<string, Reached>;
  #windows: readonly PlacedWindow[];
  /** Their windows are those of the entries. */
  #keys: Group['keys'];
  readonly #ids: Map<string, Table>;
  #weight: Scale;
  #last: Omit<Group, 'positions' | 'keys' | 'ids' | 'weight'>;

  constructor(deployment: Deployment, from: Group) {
    this.#deployment = deployment;
    this.#last = from;
    this.#windows = this.#placed(windowsOf(deployment));
    this.#positions = new Map(from.positions);
    this.#keys = from.keys;
    this.#ids = new Map(from.ids);
    this.#weight = new Scale(from.weight);
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
      this.#windows = this.#placed(windows);
      this.#keys = EMPTY_GROUP.keys;
      this.#ids.clear();
      this.#weight = new Scale();
      this.#positions.clear();
      this.#set(keys, times, keysOf(slots, keys.length));
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
    const { rules } = this.#deployment.pipeline;
    const places = rules.windows.map(({ name }) =>
      this.#windows.findIndex((window) => window.name === name && window.layout !== undefined),
    );
    const isAsWritten = places.length === this.#windows.length && places.every((place, at) => place === at);
    const inOrder = ([name, stored]: readonly [string, StoredKey]) =>
      [name, { ...stored, windows: places.map((place) => stored.windows[place]) }] as const;
    const keys = isAsWritten ? this.#keys : PersistentMap.of([...this.#keys].map(inOrder), packedKeys);
    return {
      ...this.#last,
      positions: this.#positions,
      keys,
      ids: PersistentMap.of(this.#ids),
      weight: this.#weight,
    };
  }

  #placed(windows: readonly WrittenWindow[]): readonly PlacedWindow[] {
    const { pipeline, epochs } = this.#deployment;
    return windows.map((written) => {
      const at = pipeline.rules.windows.findIndex(({ name }) => name === written.name);
      const { signature, layout } = pipeline.rules.windows[at]?.operator ?? {};
      const isDeployed = signature === written.signature && epochs[at] === written.epoch;
      return { ...written, layout: isDeployed ? layout : undefined };
    });
  }

  #patch(
    changed: readonly number[],
    gone: readonly number[],
    added: readonly string[],
    times: readonly Table[],
    [cut]: readonly Table[],
    tails: readonly (readonly Table[])[],
  ): void {
    const keys = this.#keys;
    const hasRefused = this.#ids.has(REFUSED);
    const nameOf = (place: number): string => {
      const name = keys.keyAt(place) ?? (place === keys.size && hasRefused ? REFUSED : undefined);
      if (name === undefined)
        throw new CodecError('Cannot read an entry that changes a key which is not there');
      return name;
    };
    const deltas = keysOf(tails, changed.length + added.length);
    if (cut?.rows !== deltas.length || cut.width !== 2 * tails.length) {
      throw new CodecError('Cannot read an entry as it must say what is kept of each table');
    }
    const lost = gone.map(nameOf);
    this.#set([...changed.map(nameOf), ...added], times, deltas, cut);
    for (const name of lost) {
      this.#weigh(name, this.#tablesOf(name, this.#keys.get(name)), -1);
      this.#ids.delete(name);
    }
    this.#keys = this.#keys.without(new Set(lost));
  }

  /** Sets the tables of names, of which some rows are kept where there is a cut. */
  #set(names: readonly string[], [times]: readonly Table[], tails: readonly KeyTables[], cut?: Table): void {
    if (times?.rows !== names.length || times.width !== TIMES) {
      throw new CodecError('Cannot read an entry as it must have the times of its keys');
    }
    const changed = new Map<string, StoredKey>();
    for (const [row, name] of names.entries()) {
      const earlier = this.#tablesOf(name, changed.get(name) ?? this.#keys.get(name));
      const tables = (tails[row] as KeyTables).map((tail, slot) => {
        if (cut === undefined) return tail;
        const place = row * cut.width + 2 * slot;
        const [drop, keep] = [cut.numbers[place] as number, cut.numbers[place + 1] as number];
        return patched(earlier?.[slot] ?? new Table(tail.width, tail.plainWidth), { drop, keep }, tail);
      });
      this.#weigh(name, earlier, -1);
      this.#weigh(name, tables, 1);
      const [ids, sharing, ...windows] = tables;
      if (ids && ids.rows > 0) this.#ids.set(name, ids);
      else this.#ids.delete(name);
      if (name === REFUSED) continue;
      const [maxEventTime, lastArrival, watermark] = times.numbers.slice(
        row * TIMES,
        (row + 1) * TIMES,
      ) as unknown as [EpochMillis, EpochMillis, EpochMillis];
      changed.set(name, {
        maxEventTime,
        lastArrival,
        watermark,
        windows: this.#byWindow(windows, sharing as Table),
      });
    }
    this.#keys = this.#keys.with(changed);
  }

  /** Returns the tables that a name has so far, as they stand in entries; undefined where there is none. */
  #tablesOf(name: string, stored: StoredKey | undefined): KeyTables | undefined {
    const ids = this.#ids.get(name);
    if (stored === undefined && ids === undefined) return undefined;
    const sharing = sharingOf(stored?.windows ?? []);
    const windows = this.#windows.flatMap(({ layout = [] }, at) => {
      const tables =
        stored?.windows[at] ?? layout.map(({ width, plainWidth }) => new Table(width, plainWidth));
      return areElsewhere(sharing, at) ? [withoutRows(tables[0] as Table), ...tables.slice(1)] : tables;
    });
    return [ids ?? new Table(ID_WIDTH, 0), sharing, ...windows];
  }

  #weigh(name: string, tables: KeyTables | undefined, times: 1 | -1): void {
    if (tables === undefined) return;
    this.#weight.name(name, times);
    for (const table of tables) this.#weight.rows(table, 0, table.rows, times);
  }

  #byWindow(tables: readonly Table[], sharing: Table): readonly KeyTables[] {
    let from = 0;
    const windows: KeyTables[] = [];
    for (const [at, { name, tables: count = 0, layout }] of this.#windows.entries()) {
      const own = tables.slice(from, from + count);
      from += count;
      if (layout) checkLaidOut(own, name, layout);
      windows.push(areElsewhere(sharing, at) ? [slicesOf(windows, sharing, own), ...own.slice(1)] : own);
    }
    return windows;
  }
}

const withoutRows = ({ width, plainWidth }: Table): Table => new Table(width, plainWidth);

/**
 * Returns the slices of a window that stand with a window before it.
 *
 * @throws CodecError where none of that layout stand there
 */
function slicesOf(before: readonly KeyTables[], sharing: Table, [own]: KeyTables): Table {
  const slices = before[sharing.numbers[before.length] as number]?.[0];
  if (slices === undefined || slices.width !== own?.width || slices.plainWidth !== own.plainWidth)
    throw new CodecError('Cannot read an entry as slices must stand with a window that has such');
  return slices;
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

/** @throws CodecError where the tables of a window are not those that its kind stores */
function checkLaidOut(tables: KeyTables, name: string, layout: Layout): void {
  const fits =
    tables.length === layout.length &&
    layout.every(
      ({ width, plainWidth }, at) => tables[at]?.width === width && tables[at]?.plainWidth === plainWidth,
    );
  if (!fits)
    throw new CodecError(`Cannot read window "${name}" as its tables must be those that its kind stores`);
}
