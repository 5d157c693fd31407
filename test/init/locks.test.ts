import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TEMPLATE_NAMES } from '../../src/init/init.ts';
import { pipelineOf } from '../../src/pipeline/pipeline-of.ts';
import { lockOf, readLock } from '../../src/wiring/definition.ts';

describe('the lock that `millrace init` writes', () => {
  it.each(TEMPLATE_NAMES)('is that of the pipeline: %s', async (name) => {
    const folder = `../../src/init/templates/${name}/functions/${name}`;
    const pipeline = pipelineOf(await import(/* @vite-ignore */ `${folder}/pipeline.ts`));
    const lock = readFileSync(new URL(`${folder}/pipeline.lock.json`, import.meta.url), 'utf8');
    expect(readLock(lock)).toEqual(lockOf(pipeline));
  });
});
