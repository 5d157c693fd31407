import { KeyState, type StoredKey } from '../core/key.ts';
import { Panes } from '../core/panes.ts';
import type { EpochMillis } from '../core/time.ts';
import { type GroupPane, listPanes } from '../engine/group/group.ts';
import { type Deployed, placeIn } from './deployed.ts';
import { REDRIVEN } from './log-format.ts';
import type { Part } from './truth.ts';
import { must } from './violation.ts';

/** How a record that was taken in is counted. */
export type Outcome = 'applied' | 'lateForAll' | 'poison';

interface Key {
  readonly number: number;
  readonly of: Deployed;
  readonly state: KeyState;
}

/**
 * Computes what must follow from the records: it folds each key's windows in memory, without commits, entries
 * or storage. Of commits it only knows where they end, for windows that show themselves then, and which
 * version of the definition made them.
 */
export class Oracle {
  /** The steps so far, which are repeated without a record that throws. */
  readonly #done: (() => unknown)[] = [];
  readonly #keys = new Map<string, Key>();
  readonly #touched = new Set<string>();
  readonly #panes = new Map<Deployed, Panes>();
  /** The panes of windows that a newer version did not keep, and that emit no more. */
  #closed: GroupPane[] = [];

  /** @returns also the names of the windows that refused it as late */
  take(
    truth: Part,
    by: Deployed,
    arrival: EpochMillis,
  ): readonly [outcome: Outcome, refusing: readonly string[]] {
    if (truth.content === undefined) return ['poison', []];
    const { of = by } = this.#keys.get(truth.content.key) ?? {};
    must(of === by, 'A key is handed over before newer code takes its records in');
    try {
      const refusing = this.#apply(truth, by, arrival);
      this.#done.push(() => this.#apply(truth, by, arrival));
      const isLateForAll = refusing.length === by.pipeline.rules.windows.length;
      return [isLateForAll ? 'lateForAll' : 'applied', refusing];
    } catch {
      this.#keys.clear();
      this.#touched.clear();
      this.#panes.clear();
      this.#closed = [];
      for (const again of this.#done) again();
      return ['poison', []];
    }
  }

  /** Takes in a record that no window takes any more: its key was not silent until it arrived once more. */
  takeAgain(truth: Part, by: Deployed, arrival: EpochMillis): void {
    const { content } = truth;
    // One that is known by its id may be another message, which arrived later.
    if (content !== undefined && (arrival > truth.arrival || content.id !== undefined))
      this.#do(() => this.#apply(truth, by, arrival));
  }

  /** Returns the watermark that a record's arrival brings, before the record is taken in. */
  reached({ content, lineage }: Part, arrival: EpochMillis): number {
    const { state } = this.#keys.get(content?.key ?? '') ?? {};
    return state?.reachedBy({ arrival, waited: hasWaited(lineage) }) ?? Number.NEGATIVE_INFINITY;
  }

  /** Returns a key's watermark as of its last record. */
  watermark(key: string): number {
    return this.#keys.get(key)?.state.watermark ?? Number.NEGATIVE_INFINITY;
  }

  /** Ends a commit. */
  commit(): void {
    this.#do(() => {
      for (const key of this.#touched) {
        const { number, of, state } = this.#keys.get(key) as Key;
        state.update(this.#panesOf(of, number));
      }
      this.#touched.clear();
    });
  }

  /**
   * Hands a key over to a newer version. Windows that it keeps as they are keep what they hold. The other
   * windows emit what the older version saw closed, and nothing more.
   *
   * @param watermark the watermark to which the older version had brought the key; undefined for a key that
   * it had forgotten
   */
  handOver(key: string, to: Deployed, watermark: EpochMillis | undefined, now: EpochMillis): void {
    const held = this.#keys.get(key);
    if (held === undefined || held.of === to) return;
    this.#do(() => {
      const { number, of, state } = this.#keys.get(key) as Key;
      const stored = state.freeze();
      if (stored) this.#close(key, of, to, stored, watermark, now);
      const windows = to.pipeline.rules.windows.map((_, at) => stored?.windows[placeIn(to, of, at)]);
      const next = new KeyState(to.pipeline.rules, stored && { ...stored, windows });
      this.#keys.set(key, { number, of: to, state: next });
    });
  }

  /**
   * Notes that sweeps have brought a key's watermark there, though a record is taken in later that arrived
   * before.
   */
  pass(key: string, watermark: EpochMillis): void {
    this.#do(() => {
      const { number, of, state } = this.#keys.get(key) ?? {};
      const stored = state?.freeze();
      if (number === undefined || of === undefined || stored === undefined) return;
      const { rules } = of.pipeline;
      const next = new KeyState(rules, stored);
      next.idle(silentUntil(of, stored, watermark), this.#panesOf(of, number));
      this.#keys.set(key, { number, of, state: next });
    });
  }

  /** Lets every key be silent until `now`. */
  idle(now: EpochMillis): void {
    for (const { number, of, state } of this.#keys.values()) state.idle(now, this.#panesOf(of, number));
  }

  panes(): readonly GroupPane[] {
    const keys = [...this.#keys.keys()];
    return [...this.#panes].flatMap(([of, panes]) => listed(of, keys, panes)).concat(this.#closed);
  }

  /** Runs a step that is repeated where a later record throws. */
  #do(step: () => unknown): void {
    step();
    this.#done.push(step);
  }

  #apply({ content, lineage }: Part, by: Deployed, arrival: EpochMillis): readonly string[] {
    const { key, at, values } = content as NonNullable<Part['content']>;
    const held = this.#keys.get(key) ?? {
      number: this.#keys.size,
      of: by,
      state: new KeyState(by.pipeline.rules),
    };
    this.#keys.set(key, held);
    this.#touched.add(key);
    const panes = this.#panesOf(by, held.number);
    const refusing = held.state.apply(
      { at, arrival, waited: hasWaited(lineage), values: values[by.place] ?? [] },
      panes,
    );
    return panes.refusing.slice(0, refusing).map((place) => by.pipeline.rules.windows[place]?.name ?? '');
  }

  #close(
    key: string,
    of: Deployed,
    to: Deployed,
    stored: StoredKey,
    watermark: EpochMillis | undefined,
    now: EpochMillis,
  ): void {
    const { rules } = of.pipeline;
    const panes = new Panes(rules);
    const until = watermark === undefined ? now : silentUntil(of, stored, watermark);
    new KeyState(rules, stored).idle(until, panes);
    const windows = rules.windows.filter((_, at) => placeIn(of, to, at) < 0).map(({ name }) => name);
    this.#closed.push(...listed(of, [key], panes).filter(({ window }) => windows.includes(window)));
  }

  #panesOf(of: Deployed, key: number): Panes {
    const panes = this.#panes.get(of) ?? new Panes(of.pipeline.rules);
    this.#panes.set(of, panes);
    panes.key = key;
    return panes;
  }
}

/** Whether the arrival of a record says nothing of its key's silence, as the record waited to be redriven. */
const hasWaited = (lineage: string): boolean => lineage === REDRIVEN;

/** Returns until when a key was silent whose silence has brought its watermark there. */
function silentUntil(
  { pipeline }: Deployed,
  { maxEventTime, lastArrival }: StoredKey,
  watermark: EpochMillis,
): EpochMillis {
  const { outOfOrderness, idleAfter } = pipeline.rules.time;
  return (lastArrival + idleAfter + watermark - maxEventTime + outOfOrderness) as EpochMillis;
}

function listed({ pipeline, epochs }: Deployed, keys: readonly string[], panes: Panes): readonly GroupPane[] {
  const layouts = panes.layouts.map((layout, at) => ({
    ...layout,
    ordered: pipeline.rules.windows[at]?.operator.ordered ?? false,
    epoch: epochs[at] ?? 0,
  }));
  return listPanes({ keys, layouts, tables: panes.tables });
}
