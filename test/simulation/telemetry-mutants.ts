import type { Mutant } from './protocol-mutants.ts';

const LATENCY = 'test/engine/delivery/latency.test.ts';
const TRACES = 'test/adapters/opentelemetry.test.ts';
const WATCHED = 'test/adapters/watched.test.ts';
const ZEROS = 'test/adapters/zeros.test.ts';

/** What docs/operations.md says of metrics, taken away sentence by sentence. */
export const TELEMETRY_MUTANTS: readonly Mutant[] = [
  {
    name: 'zeros go unsaid',
    rule: 'A function publishes a zero for whatever it may count',
    file: 'src/adapters/powertools/telemetry.ts',
    find: 'new Set([...zeros.metrics, ...totals.keys()])',
    replace: 'new Set(totals.keys())',
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
    find: 'if (arrival < first) first = arrival;',
    replace: 'if (arrival > first || first === Number.POSITIVE_INFINITY) first = arrival;',
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
  {
    name: 'a span quotes whatever was thrown',
    rule: 'A span has a message only where the error is of Millrace itself',
    file: 'src/adapters/opentelemetry/tracer.ts',
    find: 'isError && LOGGABLE.has(cause) ? cause.message : undefined',
    replace: 'isError ? cause.message : undefined',
    killedBy: TRACES,
  },
  {
    name: 'a failed batch has a good span',
    rule: 'The span of a batch has failed where records must be given again',
    file: 'src/handlers.ts',
    find: 'if (again.length > 0) span.fail();',
    replace: '',
    killedBy: TRACES,
  },
  {
    name: 'spans stand side by side',
    rule: 'What a batch does is within its span',
    file: 'src/handlers.ts',
    find: 'const traced = span ? { ...engine, tracer: span } : engine;',
    replace: 'const traced = engine;',
    killedBy: TRACES,
  },
  {
    name: 'a span that cannot end ends the work',
    rule: 'A provider that throws is ignored',
    file: 'src/adapters/opentelemetry/tracer.ts',
    find: `  try {
    act();
  } catch {}`,
    replace: '  act();',
    killedBy: TRACES,
  },
  {
    name: 'a lost race is a failure',
    rule: 'A commit that lost a race has not failed',
    file: 'src/engine/intake/commit-group.ts',
    find: 'span.set({ outcome });',
    replace: "span.set({ outcome });\n    if (outcome === 'conflict') span.fail();",
    killedBy: TRACES,
  },
  {
    name: 'a handler drops its tracer',
    rule: 'lambdaHandler traces where its author says so',
    file: 'src/lambda.ts',
    find: 'telemetry, upstream, tracer, limits',
    replace: 'telemetry, upstream, tracer: tracer && undefined, limits',
    killedBy: WATCHED,
  },
  {
    name: 'all functions have the zeros of the sweeper',
    rule: 'A function publishes a zero for whatever it may count',
    file: 'src/lambda.ts',
    find: 'part && zerosOf(pipeline)[part]',
    replace: 'part && zerosOf(pipeline).sweep',
    killedBy: WATCHED,
  },
];
