#!/usr/bin/env -S npx tsx
/** `npm create millrace` does what `millrace init` does, from a package without dependencies. */
import { parseArgs } from 'node:util';
import { DEFAULT_TEMPLATE, init, TEMPLATE_NAMES } from '../src/init/init.ts';
import { lineOf } from '../src/local/failure.ts';

const USAGE = `Usage: npm create millrace [folder] -- [--template ${TEMPLATE_NAMES.join('|')}]   (default: this folder, ${DEFAULT_TEMPLATE})`;

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { template: { type: 'string', short: 't' }, help: { type: 'boolean', short: 'h' } },
  });
  const [folder = '.', ...moreFolders] = positionals;
  if (moreFolders.length > 0)
    throw new Error(`Cannot make an app in ${positionals.length} folders as it must be one`);
  process.stdout.write(values.help ? `${USAGE}\n` : init(folder, values.template));
} catch (error) {
  const line = lineOf(error);
  process.stderr.write(`${line.startsWith('Cannot ') ? line : `Cannot begin: ${line}. ${USAGE}`}\n`);
  process.exitCode = 1;
}
