import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Check, checkDefinition } from '../engine/inspect/check.ts';
import { reasonOf, shownPath } from '../local/failure.ts';
import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { heldAgainst, type Lock, lockOf, readLock, writeLock } from '../wiring/definition.ts';
import { ENVIRONMENT } from '../wiring/names.ts';
import { type DeploymentOptions, withKept } from './kept.ts';
import { plural } from './text.ts';

export interface CheckOptions extends DeploymentOptions {
  readonly source?: string | undefined;
  readonly write?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/**
 * Says on standard output what deploying a definition would do. With `write` it also writes the lock file,
 * unless the definition would be refused. Where no deployed resource is named, only the existing lock file
 * decides that.
 *
 * @returns the exit code: 0, or 1 where the definition would be refused
 * @throws Error when it cannot look
 */
export async function checkCommand(
  pipeline: Pipeline,
  lockFile: string,
  { source, write = false, json = false, ...where }: CheckOptions,
): Promise<number> {
  const isNamed =
    Object.values(where).some((name) => name !== undefined) || process.env[ENVIRONMENT.stateTable];
  const check =
    isNamed || !write
      ? await withKept(pipeline, where, ({ engine }) => checkDefinition(engine, pipeline, source))
      : byLock(pipeline, lockFile);
  const isWritten = write && check.refused === undefined;
  if (isWritten) writeFile(lockFile, pipeline);
  const lines = [textOf(check), ...(isWritten ? [`Written: ${shownPath(lockFile)}; commit it`] : [])];
  process.stdout.write(json ? `${JSON.stringify(check, null, 2)}\n` : `${lines.join('\n')}\n`);
  return check.refused === undefined ? 0 : 1;
}

/** Checks a definition against the lock file alone. */
function byLock(pipeline: Pipeline, lockFile: string): Check {
  const { name, version } = pipeline;
  const nothing = { pipeline: name, version, atWork: undefined, windows: [], refused: undefined };
  if (!existsSync(lockFile)) return nothing;
  const fault = heldAgainst(readFile(lockFile), lockOf(pipeline));
  if (fault === undefined) return nothing;
  const refused = byKind<typeof fault, string | undefined>(fault, {
    refused: ({ why }) => why,
    behind: () => undefined,
  });
  return { ...nothing, refused };
}

function readFile(lockFile: string): Lock {
  try {
    return readLock(readFileSync(lockFile, 'utf8'));
  } catch (cause) {
    throw new Error(`Cannot read ${shownPath(lockFile)} as it must be a lock file: ${reasonOf(cause)}`, {
      cause,
    });
  }
}

function writeFile(lockFile: string, pipeline: Pipeline): void {
  try {
    writeFileSync(lockFile, writeLock(lockOf(pipeline)));
  } catch (cause) {
    throw new Error(`Cannot write ${shownPath(lockFile)}: ${reasonOf(cause)}`, { cause });
  }
}

function textOf({ pipeline, version, atWork, windows, refused }: Check): string {
  const heading = atWork
    ? `Version ${version} of "${pipeline}"; version ${atWork.version} has committed, in ${plural(atWork.groups, 'key group')} of generation ${atWork.generation}${atWork.source === undefined ? '' : `, with records of ${atWork.source}`}`
    : `Version ${version} of "${pipeline}"; nothing that has committed was found`;
  const changes = windows.map(({ name, change }) => `  window ${name}: ${change}`);
  return [heading, ...changes, refused ?? backTo(version, atWork)].join('\n');
}

/** Says what going back to an earlier deployment would mean. */
function backTo(version: number, atWork: Check['atWork']): string {
  if (atWork === undefined) return 'It would begin.';
  if (atWork.version === version) return 'It would go on. Its code may be taken back at any time.';
  return `It would go on from version ${atWork.version}. Until it has committed, it may be taken back: version ${atWork.version} goes on. After that its definition needs version ${version + 1}, and what was altered begins anew once more.`;
}
