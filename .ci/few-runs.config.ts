import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vitest/config';
import config from '../vitest.config.ts';

/**
 * All tests, with a tenth of the runs of each property, and the same values each time: for another Node, where what goes wrong
 * does so with any values.
 */
export default mergeConfig(config, {
  resolve: {
    alias: [
      {
        find: /^fast-check$/,
        replacement: fileURLToPath(new URL('mutation/few-runs.ts', import.meta.url)),
      },
    ],
  },
  test: { env: { MILLRACE_ORACLE_CASES: '250' } },
});
