import type { Mutant } from './protocol-mutants.ts';

const LATENCY = 'test/engine/delivery/latency.test.ts';
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
  {
    name: 'the newest record tells the latency',
    rule: 'No record of a commit waited longer than its latency says',
    file: 'src/engine/intake/commit-group.ts',
    find: 'Math.min(first, arrival), Number.POSITIVE_INFINITY)',
    replace: 'Math.max(first, arrival), 0)',
    killedBy: LATENCY,
  },
  {
    name: 'each step has a latency',
    rule: 'A commit has one latency, with its last pane',
    file: 'src/engine/delivery/projector.ts',
    find: 'const isWhole = ordinal <= (to.get(log) ?? BEGINNING)[0];',
    replace: 'const isWhole = true;',
    killedBy: LATENCY,
  },
  {
    name: 'commits without panes have a latency',
    rule: 'A commit without panes has no latency',
    file: 'src/engine/delivery/projector.ts',
    find: 'arrived !== undefined && panes.length > 0 && isWhole',
    replace: 'arrived !== undefined && isWhole',
    killedBy: LATENCY,
  },
  {
    name: 'a line has as many values as there are',
    rule: 'A line of metrics has at most 100 values',
    file: 'src/core/latencies.ts',
    find: 'const size = Math.min(most, all);',
    replace: 'const size = all;',
    killedBy: ZEROS,
  },
];
