import type { Mutant } from './protocol-mutants.ts';

const ZEROS = 'test/adapters/zeros.test.ts';

/** What docs/operations.md says of metrics, taken away sentence by sentence. */
export const TELEMETRY_MUTANTS: readonly Mutant[] = [
  {
    name: 'zeros go unsaid',
    rule: 'A function publishes a zero for whatever it may count',
    file: 'src/adapters/powertools/telemetry.ts',
    find: 'const published = new Set([...zeros.metrics, ...totals.keys()]);',
    replace: 'const published = new Set(totals.keys());',
    killedBy: ZEROS,
  },
  {
    name: 'zeros are said each time',
    rule: 'In the rest of the minute only what was counted is written',
    file: 'src/adapters/powertools/telemetry.ts',
    find: 'saidIn = minute;',
    replace: '',
    killedBy: ZEROS,
  },
  {
    name: 'a failed invocation says nothing',
    rule: 'Metrics are written whether an invocation succeeds or fails',
    file: 'src/adapters/powertools/telemetry.ts',
    find: `    } finally {
      telemetry.flush();
    }`,
    replace: `    }`,
    also: [
      {
        file: 'src/adapters/powertools/telemetry.ts',
        find: 'return await handler(...inputs);',
        replace: `const result = await handler(...inputs);
      telemetry.flush();
      return result;`,
      },
    ],
    killedBy: ZEROS,
  },
];
