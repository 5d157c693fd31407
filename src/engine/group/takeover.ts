import { isAfter } from '../../core/position.ts';
import type { Generation } from './deployment.ts';
import { type Folded, type Group, NOTHING, type Reached, sumOfCounters } from './group.ts';
import { groupOf, hashOf } from './key-group.ts';
import { packedKeys } from './packed-keys.ts';
import { PersistentMap } from './persistent-map.ts';
import { isAhead, joinedIds, REFUSED } from './taken.ts';

/**
 * Returns what a group of a new generation begins with: the keys that it owns, from the earlier groups that
 * hold them.
 *
 * Where several groups become one, their positions in a lineage differ. The new group begins at the least
 * of them, and keeps the positions of each earlier group until it is past them all. The counters of a group
 * that is split go to the first of its parts.
 *
 * @param parts the earlier groups from `first` on, which are sealed
 */
export function joinedGroup(
  parts: readonly Group[],
  earlier: Generation,
  generation: Generation,
  index: number,
  first: number,
): Folded {
  const owned = <Kept>(of: (part: Group) => ReadonlyMap<string, Kept>): Map<string, Kept> =>
    new Map(
      parts.flatMap((part) =>
        [...of(part)].filter(([key]) => groupOf(hashOf(key), generation.groups) === index),
      ),
    );
  const ids = owned(({ ids }) => ids);
  const refused = joinedIds(parts.flatMap(({ ids }) => ids.get(REFUSED) ?? []));
  if (refused.rows > 0) ids.set(REFUSED, refused);
  const positions = leastOf(parts);
  const inherited = parts.flatMap((part, at) => [
    ...part.inherited,
    { groups: earlier.groups, group: first + at, positions: part.positions },
  ]);
  const isFirst = (index * earlier.groups) % generation.groups === 0;
  return {
    positions,
    inherited: inherited.filter((part) => isAhead(part, positions)),
    keys: PersistentMap.of(
      owned(({ keys }) => keys),
      packedKeys,
    ),
    ids: PersistentMap.of(ids),
    counters: sumOfCounters(isFirst ? parts.map(({ counters }) => counters) : []),
    ...NOTHING,
  };
}

/** Returns the earliest position in each lineage of which all of the groups have taken in records. */
function leastOf([first, ...following]: readonly Group[]): Map<string, Reached> {
  const least = new Map(first?.positions);
  for (const { positions } of following) {
    for (const [lineage, reached] of least) {
      const candidate = positions.get(lineage);
      if (candidate === undefined) least.delete(lineage);
      else if (isAfter(reached.position, candidate.position)) least.set(lineage, candidate);
    }
  }
  return least;
}
