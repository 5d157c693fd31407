import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** An entry folder as the author of a pipeline would write it. */
export interface Entry {
  readonly folder: string;
  readonly handler: string;
  readonly pipeline: string;
}

/**
 * Writes the entry folder of a pipeline.
 *
 * @param prelude what the definition's file begins with, such as imports
 * @param files more files, by their path in the folder
 */
export function writeEntry(
  folder: string,
  name: string,
  prelude = '',
  files: Readonly<Record<string, string>> = {},
): Entry {
  const all = {
    ...files,
    'pipeline.ts': `${prelude}
     import { count, definePipeline, kinesis, table, tumbling } from '${PROJECT}/src/index.ts';
     export const other = definePipeline('${name}', kinesis<{ id: string; at: number }>(), {
       key: (record) => record.id,
       eventTime: (record) => record.at,
       windows: { minute: tumbling({ size: '1m' }, { records: count() }) },
     }).to(table());`,
    'handler.ts': `import { lambdaHandler } from '${PROJECT}/src/lambda.ts';
     import { other } from './pipeline.ts';
     export const handler = lambdaHandler(other);`,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return { folder, handler: join(folder, 'handler.ts'), pipeline: join(folder, 'pipeline.ts') };
}
