import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { bucket, kafka, kinesis, rabbitmq, sqs, table } from '../../src/index.ts';
import { compiled } from '../compiled.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** A kind more, added to its union and nowhere else. */
const PLANTED = [
  {
    file: 'src/pipeline/source.ts',
    find: 'export type Source<Rec> =',
    replace: `interface PlantedSource<out Rec> extends Omit<KafkaSource<Rec>, 'kind' | 'map' | 'expand'> {
  readonly kind: 'plantedSource';
  map<Next>(reshape: (record: Rec) => Next): PlantedSource<Next>;
}
export type Source<Rec> = | PlantedSource<Rec>`,
  },
  {
    file: 'src/pipeline/sinks.ts',
    find: 'export type Sink<Panes = never> = (',
    replace: `interface PlantedSink {
  readonly kind: 'plantedSink';
}
export type Sink<Panes = never> = (PlantedSink | `,
  },
];

describe('a kind that is added to its union alone', () => {
  /** What the compiler says of the project with a kind more of each. */
  let told: string;
  beforeAll(() => {
    told = compiled(['src', 'lib', 'types'], (copy) => {
      for (const { file, find, replace } of PLANTED) {
        const text = readFileSync(join(copy, file), 'utf8');
        expect(text.split(find)).toHaveLength(2);
        writeFileSync(join(copy, file), text.replace(find, replace));
      }
    });
  });

  /** The files that have no case for a kind. */
  const lackingCasesOf = (kind: string): readonly string[] => {
    const missing = new RegExp(`^(\\S+)\\(\\d+,\\d+\\): error TS2741: Property '${kind}' is missing`, 'gm');
    return [...new Set([...told.matchAll(missing)].map(([, file = '']) => file))];
  };

  it('does not compile wherever a source is read', () => {
    expect(lackingCasesOf('plantedSource')).toEqual([
      'lib/checks.ts',
      'lib/millrace-pipeline.ts',
      'src/commands/refused.ts',
      'src/commands/restore.ts',
      'src/commands/send-targets.ts',
      'src/handlers.ts',
      'src/lambda.ts',
      'src/local/over.ts',
      'src/local/sources/index.ts',
      'src/plan/bill.ts',
      'src/plan/counts.ts',
      'src/plan/endpoints.ts',
      'src/plan/limits.ts',
      'src/plan/lineages.ts',
      'src/plan/resources.ts',
      'src/simulation/draw-records.ts',
      'src/simulation/draw-source.ts',
      'src/simulation/place.ts',
      'src/simulation/shapes.ts',
      'src/watch/alarms.ts',
    ]);
  });

  it('does not compile wherever a sink is written, read or audited', () => {
    expect(lackingCasesOf('plantedSink')).toEqual([
      'lib/checks.ts',
      'lib/millrace-pipeline.ts',
      'src/commands/audit.ts',
      'src/commands/backfill.ts',
      'src/commands/kept.ts',
      'src/commands/run.ts',
      'src/engine/delivery/cursor-logs.ts',
      'src/engine/delivery/restore.ts',
      'src/engine/delivery/resume.ts',
      'src/engine/inspect/audit.ts',
      'src/handlers.ts',
      'src/lambda.ts',
      'src/pipeline/services.ts',
      'src/pipeline/sinks.ts',
      'src/plan/bill.ts',
      'src/plan/counts.ts',
      'src/plan/endpoints.ts',
      'src/plan/resources.ts',
      'src/ports/telemetry.ts',
      'src/simulation/audit.ts',
      'src/simulation/shapes.ts',
      'src/watch/alarms.ts',
    ]);
  });
});

describe('the kind of a source or a sink', () => {
  const kinds = [
    kinesis(),
    sqs(),
    sqs({ fifo: true }),
    kafka({ topic: 'any' }),
    rabbitmq({ queue: 'any' }),
    table(),
    bucket(),
  ].map(({ kind }) => kind);
  // A question that has two answers goes on having two when there are more kinds.
  const asked = new RegExp(
    `(?:[!=]==|\\bcase) '(?:${kinds.join('|')})'|\\binstanceof \\w+(?:Source|Sink)\\b`,
  );

  it('is asked for nowhere: whoever depends on it has a case for each, or a fact of the source', () => {
    const files = ['src', 'lib'].flatMap((folder) =>
      readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' }).map(
        (name) => `${folder}/${name}`,
      ),
    );
    const askers = files.filter(
      (file) =>
        file.endsWith('.ts') &&
        file !== 'src/handlers.ts' &&
        asked.test(readFileSync(join(PROJECT, file), 'utf8')),
    );
    expect(askers).toEqual([]);
  });

  it.each([
    `sinks.some(({ kind }) => kind === 'table')`,
    `if (source.kind !== 'fifo') return;`,
    `case 'kafka':`,
    'if (source instanceof KinesisSource)',
  ])('is seen where it is asked for: %s', (text) => {
    expect(asked.test(text)).toBe(true);
  });
});
