#!/usr/bin/env -S npx tsx
import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { failureCode, failureText, millrace } from './command-line.ts';

// Node 20 is enough for a local run. The SDK's warning about the end of its support concerns deployments.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const INTERRUPTED = 130;

const args = process.argv.slice(2);

/** Ends the process at once, whatever it is doing. */
function end(code: number, text?: string): never {
  if (text !== undefined) process.stderr.write(`${text}\n`);
  process.exit(code);
}

const fail = (error: unknown): never => end(failureCode(args), failureText(args, error));

process.on('uncaughtException', fail);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of the panes has closed the pipe, as it has read enough.
  if (error.code === 'EPIPE') end(0);
  fail(new Error(`Cannot write to standard output: ${error.message}`));
});
process.stderr.on('error', () => process.exit(failureCode(args)));

// A command that can end in good order has a listener of its own, which does so.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => process.listenerCount(signal) > 1 || end(INTERRUPTED, 'Interrupted'));
}

// A definition may wait for something that never comes. Node would then end without a word.
process.once('beforeExit', () => fail(new Error('nothing is left that could go on')));

/**
 * Goes back to the folder in which npm was started, as npm runs a script in the folder of its package and
 * passes the other as `INIT_CWD`. A program that a script starts elsewhere has the same variables, and must
 * stay where it is.
 */
function standWhereNpmWasStarted(): void {
  const { INIT_CWD, npm_lifecycle_event: script = '', npm_package_json: file } = process.env;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const isOurs = file !== undefined && existsSync(file) && realpathSync(file) === `${root}package.json`;
  if (INIT_CWD && isOurs && ['start', 'millrace'].includes(script) && `${process.cwd()}/` === root)
    process.chdir(INIT_CWD);
}

async function main(): Promise<void> {
  standWhereNpmWasStarted();
  const code = await millrace(args);
  process.removeAllListeners('beforeExit');
  process.exitCode = code;
  // An interrupted command may still wait for something, such as the next line of a terminal, which would
  // keep the process alive.
  if (code === INTERRUPTED) process.exit();
}

main().catch(fail);
