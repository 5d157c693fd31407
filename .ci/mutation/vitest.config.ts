import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The tests of the core, with fewer runs of each property: a mutant that these do not kill is tried with all of them. */
export default defineConfig({
  resolve: {
    alias: [{ find: /^fast-check$/, replacement: fileURLToPath(new URL('few-runs.ts', import.meta.url)) }],
  },
  test: {
    include: [
      'test/core/{aggregates,batch-cut,calendar,codec,select,sketches,time,windows}*.test.ts',
      'test/pipeline/definition-windows.test.ts',
    ],
    exclude: ['test/core/sketches.oracle.test.ts'],
    // Long, and of what the others try on few values.
    testNamePattern: /^(?!.*100,000 values)/,
    env: { MILLRACE_ORACLE_CASES: '250' },
    testTimeout: 120_000,
    pool: 'threads',
    isolate: false,
  },
});
