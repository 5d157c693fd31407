import { randomUUID } from 'node:crypto';
import { constants, rmSync, type Stats } from 'node:fs';
import { access, open, readlink, realpath, rename, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { reasonOf } from '../local/failure.ts';

/** @throws Error unless the input file exists and can be read; `-` is standard input */
export async function checkInput(path: string): Promise<void> {
  if (path === '-') return;
  const refused = (why: string, cause?: unknown) => new Error(`Cannot read ${path} as ${why}`, { cause });
  const found = await stat(path).catch((error) => {
    throw refused(`it must be a file that is there: ${reasonOf(error)}`, error);
  });
  if (found.isDirectory()) throw refused('it must be a file: it is a directory');
  await access(path, constants.R_OK).catch((error) => {
    throw refused(`it must be a file that may be read: ${reasonOf(error)}`, error);
  });
}

/** The files that a run reads and keeps, none of which may be its output. */
export interface Apart {
  readonly input?: string | undefined;
  readonly definition?: string | undefined;
  readonly data?: string | undefined;
}

/** Writes lines and returns how many; it writes all of them, or none where they end early. */
export type Output = (lines: AsyncIterable<string>, signal: AbortSignal) => Promise<number>;

/**
 * Returns where the lines of a run go. Standard output (`-`), a device and a pipe receive them as they come.
 * A file is written beside its place and moved there when it is whole. Nothing is opened yet.
 *
 * @param written - what is written, as an error calls it
 * @throws Error when the file cannot be written, or is one that the run reads or keeps
 */
export async function outputTo(path: string, apart: Apart, written = 'panes'): Promise<Output> {
  if (path === '-') return (lines, signal) => write(lines, process.stdout, signal);
  const refused = (why: string, cause?: unknown) =>
    new Error(`Cannot write ${written} to ${path} as ${why}`, { cause });
  const target = await targetOf(path).catch((error) => {
    throw refused(`it must be a file in a directory that is there: ${reasonOf(error)}`, error);
  });
  const found = await unlessMissing(stat(target));
  if (found?.isDirectory() || path.endsWith('/')) throw refused('it must be a file: it is a directory');
  // Behind /dev/stdout there may be a file, which is to be written at its present end.
  if (/^\/(dev|proc)\//.test(resolve(path)) || (found && !found.isFile())) {
    return saying(path, written, async (lines, signal) =>
      write(lines, (await open(path, 'a')).createWriteStream(), signal),
    );
  }
  for (const [what, read] of [
    ['input', apart.input],
    ['definition', apart.definition],
  ] as const) {
    if (found && read !== undefined && isSame(found, await unlessMissing(stat(read))))
      throw refused(`it must be another file than the ${what}: it is the same`);
  }
  const data = apart.data && (await unlessMissing(realpath(apart.data)));
  if (data && isWithin(data, target))
    throw refused(`it must not be among the data that are kept in ${apart.data}`);
  await access(found ? target : dirname(target), constants.W_OK)
    .then(() => access(dirname(target), constants.W_OK))
    .catch((error) => {
      throw refused(`it and its directory must be writable: ${reasonOf(error)}`, error);
    });
  return saying(path, written, (lines, signal) => replace(target, found, lines, signal));
}

/** Adds to a failure of an output where it was written to. */
const saying =
  (path: string, written: string, output: Output): Output =>
  (lines, signal) =>
    output(lines, signal).catch((error) => {
      throw signal.aborted
        ? error
        : new Error(`Cannot write ${written} to ${path}: ${reasonOf(error)}`, { cause: error });
    });

/** Returns the file that a path resolves to in the end, even if it does not exist yet. */
async function targetOf(path: string): Promise<string> {
  const there = await unlessMissing(realpath(path));
  if (there !== undefined) return there;
  const link = await readlink(path).catch(() => undefined);
  if (link !== undefined) return targetOf(resolve(dirname(path), link));
  return join(await realpath(dirname(resolve(path))), basename(path));
}

const isSame = (one: Stats, other: Stats | undefined): boolean =>
  other !== undefined && one.dev === other.dev && one.ino === other.ino;

const isWithin = (directory: string, path: string): boolean => !/^\.\.(\/|$)/.test(relative(directory, path));

async function unlessMissing<Result>(looking: Promise<Result>): Promise<Result | undefined> {
  try {
    return await looking;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function replace(
  target: string,
  before: Stats | undefined,
  lines: AsyncIterable<string>,
  signal: AbortSignal,
): Promise<number> {
  const beside = join(dirname(target), `.millrace-${randomUUID()}`);
  const remove = () => rmSync(beside, { force: true });
  // The file is also removed where the process ends before this function does.
  process.once('exit', remove);
  try {
    const file = await open(beside, 'wx');
    if (before) await file.chmod(before.mode);
    const written = await write(lines, file.createWriteStream({ flush: true }), signal);
    await rename(beside, target);
    return written;
  } finally {
    remove();
    process.off('exit', remove);
  }
}

async function write(
  lines: AsyncIterable<string>,
  to: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<number> {
  let written = 0;
  const ended = async function* () {
    for await (const line of lines) {
      written++;
      yield `${line}\n`;
    }
  };
  await pipeline(ended, to, { signal, end: to !== process.stdout });
  return written;
}
