import { relative } from 'node:path';
import { inspect } from 'node:util';

/** A path as a person would type it from where they stand, unless it is shorter whole. */
export function shownPath(path: string): string {
  const near = relative('', path);
  return near !== '' && near.length < path.length ? near : path;
}

/** What was thrown says in one line, also where it is no error, or one that says nothing but in what it is made of. */
export function lineOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) {
    return typeof thrown === 'string' ? oneLine(thrown) : inspect(thrown, { breakLength: Infinity });
  }
  const [part] = thrown instanceof AggregateError ? thrown.errors : [];
  return oneLine(thrown.message) || (part === undefined ? thrown.name : lineOf(part));
}

/** A sentence of our own needs no name of the error that says it. */
const oneLine = (text: string): string =>
  text
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/^(?:\w+: )+(?=Cannot )/, '')
    .trim();

/** Why a call of the system failed, without the call: `no such file or directory`. */
export const reasonOf = (thrown: unknown): string =>
  lineOf(thrown)
    .replace(/^E[A-Z]+: /, '')
    .replace(/, \w+( '.*)?$/, '');
