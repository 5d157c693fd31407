import type { ObjectStore } from '../ports/stores.ts';
import { POISON_PREFIX } from '../wiring/names.ts';
import type { GroupRecord } from './group.ts';

/** Characters of a reason: percent-encoded, nine times as many at most, they fit the 2 KB of an object's metadata. */
const MAX_REASON = 200;

export const poisonName = ({ lineage, position }: Pick<GroupRecord, 'lineage' | 'position'>): string =>
  `${POISON_PREFIX}${lineage}/${position}`;

/**
 * Keeps a refused record's bytes and the reason, under a name that its position fixes: kept twice, it is one object.
 * Done before the commit that moves past the record, so that none is ever lost.
 */
export async function keepPoison(objects: ObjectStore, refused: GroupRecord): Promise<void> {
  const { data, content } = refused;
  if (content.outcome !== 'poison') return;
  await objects.create(poisonName(refused), {
    body: data,
    contentType: 'application/octet-stream',
    metadata: {
      code: content.poison.code,
      reason: encodeURIComponent(content.poison.reason.slice(0, MAX_REASON).toWellFormed()),
    },
  });
}
