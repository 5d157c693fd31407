import { createRequire } from 'node:module';
import { lineOf } from './failure.ts';
import type * as Servers from './servers/index.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/**
 * Loads the servers and the sample records. They are a package of their own, as no handler in AWS needs them.
 *
 * @throws Error that says how to install the package where it is missing
 */
export async function serversPackage(): Promise<typeof Servers> {
  try {
    return await import('#local');
  } catch (cause) {
    if (!lineOf(cause).includes("'millrace-local'")) throw cause;
    throw new Error(
      `Cannot start servers on this machine as the package millrace-local must be installed beside millrace: it is not; npm install --save-dev millrace-local@${version}`,
      { cause },
    );
  }
}
