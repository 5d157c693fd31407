import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';

/** Says before all files are run, or most of them, how long that takes. */
const announcement: Reporter = {
  onTestRunStart(files) {
    const minutes = process.env['CI'] ? 25 : 12;
    if (files.length > 50)
      console.log(
        ` All of it takes some ${minutes} minutes on two idle cores${process.env['CI'] ? '' : ', and longer with brokers'}.\n`,
      );
  },
};

/** These touch nothing of their process but what they put back: they share one, and what it has loaded. */
const SHARING = [
  'test/{core,engine,pipeline,query}/**/*.test.ts',
  'test/simulation/{testing,mutants}.test.ts',
];

/** These start brokers of their own, where Java and Maven or rabbitmq-server are installed. */
const BROKERS = [
  'test/e2e/{kafka,rabbitmq,send-brokers}.e2e.test.ts',
  'test/local/{kafka,rabbitmq}-server.test.ts',
  'examples/*{kafka,rabbitmq}*/*.test.ts',
];

/** These start functions on the Nodes that Lambda has, whatever Node runs them: see .ci/lambda. */
const RUNTIME = ['test/runtime/*.e2e.test.ts'];

export default defineConfig({
  test: {
    // They begin in the order of their names: first what waits for brokers, while others have the processors, and last what
    // is short.
    projects: [
      { extends: true, test: { name: 'brokers', include: BROKERS } },
      {
        extends: true,
        test: {
          name: 'isolated',
          include: ['{examples,test}/**/*.test.ts'],
          exclude: [...SHARING, ...BROKERS, ...RUNTIME],
        },
      },
      { extends: true, test: { name: 'runtime', include: RUNTIME } },
      { extends: true, test: { name: 'sharing', include: SHARING, isolate: false } },
    ],
    reporters: ['default', announcement],
    // Garbage that is young is most of it: as much room as `npm start` has.
    execArgv: ['--max-semi-space-size=64'],
    // One more than by default: the main thread does little.
    maxWorkers: '100%',
    // No test is about speed: these only end what hangs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    coverage: {
      include: ['src/core/**/*.ts', 'src/pipeline/**/*.ts'],
      reporter: ['text'],
      thresholds: { 100: true },
    },
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
  },
});
