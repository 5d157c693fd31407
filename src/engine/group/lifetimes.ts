import { invariant } from '../../core/plain.ts';
import { type EpochMillis, type Millis, millis } from '../../core/time.ts';
import { CHANGES_KEPT, CHANGES_REMEMBERED } from '../../pipeline/sources/dynamodb.ts';
import { LONGEST_RETENTION, SHARD_REMEMBERED } from '../../pipeline/sources/kinesis.ts';
import { PANES_REMEMBERED } from '../../pipeline/sources/panes.ts';
import { ENTRY_LIFETIME } from '../../ports/commit-log.ts';

// This file holds every duration that follows from how long a log keeps an entry. It asserts, as it loads, how
// they relate to each other and to how long a source keeps its records.

/**
 * The age at which a writer appends anew what must not expire: a snapshot that entries are read from, or a
 * pipeline's definition.
 */
const RENEWED_AFTER = (ENTRY_LIFETIME / 4) as Millis;

/**
 * Up to this age of an entry its snapshot must still exist, however old the snapshot was when the entry was
 * appended.
 */
const SNAPSHOT_KEPT = (ENTRY_LIFETIME / 2) as Millis;

/**
 * The age up to which a reader goes on from a group in memory. The entries that follow an older one may
 * have expired.
 */
export const MAX_CACHED_AGE = (ENTRY_LIFETIME / 8) as Millis;

/** How long before its expiry an entry counts as gone, as entries may expire while they are being read. */
export const ABOUT_TO_EXPIRE = millis('1d');

/** Once the next generation has this age, nobody reads the logs of a generation any longer. */
export const GONE_AFTER = (2 * ENTRY_LIFETIME) as Millis;

invariant(
  MAX_CACHED_AGE < RENEWED_AFTER,
  'a group leaves memory before the snapshot that it was read from needs to be renewed',
);
invariant(
  RENEWED_AFTER + SNAPSHOT_KEPT < ENTRY_LIFETIME,
  'a snapshot outlives by half of its life the last entry that is read from it, so that a sweep may come late',
);
invariant(
  ABOUT_TO_EXPIRE <= MAX_CACHED_AGE,
  'a projector that begins at the oldest entry finds every entry that a group in memory goes on from',
);
invariant(
  GONE_AFTER >= 2 * ENTRY_LIFETIME,
  'a log is read until its last entry, which follows within minutes, has expired, and DynamoDB has had as long to delete it',
);
invariant(
  LONGEST_RETENTION <= SHARD_REMEMBERED,
  'no stream gives a record again whose shard a group has forgotten, though its owner changes its retention',
);
invariant(
  GONE_AFTER <= PANES_REMEMBERED,
  'no log gives a pane again that a group has forgotten, though DynamoDB deletes its entry late',
);
invariant(
  2 * CHANGES_KEPT <= CHANGES_REMEMBERED,
  'no table gives a change again whose shard a group has forgotten, though DynamoDB drops it a day late',
);

/** Tells whether what was appended at `committedAt` must be appended anew. */
export const mustRenew = (committedAt: EpochMillis, now: EpochMillis): boolean =>
  now - committedAt >= RENEWED_AFTER;

/** Tells whether the log still holds an entry that was committed at `committedAt`. */
export const isKept = (committedAt: EpochMillis, now: EpochMillis): boolean =>
  now - committedAt < ENTRY_LIFETIME;

/** Tells whether the snapshot of an entry that was committed at `committedAt` must still exist. */
export const hasItsSnapshot = (committedAt: EpochMillis, now: EpochMillis): boolean =>
  now - committedAt < SNAPSHOT_KEPT;
