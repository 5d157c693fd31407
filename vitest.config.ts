import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';

/** Says before all files are run, or most of them, how long that takes. */
const announcement: Reporter = {
  onTestRunStart(files) {
    if (files.length > 50) console.log(' All of it takes 5 to 7 minutes on two idle cores.\n');
  },
};

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', announcement],
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
