import type { SubPosition } from '../../core/position.ts';
import { type EpochMillis, type Millis, millis } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { groupLog } from '../../wiring/names.ts';
import { decodeLedger } from '../format/entry.ts';
import { groupOf, hashOf } from '../group/key-group.ts';
import type { Definition } from '../log/definition-log.ts';

/** By how much the clocks of AWS's services and of a function may differ. */
export const CLOCK_SKEW: Millis = millis('1s');

interface Move {
  readonly position: SubPosition;
  readonly committedAt: EpochMillis;
}

/** Tells how the groups of keys have moved in the lineages of a source, over all generations. */
export class Moves {
  readonly #log: EnginePorts['log'];
  readonly #pipeline: Pipeline;
  readonly #definition: Definition;
  readonly #read = new Map<string, ReadonlyMap<string, readonly Move[]>>();

  constructor(log: EnginePorts['log'], pipeline: Pipeline, definition: Definition) {
    this.#log = log;
    this.#pipeline = pipeline;
    this.#definition = definition;
  }

  async of(key: string, lineage: string): Promise<readonly Move[]> {
    const hash = hashOf(key);
    const moves: Move[] = [];
    for (const { number, groups } of this.#definition.generations) {
      const name = groupLog(this.#pipeline.name, number, groupOf(hash, groups));
      const read = this.#read.get(name) ?? (await this.#movesIn(name));
      this.#read.set(name, read);
      moves.push(...(read.get(lineage) ?? []));
    }
    return moves;
  }

  async #movesIn(log: string): Promise<ReadonlyMap<string, readonly Move[]>> {
    const moves = new Map<string, Move[]>();
    for (let ordinal = 0; ; ) {
      const entries = await this.#log.after(log, ordinal);
      for (const entry of entries) {
        for (const [lineage, { position }] of decodeLedger(entry).positions) {
          const known = moves.get(lineage) ?? [];
          moves.set(lineage, known);
          // A snapshot names all positions, also those that have not moved.
          if (known.at(-1)?.position !== position) known.push({ position, committedAt: entry.committedAt });
        }
      }
      const last = entries.at(-1);
      if (last === undefined) return moves;
      ordinal = last.ordinal;
    }
  }
}
