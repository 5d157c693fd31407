import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
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
