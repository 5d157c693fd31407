#!/usr/bin/env -S npx tsx
import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { failureCode, failureText, millrace } from './command-line.ts';

// Node 20 is enough for a local run; the SDK's word about its end of life is for deployments.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const INTERRUPTED = 130;

const args = process.argv.slice(2);

/** Ends the process, whatever it was about. */
function end(code: number, text?: string): never {
  if (text !== undefined) process.stderr.write(`${text}\n`);
  process.exit(code);
}

const fail = (error: unknown): never => end(failureCode(args), failureText(args, error));

process.on('uncaughtException', fail);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads the panes has read enough.
  if (error.code === 'EPIPE') end(0);
  fail(new Error(`Cannot write to standard output: ${error.message}`));
});
process.stderr.on('error', () => process.exit(failureCode(args)));

// A command that ends in good order has a listener of its own.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => process.listenerCount(signal) > 1 || end(INTERRUPTED, 'Interrupted'));
}

// A definition may wait for what never comes.
process.once('beforeExit', () => fail(new Error('nothing is left that could go on')));

/**
 * npm runs a script in the folder of its package, and says where it was asked to. What else that reaches, as a program that a script
 * starts elsewhere, stands where it is.
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
  // What it was waiting for, such as the next line of a terminal, is waited for no longer.
  if (code === INTERRUPTED) process.exit();
}

main().catch(fail);
