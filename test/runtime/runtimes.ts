import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where `.ci/lambda` installs what Lambda runs functions with. */
const FOLDER = fileURLToPath(new URL('../../.millrace/lambda', import.meta.url));

/** Programs with which Lambda runs the functions of a version of Node. */
export interface Runtime {
  readonly version: string;
  /** The path of Node. */
  readonly node: string;
  /** The module of AWS's runtime interface client, which takes invocations from Lambda and calls the handler. */
  readonly client: string;
}

const CLIENT = join(FOLDER, 'client/node_modules/aws-lambda-ric/index.mjs');

/** The versions of Node on which functions may run. */
const VERSIONS = ['22', '24'] as const;

/** The runtimes that are installed, and the words for those that are not. */
export function installedRuntimes(): {
  readonly runtimes: readonly Runtime[];
  readonly lacking: readonly string[];
} {
  const found = VERSIONS.map((version) => ({
    version,
    node: join(FOLDER, `node-${version}/node_modules/node/bin/node`),
    client: CLIENT,
  }));
  const isInstalled = ({ node }: Runtime) => existsSync(node) && existsSync(CLIENT);
  return {
    runtimes: found.filter(isInstalled),
    lacking: found
      .filter((runtime) => !isInstalled(runtime))
      .map(({ version }) => `Node ${version} with aws-lambda-ric is not installed: bash .ci/lambda`),
  };
}
