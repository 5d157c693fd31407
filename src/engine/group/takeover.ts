import { isAfter } from '../../core/position.ts';
import type { Generation } from './deployment.ts';
import { type Folded, type Group, NOTHING, type Reached, sumOfCounters } from './group.ts';
import { groupOf, hashOf } from './key-group.ts';
import { isAhead, joinedIds, REFUSED } from './taken.ts';

/**
 * What a group of a new generation begins with: the keys that are its own, of the groups before that have them.
 *
 * Where several become one, their lineages stand at different positions: the group begins at the least of them, and keeps each
 * one's own until it is past them all. The counters of a group that falls apart go to the first of its parts.
 *
 * @param parts the earlier groups from `first` on, sealed
 */
export function joinedGroup(
  parts: readonly Group[],
  earlier: Generation,
  generation: Generation,
  index: number,
  first: number,
): Folded {
  const own = <Kept>(of: (part: Group) => ReadonlyMap<string, Kept>): Map<string, Kept> =>
    new Map(
      parts.flatMap((part) =>
        [...of(part)].filter(([key]) => groupOf(hashOf(key), generation.groups) === index),
      ),
    );
  const ids = own(({ ids }) => ids);
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
    inherited: inherited.filter((one) => isAhead(one, positions)),
    keys: own(({ keys }) => keys),
    ids,
    counters: sumOfCounters(isFirst ? parts.map(({ counters }) => counters) : []),
    ...NOTHING,
  };
}

/** Of each lineage that all of the groups have met, the earliest of their positions. */
function leastOf([one, ...others]: readonly Group[]): Map<string, Reached> {
  const least = new Map(one?.positions);
  for (const { positions } of others) {
    for (const [lineage, reached] of least) {
      const other = positions.get(lineage);
      if (other === undefined) least.delete(lineage);
      else if (isAfter(reached.position, other.position)) least.set(lineage, other);
    }
  }
  return least;
}
