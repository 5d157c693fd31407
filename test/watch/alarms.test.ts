import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { millis } from '../../src/core/time.ts';
import { bucket, kinesis, type Pipeline, sqs } from '../../src/index.ts';
import { alarmsOf, runbookOf } from '../../src/watch/alarms.ts';
import { KINDS, reading, stream, tableOf } from './table.ts';

const kindsWith = (row: string): readonly string[] =>
  KINDS.filter((pipeline) => alarmsOf(pipeline).some((alarm) => alarm.row === row)).map(
    ({ source }) => source.kind,
  );

describe('the alarms of a pipeline', () => {
  it('stand in docs/operations.md', () => {
    const page = readFileSync('docs/operations.md', 'utf8');
    const [, section = ''] = /^## Alarms\n(.*?)^## /ms.exec(page) ?? [];
    const rows = section.split('\n').filter((line) => line.startsWith('| [`'));
    expect(rows.join('\n')).toBe(tableOf());
  });

  it('each have a section in docs/runbook.md that says what it means and what to do', () => {
    const sections = readFileSync('docs/runbook.md', 'utf8').split(/^###? /m);
    const anchorOf = (section: string) =>
      (section.split('\n')[0] as string).toLowerCase().replaceAll(' ', '-');
    const textOf = new Map(sections.map((section) => [`docs/runbook.md#${anchorOf(section)}`, section]));
    for (const alarm of KINDS.flatMap((pipeline) => alarmsOf(pipeline))) {
      expect(textOf.get(runbookOf(alarm)), alarm.name).toMatch(/\*\*(Do|Buy time)/);
    }
  });

  it('have names of their own, and watch what a source can tell', () => {
    for (const pipeline of KINDS) {
      const names = alarmsOf(pipeline).map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
    }
    expect(kindsWith('Behind')).toHaveLength(KINDS.length);
    expect(kindsWith('RetentionRunsOut')).toEqual(['kinesis', 'dynamodb', 'panes', 'sqs', 'fifo']);
    expect(kindsWith('DeadLetters')).toEqual(['sqs', 'fifo']);
    expect(kindsWith('GivenUp')).toEqual(['kinesis', 'dynamodb']);
  });

  it('tell half of the time for which the source keeps its records, whatever it is', () => {
    const threshold = (pipeline: Pipeline) =>
      alarmsOf(pipeline).find(({ name }) => name === 'RetentionRunsOut')?.threshold;
    expect(threshold(reading(kinesis({ retention: '30d' })))).toBe(millis('15d'));
    expect(threshold(reading(kinesis({ stream: 'arn:aws:kinesis:eu-west-1:123456789012:stream/s' })))).toBe(
      millis('12h'),
    );
    expect(threshold(reading(sqs()))).toBe(millis('2d') / millis('1s'));
  });

  it('know how long functions may run, and that the source exists already', () => {
    const slow = alarmsOf(stream, { timeoutMillis: millis('5m') }).filter(({ row }) => row === 'Slow');
    expect(slow.map(({ name, threshold }) => [name, threshold])).toEqual([
      ['SlowHandler', 240_000],
      ['SlowSweeper', 240_000],
      ['SlowProjector', 240_000],
    ]);
    const brought = (pipeline: Pipeline) => alarmsOf(pipeline, { brought: true });
    expect(brought(reading(sqs())).map(({ name }) => name)).not.toContain('DeadLetters');
    const runningOut = brought(stream).find(({ name }) => name === 'RetentionRunsOut');
    expect(runningOut?.threshold).toBe(millis('12h'));
  });

  it('allow for as long as a bucket gathers', () => {
    const gathering = { ...stream, sinks: [bucket({ every: '1h' })] } as Pipeline;
    const behind = alarmsOf(gathering).find(({ name }) => name === 'SinkBehindBucket');
    expect(behind?.threshold).toBe(millis('75m'));
  });

  it('of a pipeline without sinks know nothing of deliveries', () => {
    const names = alarmsOf({ ...stream, sinks: [] }).map(({ name }) => name);
    expect(names.filter((name) => /SinkBehind|Gaps|Unsent|Projector/.test(name))).toEqual([]);
  });
});
