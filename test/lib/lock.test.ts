import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App } from 'aws-cdk-lib';
import { Stack } from 'aws-cdk-lib/core';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { checkLock } from '../../lib/lock.ts';
import { count, definePipeline, kafka, kinesis, max, type Pipeline, tumbling } from '../../src/index.ts';
import { lockFileOf, lockOf, readLock, writeLock } from '../../src/wiring/definition.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const WRITE = 'npx millrace check .*/pipeline.ts --write';

const define = (version: number, size: '1m' | '2m', source: Pipeline['source'] = kinesis()): Pipeline =>
  definePipeline('readings', source, {
    key: () => 'any',
    eventTime: () => 0,
    version,
    windows: {
      w: tumbling({ size }, { n: count() }),
      other: tumbling({ size: '1h' }, { most: max(() => 1) }),
    },
  });

/** What a stack of a definition is warned of, in a folder with a lock file of that text. */
function warnings(pipeline: Pipeline, lock?: string): readonly unknown[] {
  const folder = mkdtempSync(join(scratch, 'pipeline-'));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'pipeline.ts');
  if (lock !== undefined) writeFileSync(lockFileOf(file), lock);
  const stack = new Stack(new App(), 'Any');
  checkLock(stack, pipeline, file);
  return stack.node.metadata.flatMap(({ type, data }) => (type === 'aws:cdk:warning' ? [data] : []));
}

const lockText = (pipeline: Pipeline): string => writeLock(lockOf(pipeline));

describe('a stack of a pipeline with a lock file', () => {
  it('is made of the definition that the file holds, and nothing is said', () => {
    expect(warnings(define(3, '1m'), lockText(define(3, '1m')))).toEqual([]);
  });

  it('is refused where windows differ and the version does not', () => {
    expect(() => warnings(define(3, '2m'), lockText(define(3, '1m')))).toThrow(
      'Cannot run "readings" as its windows may only change with its version: "w" was added, removed, altered or moved; give it version: 4',
    );
  });

  it('is refused where the version goes down', () => {
    expect(() => warnings(define(2, '1m'), lockText(define(3, '1m')))).toThrow(
      'Cannot run version 2 of "readings" as version 3 has been at work: to go back to an earlier definition, give it a higher version',
    );
  });

  it('is refused where records come from another kind of source, or another topic, and the version does not change', () => {
    const topic = (name: string) => kafka({ topic: name });
    expect(() => warnings(define(1, '1m', topic('b')), lockText(define(1, '1m', topic('a'))))).toThrow(
      'Cannot run "readings" as its source may only change with its version: it was kafka topic a, and is kafka topic b; give it version: 2',
    );
    expect(() => warnings(define(1, '1m', topic('b')), lockText(define(1, '1m')))).toThrow(
      'it was kinesis, and is kafka topic b; give it version: 2',
    );
  });

  it('is refused where the file has fallen behind, as it could not tell the next change', () => {
    expect(() => warnings(define(4, '2m'), lockText(define(3, '1m')))).toThrow(
      new RegExp(
        `^Cannot hold version 4 of "readings" to its lock as that is of version 3; write it with ${WRITE}, and commit it`,
      ),
    );
  });

  it('is refused where the file is of another pipeline', () => {
    expect(() => warnings(define(1, '1m'), lockText(flights))).toThrow(
      'Cannot run "readings" by the lock of "flights"',
    );
  });

  it.each([
    '',
    '{',
    '{}',
    'null',
    '{"pipeline":"readings","version":1,"source":{"kind":"kinesis"},"windows":[1]}',
  ])('is refused where the file holds %j', (text) => {
    expect(() => warnings(define(1, '1m'), text)).toThrow(
      /^Cannot read .*pipeline\.lock\.json as it must be a lock file: /,
    );
  });

  it('names the file that it was refused by', () => {
    expect(() => warnings(define(2, '1m'), lockText(define(3, '1m')))).toThrow(/\(.*pipeline\.lock\.json\)$/);
  });
});

it('a stack of a pipeline without a lock file is made, with a warning that says how to write it', () => {
  expect(warnings(define(1, '1m'))).toEqual([
    expect.stringMatching(`as there is no .*pipeline.lock.json: write it with ${WRITE}, and commit it`),
  ]);
});

describe('a lock file', () => {
  it('gives what was written', () => {
    const texts = fc.string({ unit: 'grapheme' });
    const locks = fc.record({
      pipeline: texts,
      version: fc.nat(),
      source: fc.oneof(fc.record({ kind: texts }), fc.record({ kind: texts, topic: texts })),
      windows: fc.array(fc.tuple(texts, texts)),
    });
    fc.assert(
      fc.property(locks, (lock) => {
        expect(readLock(writeLock(lock))).toEqual(lock);
      }),
    );
  });

  it('of the flights is that of their definition', () => {
    const path = fileURLToPath(new URL('../../functions/flights/pipeline.lock.json', import.meta.url));
    expect(readFileSync(path, 'utf8')).toBe(lockText(flights));
  });
});
