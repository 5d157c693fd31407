import { once } from 'node:events';
import { open, stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

export { auditCommand, explainCommand } from './local/audit.ts';
export { checkCommand } from './local/check.ts';
export { invokeBundle } from './local/invoke.ts';
export { backfillCommand, rescaleCommand, restoreCommand, resumeCommand } from './local/maintain.ts';

import { readInput } from './local/input.ts';
import { readPanes } from './local/panes.ts';
import { eitherRefused, type RefusedByCode, withLines } from './local/refused.ts';
import { isAccountedFor, type Replayed, replay } from './local/replay.ts';
import { type LocalRuntime, startLocal } from './local/runtime.ts';
import {
  lateLines,
  ledger,
  paneTable,
  quietScreen,
  refusedLines,
  type Screen,
  span,
  startScreen,
  thousands,
  whereToLook,
} from './local/screen.ts';
import { createTally, type Tally } from './local/tally.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { pipelineOf } from './pipeline/pipeline-of.ts';

export interface LocalRunOptions {
  readonly input: string;
  /** Between the cells of a CSV input, where it is not to be found in the header. */
  readonly separator?: string | undefined;
  readonly data?: string | undefined;
  readonly speed?: number | undefined;
  readonly batchSize?: number | undefined;
}

/** @throws Error when the file is no module, or exports no pipeline */
export async function loadPipeline(path: string): Promise<Pipeline> {
  const url = pathToFileURL(path).href;
  try {
    return pipelineOf(await import(url));
  } catch (error) {
    // What a definition itself refuses says all there is to say.
    if (!(error instanceof Error) || error.message.startsWith('Cannot ')) throw error;
    const place = error.stack?.split('\n').find((line) => line.includes(path) || line.includes(url));
    throw new Error(`Cannot load ${path}: ${error.message}${place ? ` (${place.trim()})` : ''}`, {
      cause: error,
    });
  }
}

/**
 * Shows a pipeline at work on an input: progress, the latest panes, and where to look next. With `keep` it stays up
 * afterwards, taking in whatever is put onto its stream, until it is interrupted.
 *
 * @returns the exit code: 0 when every record went somewhere
 */
export async function show(
  pipeline: Pipeline,
  options: LocalRunOptions & { readonly keep: boolean },
): Promise<number> {
  return running(
    pipeline,
    options,
    (tally) => startScreen(pipeline, tally, process.stdout),
    async (runtime, tally, screen, signal) => {
      screen.say(
        `Pipeline "${pipeline.name}", ${relative('', options.input)}: sending to stream ${runtime.names.stream} on ${runtime.endpoints.kinesis}`,
      );
      const replayed = await replay(runtime, {
        pipeline,
        input: readInput(options.input, { separator: options.separator, onRead: screen.read }),
        speed: options.speed,
        signal,
        onSent: screen.sent,
        onDrained: () =>
          screen.say(
            '\nEnd of the data: the clock of this run is moved forward until every window has closed',
          ),
      });
      screen.say(`\nClock moved forward by ${span(replayed.ahead)}; the latest panes of each window:`);
      screen.say(paneTable(tally, process.stdout.columns));
      const { exitCode, text } = conclude(replayed, tally, await refusedIn(replayed, tally, options));
      screen.say(text);
      const [pane] = tally.latest();
      const look = pane ? `\n${whereToLook(runtime, pane, replayed.last)}` : '';
      if (!options.keep) {
        screen.say(
          `\nThe servers end with this run; --data <directory> keeps what they hold, and --keep keeps them up${look && `, for:${look}`}`,
        );
        return exitCode;
      }
      screen.say(
        `\nStill up, until Ctrl-C: put records onto the stream, and watch. They speak the AWS protocols:${look}`,
      );
      await keepUp(runtime, tally, screen, signal);
      screen.say('Ended');
      return exitCode;
    },
  );
}

/**
 * Runs an input through the whole path and writes the panes, read back from the bucket, one a line.
 *
 * @returns the exit code: 0 when every record went somewhere
 */
export async function run(
  pipeline: Pipeline,
  options: LocalRunOptions & { readonly output: string },
): Promise<number> {
  if (!pipeline.sinks.some(({ kind }) => kind === 'bucket')) {
    throw new Error(
      `Cannot run "${pipeline.name}" as its panes are read back from the bucket: add .to(bucket())`,
    );
  }
  const output =
    options.output === '-' ? process.stdout : (await open(options.output, 'w')).createWriteStream();
  return running(
    pipeline,
    options,
    (tally) => quietScreen(tally, process.stderr),
    async (runtime, tally, screen, signal) => {
      const replayed = await replay(runtime, {
        pipeline,
        input: readInput(options.input, options),
        speed: options.speed,
        signal,
        onSent: screen.sent,
      });
      let panes = 0;
      for await (const line of readPanes(runtime.s3, runtime.names.bucket)) {
        panes++;
        if (!output.write(`${line}\n`)) await once(output, 'drain');
      }
      if (output !== process.stdout) await new Promise<void>((resolve) => output.end(() => resolve()));
      const { exitCode, text } = conclude(replayed, tally, await refusedIn(replayed, tally, options));
      screen.say(`${text}; ${thousands(panes)} panes`);
      return exitCode;
    },
  );
}

const SAME_INTERRUPT_MILLIS = 500;

/** Starts everything, and ends it whatever happens: at the first Ctrl-C in good order, at the second at once. */
async function running(
  pipeline: Pipeline,
  { data, batchSize }: LocalRunOptions,
  startScreen: (tally: Tally) => Screen,
  work: (runtime: LocalRuntime, tally: Tally, screen: Screen, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const interrupted = new AbortController();
  let first = 0;
  const interrupt = () => {
    if (!interrupted.signal.aborted) first = performance.now();
    // npm, the shell and tsx may each pass the same Ctrl-C on.
    else if (performance.now() - first > SAME_INTERRUPT_MILLIS) process.exit(130);
    interrupted.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const tally = createTally(pipeline);
  const screen = startScreen(tally);
  try {
    const runtime = await startLocal({
      pipeline,
      telemetry: tally,
      dataDirectory: data,
      batchSize,
      decorate: tally.watch,
    });
    try {
      return await work(runtime, tally, screen, interrupted.signal);
    } finally {
      screen.stop();
      await runtime.close();
    }
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    const kept =
      data === undefined ? '' : `; what was committed is in ${data}, and the same command goes on from there`;
    screen.say(`Interrupted${kept}`);
    return 130;
  } finally {
    screen.stop();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** The refused records of a run. A pipe cannot be read again for the lines of some. */
async function refusedIn(
  { poisonLines }: Replayed,
  tally: Tally,
  options: LocalRunOptions,
): Promise<RefusedByCode> {
  const refused = eitherRefused(poisonLines, tally.refused);
  const found = await stat(options.input).catch(() => undefined);
  if (!found?.isFile()) return refused;
  return withLines(refused, () => readInput(options.input, options)).catch(() => refused);
}

function conclude(
  replayed: Replayed,
  tally: Tally,
  poison: RefusedByCode,
): { readonly exitCode: number; readonly text: string } {
  const lines = replayed.refused
    .slice(0, 10)
    .map(
      ({ line, bytes, beginning }) =>
        `  line ${line}: ${thousands(bytes)} bytes, where Kinesis takes 1,048,576 with the key: ${beginning}`,
    );
  const late = lateLines(replayed.late).map((line) => `  ${line}`);
  const faults = [...tally.faults].map(([fault, times]) => `  ${times} × cannot ${fault}`);
  const accounted = isAccountedFor(replayed);
  const none =
    replayed.poison > 0 && replayed.applied + replayed.lateForAll === 0 ? ['NO record was taken in.'] : [];
  const verdict = accounted ? [] : ['NOT every record is accounted for: please report this'];
  return {
    exitCode: accounted ? 0 : 1,
    text: [...lines, ...refusedLines(poison), ...late, ...none, ...faults, ...verdict, ledger(replayed)].join(
      '\n',
    ),
  };
}

const LOOK_MILLIS = 1_000;
const LOOKS_PER_SWEEP = 60;

/** Until the signal: the sweeper comes by every minute, as deployed, and new panes are shown. */
async function keepUp(
  runtime: LocalRuntime,
  tally: Tally,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  runtime.clock.start();
  let shown = tally.panes;
  for (let looks = 1; !signal.aborted; looks++) {
    await delay(LOOK_MILLIS, undefined, { signal }).catch(() => undefined);
    if (looks % LOOKS_PER_SWEEP === 0) await runtime.sweep(0);
    if (tally.panes > shown) screen.say(`\n${paneTable(tally, process.stdout.columns)}`);
    shown = tally.panes;
  }
}
