import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectStore } from '../../ports/stores.ts';
import type { RunClock } from '../clock.ts';
import { failureRecordOf, type StreamItem } from '../mapping/stream.ts';
import type { GivenUpStep } from './drain.ts';

/** Where the event source mapping of a stream puts what it gives up. */
export interface Failures {
  /** Returns the identifier of the last record of a shard that was given up, by an earlier run too. */
  last(shard: string): string | undefined;
  /**
   * Writes records that were given up, with their event, to the failures bucket. Once it settles, they are behind the
   * mapping for good: a later run goes on after them, as they may be redriven by then.
   */
  put(shard: string, step: GivenUpStep<StreamItem>, event: unknown): Promise<void>;
}

/** What the data directory keeps: the id of the mapping, and where each shard goes on. */
interface Kept {
  readonly mapping: string;
  readonly last: { readonly [shard: string]: string };
}

const FILE = 'kinesis-given-up.json';

/** @param directory where it is kept for the next run; undefined where nothing outlives this one */
export function openFailures({
  objects,
  directory,
  streamArn,
  clock,
}: {
  readonly objects: ObjectStore;
  readonly directory: string | undefined;
  readonly streamArn: string;
  readonly clock: Pick<RunClock, 'now'>;
}): Failures {
  const file = directory && join(directory, FILE);
  let kept: Kept =
    file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { mapping: randomUUID(), last: {} };
  return {
    last: (shard) => kept.last[shard],
    async put(shard, step, event) {
      const from = { mapping: kept.mapping, functionArn: FUNCTION_ARN, streamArn, shard };
      const { key, body } = failureRecordOf(step, from, event, clock.now(), randomUUID());
      await objects.create(key, { body: Buffer.from(JSON.stringify(body)), contentType: 'application/json' });
      kept = { ...kept, last: { ...kept.last, [shard]: String(step.batch.at(-1)?.identifier) } };
      if (file === undefined) return;
      writeFileSync(`${file}.new`, JSON.stringify(kept));
      renameSync(`${file}.new`, file);
    },
  };
}

const FUNCTION_ARN = 'arn:aws:lambda:us-east-1:000000000000:function:millrace-local';
