import { relative } from 'node:path';
import { inspect } from 'node:util';

/** A path relative to the working directory, unless the path itself is shorter. */
export function shownPath(path: string): string {
  const near = relative('', path);
  return near !== '' && near.length < path.length ? near : path;
}

/**
 * Says in one line what was thrown, even where it is no Error, or an AggregateError without a message of its
 * own.
 */
export function lineOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) {
    return typeof thrown === 'string' ? oneLine(thrown) : inspect(thrown, { breakLength: Infinity });
  }
  const [part] = thrown instanceof AggregateError ? thrown.errors : [];
  return oneLine(thrown.message) || (part === undefined ? thrown.name : lineOf(part));
}

/**
 * Joins the lines of a text. It drops the name of the error before "Cannot", which begins a whole sentence.
 */
const oneLine = (text: string): string =>
  text
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/^(?:\w+: )+(?=Cannot )/, '')
    .trim();

/** Why a system call failed, without the code and the call: `no such file or directory`. */
export const reasonOf = (thrown: unknown): string =>
  lineOf(thrown)
    .replace(/^E[A-Z]+: /, '')
    .replace(/, \w+( '.*)?$/, '');
