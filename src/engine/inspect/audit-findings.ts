import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/hash.ts';
import type { Plain } from '../../core/plain.ts';
import type { Millis } from '../../core/time.ts';

/**
 * A state that cannot be right if every commit was delivered exactly once and nobody altered what is kept.
 */
export type Finding =
  /** Entries after `after` and before `next` are missing, although they are too young to have expired. */
  | { readonly kind: 'gap'; readonly log: string; readonly after: number; readonly next: number }
  /** The log was written to, and none of its entries exists. */
  | { readonly kind: 'lost-log'; readonly log: string }
  /**
   * An entry holds the changes since a snapshot that is missing, although it is too young to have expired.
   */
  | { readonly kind: 'lost-base'; readonly log: string; readonly ordinal: number; readonly base: number }
  | {
      readonly kind: 'unreadable-entry';
      readonly log: string;
      readonly ordinal: number;
      readonly reason: string;
    }
  /**
   * A counter moved by another number than the entry lists records; `applied` moved by less than it must
   * have.
   */
  | {
      readonly kind: 'counters';
      readonly log: string;
      readonly ordinal: number;
      /** `applied`, `lateForAll`, `poison`, or `late for` and a window. */
      readonly counter: string;
      readonly counted: number;
      readonly listed: number;
    }
  | {
      readonly kind: 'position-fell';
      readonly log: string;
      readonly ordinal: number;
      readonly lineage: string;
    }
  | { readonly kind: 'watermark-fell'; readonly log: string; readonly ordinal: number; readonly key: string }
  /**
   * Revisions are 0, 1, 2, …, and the ordinals of rolling windows and batches are consecutive: `expected` was
   * next.
   */
  | {
      readonly kind: 'revision';
      readonly log: string;
      readonly ordinal: number;
      readonly pane: string;
      readonly expected: number;
    }
  /** A later version, or a generation, was taken back. */
  | { readonly kind: 'definition'; readonly log: string; readonly ordinal: number }
  /**
   * Something follows the entry that ends a log, that entry is missing, or the log was ended and no other log
   * continues it.
   */
  | {
      readonly kind: 'seal';
      readonly log: string;
      readonly ordinal: number;
      readonly fault: 'followed' | 'missing' | 'unexpected';
    }
  /** The first entry of a group differs from the state in which the groups of the generation before ended. */
  | { readonly kind: 'takeover'; readonly log: string }
  /** A generation began, and one of its groups did not. */
  | { readonly kind: 'unbegun-group'; readonly log: string; readonly ageMillis: Millis }
  /** A projector's entry does not continue where the entry before it ended, in the log `of` a group. */
  | { readonly kind: 'cursor'; readonly log: string; readonly ordinal: number; readonly of: string }
  | {
      /** Records that the entry refuses, or lists as late, are not in the object of them, or that is missing. */
      readonly kind: 'missing-poison' | 'missing-late';
      readonly log: string;
      readonly ordinal: number;
      readonly object: string;
      readonly records: number;
    }
  | { readonly kind: 'missing-pane'; readonly pane: string; readonly object: string }
  | { readonly kind: 'differing-pane'; readonly pane: string; readonly object: string }
  /** An object holds a pane that its intent does not give it. */
  | { readonly kind: 'unknown-pane'; readonly pane: string; readonly object: string }
  | {
      readonly kind: 'doubled-pane';
      readonly pane: string;
      readonly object: string;
      readonly other: string;
    }
  | { readonly kind: 'misfiled-pane'; readonly pane: string; readonly object: string }
  | { readonly kind: 'missing-object'; readonly object: string; readonly intent: number }
  | { readonly kind: 'stray-object'; readonly object: string }
  | { readonly kind: 'unreadable-object'; readonly object: string; readonly reason: string }
  | {
      readonly kind: 'unfinished-intent';
      readonly log: string;
      readonly ordinal: number;
      readonly ageMillis: Millis;
    }
  | { readonly kind: 'missing-row'; readonly partition: string; readonly row: string }
  | { readonly kind: 'differing-row'; readonly partition: string; readonly row: string }
  | { readonly kind: 'unknown-row'; readonly partition: string; readonly row: string }
  /** A pane of log `lineage` was read, and the group that has its key did not take it in. */
  | {
      readonly kind: 'unread-pane';
      readonly log: string;
      readonly lineage: string;
      readonly position: string;
    }
  /** There are other numbers of panes to be taken in, and of records that were. */
  | {
      readonly kind: 'pane-count';
      readonly log: string;
      readonly counted: number;
      readonly expected: number;
    }
  | {
      readonly kind: 'trailing-projector';
      readonly log: string;
      readonly entries: number;
      readonly ageMillis: Millis;
    };

/**
 * The most findings that are listed: as many as a person looks at. A fault of everything shows in the first
 * of them.
 */
const MOST = 1_000;

/** Keeps the first findings, and the number of findings of each kind. */
export class Findings {
  readonly list: Finding[] = [];
  readonly counts = new Map<Finding['kind'], number>();

  add(finding: Finding): void {
    if (this.list.length < MOST) this.list.push(finding);
    this.counts.set(finding.kind, (this.counts.get(finding.kind) ?? 0) + 1);
  }
}

/** Returns 128 bits of a text's SHA-256, as sixteen characters of a byte each. */
export const digestOf = (text: string): string =>
  createHash('sha256').update(text).digest().toString('latin1', 0, 16);

/** Returns the digest of a value, whatever the order of its names. */
export const digestOfPlain = (value: unknown): string => digestOf(canonicalJson(value as Plain));

/** How many maps stand in for one that holds more than the 2^24 items of a Map. */
const PARTS = 64;

/** Maps digests to values, in about 100 bytes each. */
export class Digests<Value> {
  readonly #parts = Array.from({ length: PARTS }, () => new Map<string, Value>());

  get(digest: string): Value | undefined {
    return this.#part(digest).get(digest);
  }

  set(digest: string, value: Value): void {
    this.#part(digest).set(digest, value);
  }

  clear(): void {
    for (const part of this.#parts) part.clear();
  }

  #part(digest: string): Map<string, Value> {
    return this.#parts[digest.charCodeAt(0) % PARTS] as Map<string, Value>;
  }
}
