import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Annotations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { Pipeline } from '../src/index.ts';
import { byKind } from '../src/pipeline/kinds.ts';
import { heldAgainst, type Lock, lockFileOf, lockOf, readLock } from '../src/wiring/definition.ts';

/**
 * Compares a pipeline with the lock file beside its file, so that no definition is deployed that its handlers
 * would refuse to run. It adds a warning where there is no lock file.
 *
 * @throws RangeError when the lock is of another definition, or cannot be read
 */
export function checkLock(scope: Construct, pipeline: Pipeline, pipelineFile: string): void {
  const path = lockFileOf(pipelineFile);
  const file = relative(process.cwd(), path);
  const write = `npx millrace check ${relative(process.cwd(), pipelineFile)} --write`;
  if (!existsSync(path)) {
    Annotations.of(scope).addWarningV2(
      'millrace:no-lock',
      `Cannot tell whether windows of "${pipeline.name}" change without its version as there is no ${file}: ` +
        `write it with ${write}, and commit it`,
    );
    return;
  }
  const fault = heldAgainst(lockIn(path, file), lockOf(pipeline));
  if (fault === undefined) return;
  const remedy = byKind(fault, {
    refused: () => '',
    behind: () => `; write it with ${write}, and commit it`,
  });
  throw new RangeError(`${fault.why}${remedy} (${file})`);
}

function lockIn(path: string, file: string): Lock {
  try {
    return readLock(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new RangeError(`Cannot read ${file} as it must be a lock file: ${(cause as Error).message}`, {
      cause,
    });
  }
}
