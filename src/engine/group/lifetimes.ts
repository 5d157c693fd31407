import { invariant } from '../../core/plain.ts';
import { type EpochMillis, type Millis, millis } from '../../core/time.ts';
import { ENTRY_LIFETIME } from '../../ports/commit-log.ts';

// Every duration that follows from how long a log keeps an entry stands here, and how they relate is asserted as this file loads.

/** The age at which a writer appends anew what must stay: a snapshot that entries are read from, or a pipeline's definition. */
const RENEWED_AFTER = (ENTRY_LIFETIME / 4) as Millis;

/** The age of an entry up to which its snapshot must be there, however old that was when the entry was appended. */
const SNAPSHOT_KEPT = (ENTRY_LIFETIME / 2) as Millis;

/** The age up to which a group in memory is read on from: entries after a group of a greater age may have expired. */
export const MAX_CACHED_AGE = (ENTRY_LIFETIME / 8) as Millis;

/** The time before its expiry from which on an entry counts as gone, as entries may expire while they are read. */
export const ABOUT_TO_EXPIRE = millis('1d');

/** The age of the following generation at which the logs of a generation are no longer read. */
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

/** Whether what was appended at `committedAt` must be appended anew. */
export const mustRenew = (committedAt: EpochMillis, now: EpochMillis): boolean =>
  now - committedAt >= RENEWED_AFTER;

/** Whether the log still has an entry that was committed at `committedAt`. */
export const isKept = (committedAt: EpochMillis, now: EpochMillis): boolean =>
  now - committedAt < ENTRY_LIFETIME;

/** Whether the snapshot must still be there that an entry committed at `committedAt` is read from. */
export const hasItsSnapshot = (committedAt: EpochMillis, now: EpochMillis): boolean =>
  now - committedAt < SNAPSHOT_KEPT;
