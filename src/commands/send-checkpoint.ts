import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { reasonOf } from '../local/failure.ts';
import { plural, thousands } from './text.ts';

/** What a checkpoint file holds. */
interface Stored {
  readonly target: string;
  /** Tells the ids of this sending from all others, also once it goes on. */
  readonly run: string;
  /** So many records of the input were taken, from the first on. */
  readonly sent: number;
  /** Of the bytes of those records. */
  readonly digest: string;
  /** None after so many records was sent. */
  readonly upTo: number;
}

/** How many records are between two places at which sending can go on, and for how many the file is written ahead. */
const MARK = 100;
const AHEAD = 1_000;

/**
 * How far an input was sent, kept in a file so that sending can go on after the process was killed.
 *
 * The file says ahead up to which record something may have been sent, before that is sent. So it is known
 * afterwards which records may be sent twice.
 */
export interface Checkpoint {
  readonly run: string;
  /** Says which records were sent before, and which may be sent twice; undefined where nothing was sent before. */
  readonly resumes: string | undefined;
  /**
   * Counts the next record of the input, and writes ahead of it.
   *
   * @param settled of how many records the producer knows, from the first that it accepted on, that they are taken
   * @returns whether the record has to be sent
   * @throws Error when the input does not begin with the records that were sent
   */
  next(data: Uint8Array, settled: number): boolean;
  /** Is told, after the producer has accepted the record or it was refused, how many it has accepted in all. */
  passed(accepted: number): void;
  /** Is told at the end of the input. */
  end(): void;
  /** Writes how far the records are taken: all of them, or as many as the producer knows of. */
  write(settled: number | 'all'): void;
  /** Takes the file away that this sending has written, where nothing can have been sent. */
  forget(): void;
  remove(): void;
}

/** @param path without it, nothing is kept */
export function openCheckpoint(path: string | undefined, target: string): Checkpoint {
  const before = path === undefined ? undefined : read(path, target);
  const run = before?.run ?? randomUUID();
  const sent = before?.sent ?? 0;
  const hash = createHash('sha256');
  /** Places up to which everything is taken once the producer has settled so many of what it accepted. */
  let marks: { readonly sent: number; readonly accepted: number; readonly digest: string }[] = [];
  const digest = (): string => hash.copy().digest('hex');
  let last = { sent, accepted: 0, digest: before?.digest ?? digest() };
  let upTo = before?.upTo ?? 0;
  let number = 0;

  const write = (settled: number): void => {
    if (path === undefined) return;
    const passed = marks.filter(({ accepted }) => accepted <= settled);
    last = passed.at(-1) ?? last;
    marks = marks.slice(passed.length);
    const stored: Stored = { target, run, sent: last.sent, digest: last.digest, upTo };
    try {
      writeFileSync(`${path}.new`, `${JSON.stringify(stored)}\n`);
      renameSync(`${path}.new`, path);
    } catch (error) {
      throw new Error(
        `Cannot send as ${path}, which says how far it is, must be a file that can be written: ${reasonOf(error)}; name another one with --checkpoint`,
        { cause: error },
      );
    }
  };
  const others = (why: string): Error =>
    new Error(
      `Cannot go on as the input must begin with the ${plural(sent, 'record')} that ${path} says were sent: ${why}; remove that file to send everything`,
    );

  return {
    run,
    resumes:
      before &&
      [
        `Going on after record ${thousands(sent)}, as ${path} says`,
        ...(before.upTo > sent
          ? [`records ${thousands(sent + 1)} to ${thousands(before.upTo)} may be sent twice`]
          : []),
      ].join('; '),
    next(data, settled) {
      number++;
      if (path === undefined) return true;
      // With the length, records that are the same when joined are told apart.
      hash.update(`${data.length}:`).update(data);
      if (number === sent && digest() !== before?.digest) throw others('they are others');
      if (number <= sent) return false;
      if (number > upTo) {
        upTo = number + AHEAD;
        write(settled);
      }
      return true;
    },
    passed(accepted) {
      if (path !== undefined && number % MARK === 0) marks.push({ sent: number, accepted, digest: digest() });
    },
    end() {
      if (number < sent) throw others(`it has ${plural(number, 'record')}`);
    },
    write(settled) {
      if (settled === 'all') {
        marks = [{ sent: number, accepted: 0, digest: digest() }];
        upTo = number;
      }
      // A sending that ended before it came to where the one before it was knows no better than that one.
      if (number >= sent) write(settled === 'all' ? 0 : settled);
    },
    forget() {
      if (path !== undefined && before === undefined) rmSync(path, { force: true });
    },
    remove() {
      if (path !== undefined) rmSync(path, { force: true });
    },
  };
}

function read(path: string, target: string): Stored | undefined {
  const refused = (why: string, cause?: unknown): Error =>
    new Error(`Cannot go on by ${path} as ${why}; remove that file to send everything`, { cause });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw refused(`it must be a file that can be read: ${reasonOf(error)}`, error);
  }
  const stored = parsed(text);
  if (stored === undefined)
    throw refused('it must be what an earlier send has written: it is something else');
  if (stored.target !== target) throw refused(`it must be of ${target}: it is of ${stored.target}`);
  return stored;
}

function parsed(text: string): Stored | undefined {
  try {
    const stored = JSON.parse(text) as Partial<Stored>;
    const isWhole = typeof stored.target === 'string' && typeof stored.run === 'string';
    const isCounted = Number.isSafeInteger(stored.sent) && Number.isSafeInteger(stored.upTo);
    return isWhole && isCounted && typeof stored.digest === 'string' ? (stored as Stored) : undefined;
  } catch {
    return undefined;
  }
}
