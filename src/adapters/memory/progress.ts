import { isAfter, type Position } from '../../core/position.ts';
import type { Progress } from '../../ports/stores.ts';

/** Keeps progress in memory: the furthest position noted for each lineage. */
export function memoryProgress(): Progress {
  const noted = new Map<string, Position>();
  return {
    async note(lineage, position) {
      const last = noted.get(lineage);
      if (last === undefined || isAfter(position, last)) noted.set(lineage, position);
    },
    async read(lineage) {
      return noted.get(lineage);
    },
  };
}
