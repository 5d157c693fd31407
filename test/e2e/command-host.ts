import { failureCode, failureText, millrace } from '../../bin/command-line.ts';
import { startServers } from '../../src/local/servers/servers.ts';

/**
 * Runs commands one after the other in this process, as they are sent to it, and answers what each wrote and its exit code: a
 * process for each would take most of its time to begin, as would a thread for its servers.
 */
interface Asked {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What the commands that run write; the process itself writes nothing. */
let written = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const) {
  process[name].write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    written[name] += Buffer.from(chunk as Uint8Array).toString();
    for (const done of rest) if (typeof done === 'function') done();
    return true;
  };
}

/** A fault outside of any call ends a process, in bin/millrace.ts as here the command. */
let fault: (error: unknown) => void = () => {};
process.on('uncaughtException', (error) => fault(error));

const environment = { ...process.env };

async function answer({ args, env }: Asked) {
  written = { stdout: '', stderr: '' };
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment, env);
  const faulty = new Promise<number>((resolve) => {
    fault = (error) => {
      process.stderr.write(`${failureText(args, error)}\n`);
      resolve(failureCode(args));
    };
  });
  const code = await Promise.race([millrace(args, startServers), faulty]);
  return { ...written, code };
}

process.on('message', (asked: Asked) => answer(asked).then((answered) => process.send?.(answered)));
process.send?.('ready');
