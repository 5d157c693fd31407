import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { lineOf, shownPath } from '../local/failure.ts';
import { type InputRecord, readInput } from '../local/input.ts';
import { pipelineOver } from '../local/over.ts';
import { eitherRefused, type RefusedByCode, withLines } from '../local/refused.ts';
import { isAccountedFor, type Replayed, replay } from '../local/replay.ts';
import { type LocalOptions, type LocalRuntime, startLocal } from '../local/runtime.ts';
import { localSourceOf } from '../local/sources/index.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { bySink, NO_MESSAGES } from '../pipeline/sinks.ts';
import { chainOf } from '../pipeline/upstream.ts';
import { type Apart, checkInput, type Output, outputTo } from './files.ts';
import { howToReach } from './how-to-reach.ts';
import { type Live, openLive } from './live.ts';
import { paneLines } from './panes.ts';
import {
  asked,
  deliveries,
  lateLines,
  ledger,
  paneTable,
  quietScreen,
  refusedLines,
  type Screen,
  startScreen,
  whereToLook,
} from './screen.ts';
import { createTally, type Tally } from './tally.ts';
import { plural, span, thousands } from './text.ts';

export interface LocalRunOptions {
  /** The separator between the cells of a CSV input, where the header does not show it. */
  readonly separator?: string | undefined;
  readonly data?: string | undefined;
  readonly speed?: number | undefined;
  readonly batchSize?: number | undefined;
  /** The first of four consecutive ports of the servers. Without it they take free ports. */
  readonly port?: number | undefined;
  /** Whether a record that is not taken in makes the exit code 1. */
  readonly strict?: boolean | undefined;
  /** Carries the records instead of the source of the definition. */
  readonly source?: Pipeline['source']['kind'] | undefined;
  /** The address of a broker that runs already. */
  readonly broker?: string | undefined;
  /** Where the page of the run is written as one file, at the end. */
  readonly report?: string | undefined;
  readonly startServers?: LocalOptions['startServers'];
  /** Where a person watches. Default standard output. */
  readonly terminal?: NodeJS.WriteStream | undefined;
}

export interface ShowOptions extends LocalRunOptions {
  readonly input?: string | undefined;
  readonly keep: boolean;
}

/**
 * Shows several pipelines side by side: each with servers, a directory and ports of its own, and its name before each line.
 *
 * @returns the highest of their exit codes
 * @throws RangeError when two have the same name; Error when several would read standard input
 */
export async function showAll(
  shown: readonly { readonly pipeline: Pipeline; readonly input: string | undefined }[],
  options: Omit<ShowOptions, 'input'>,
): Promise<number> {
  const names = shown.map(({ pipeline }) => pipeline.name);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) {
    throw new RangeError(
      `Cannot start pipelines side by side as each must have a name of its own: two are named "${twice}"`,
    );
  }
  if (shown.filter(({ input }) => input === '-').length > 1) {
    throw new Error(
      'Cannot give standard input to several pipelines as it can be read once: give them a file',
    );
  }
  if (options.report !== undefined) {
    throw new Error(
      'Cannot write one report of several pipelines as it shows the page of one: start the others by themselves',
    );
  }
  const width = Math.max(...names.map((name) => name.length));
  const codes = shown.map(({ pipeline, input }, at) => {
    const label = `${pipeline.name.padEnd(width)} | `;
    return show(pipeline, {
      ...options,
      input,
      data: options.data && join(options.data, pipeline.name),
      port: options.port && options.port + PORTS * at,
      terminal: labelled(label),
    }).catch((error) => {
      // The others may stay up for long.
      process.stderr.write(`${label}${lineOf(error)}\n`);
      return 1;
    });
  });
  return Math.max(...(await Promise.all(codes)));
}

/** The servers of a run: Kinesis, DynamoDB, S3 and the page. */
const PORTS = 4;

/** Standard output for one of several, which cannot draw over each other's lines. */
const labelled = (label: string): NodeJS.WriteStream =>
  Object.create(process.stdout, {
    isTTY: { value: false },
    write: { value: (text: string) => process.stdout.write(text.replaceAll(/^(?=.)/gm, label)) },
  });

/**
 * Shows a pipeline at work on an input: progress, the latest panes, and where to look next. With `keep` it
 * stays up afterwards, or from the beginning where there is no input, and takes in whatever is put onto its
 * stream, until it is interrupted.
 *
 * @returns the exit code: 0 when every record is accounted for, and some went into windows
 */
export async function show(
  definition: Pipeline,
  { input, terminal = process.stdout, ...options }: ShowOptions,
): Promise<number> {
  const { pipeline, leftOut } = overSource(definition, options);
  if (input !== undefined) await checkInput(input);
  const report = await reportTo({ ...options, input });
  return running(
    pipeline,
    options,
    (tally) => startScreen(tally, terminal),
    async (runtime, tallies, screen, signal, live) => {
      const [{ tally }] = tallies;
      leftOut.forEach(screen.say);
      if (input === undefined) {
        live?.phase('up');
        screen.say('Begins without an input: put records onto its stream, and watch');
        screen.say(`\n${howToReach(runtime)}`);
        await keepUp(runtime, tallies, screen, signal);
        screen.say('Ended');
        return 0;
      }
      const { service, resource } = runtime.source.place;
      screen.say(
        `Reads ${input === '-' ? 'standard input' : shownPath(input)} by way of ${service}, ${resource}`,
      );
      if (options.data !== undefined)
        live?.holdSending(`${options.data} must hold the input first: wait until all of it is sent`);
      const sent = await replay(runtime, {
        input: noted(
          untilAborted(readInput(input, { separator: options.separator, onRead: screen.read }), signal),
          (data) => live?.example(data),
        ),
        speed: options.speed,
        signal,
        onSent: screen.sent,
        onDrained() {
          live?.holdSending(undefined);
          live?.phase('closing');
          screen.say('\nEnd of the input: the clock of this run moves forward until every window has closed');
        },
      });
      const replayed = { ...sent, others: sent.others + (live?.typed ?? 0) };
      screen.say(`\nIt moved forward by ${span(replayed.ahead)}; the latest panes of each window:`);
      for (const { pipeline, tally } of tallies) {
        if (tallies.length > 1) screen.say(`\n"${pipeline.name}"`);
        screen.say(paneTable(tally, screen.columns));
      }
      const refused = await refusedIn(replayed, tally, input, options);
      const { failure, text } = conclude(runtime, replayed, tally, refused, options.strict);
      screen.say(text);
      const took = deliveries(lastOf(tallies).tally);
      if (took.length > 0) screen.say(`From the handler ${took.join('; ')}`);
      live?.phase('up');
      const exitCode = failure === undefined ? 0 : 1;
      if (!options.keep) {
        screen.say(
          '\nThe servers end with this run: --keep keeps them up, and --data <directory> keeps what they hold',
        );
        if (live?.isWatched) {
          screen.say('\nStill up, as a page watches: until it is closed, or Ctrl-C');
          await keepUp(runtime, tallies, screen, signal, () => live.isWatched);
        }
        return exitCode;
      }
      screen.say('\nStill up, until Ctrl-C: put records onto the stream, and watch');
      const [pane] = lastOf(tallies).tally.latest();
      const look = pane ? `\n\nFor example:\n${whereToLook(runtime, pane, replayed.last)}` : '';
      screen.say(`\n${howToReach(runtime)}${look}`);
      await keepUp(runtime, tallies, screen, signal);
      screen.say('Ended');
      return exitCode;
    },
    { servesPage: true, report },
  );
}

/**
 * Runs an input through the whole path and writes the panes, read back from the bucket, one a line. Only a
 * run whose exit code is 0 replaces the output.
 *
 * @returns the exit code: 0 when every record is accounted for, and some went into windows
 */
export async function run(
  defined: Pipeline,
  options: LocalRunOptions & {
    readonly input: string;
    readonly output: string;
    /** The file of the pipeline. */
    readonly definition: string;
  },
): Promise<number> {
  const { pipeline, leftOut } = overSource(defined, options);
  const {
    bucket: [readBack],
  } = bySink(pipeline.sinks, {
    // Rows can only be found by their keys, so that they cannot be listed.
    table: () => undefined,
    bucket: () => paneLines,
    ...NO_MESSAGES,
  });
  if (readBack === undefined) {
    throw new Error(
      `Cannot run "${pipeline.name}" as its panes are read back from the bucket: add .to(bucket())`,
    );
  }
  await checkInput(options.input);
  const output = await outputTo(options.output, options);
  const report = await reportTo(options);
  return running(
    pipeline,
    options,
    (tally) => quietScreen(tally, process.stderr),
    async (runtime, tallies, screen, signal) => {
      const [{ tally }] = tallies;
      leftOut.forEach(screen.say);
      const replayed = await replay(runtime, {
        input: untilAborted(readInput(options.input, options), signal),
        speed: options.speed,
        signal,
        onSent: screen.sent,
      });
      const refused = await refusedIn(replayed, tally, options.input, options);
      const { failure, text } = conclude(runtime, replayed, tally, refused, options.strict);
      if (failure !== undefined) {
        screen.say(`${text}; no panes are written`);
        return 1;
      }
      const panes = await output(readBack(runtime.s3, runtime.names.bucket), signal);
      screen.say(`${text}; ${thousands(panes)} panes`);
      return 0;
    },
    { report },
  );
}

/** Returns where the report of a run is written; undefined where nobody asks for one. */
const reportTo = async (
  options: Apart & { readonly report?: string | undefined },
): Promise<Output | undefined> =>
  options.report === undefined ? undefined : outputTo(options.report, options, 'the report');

async function* only(text: string): AsyncGenerator<string> {
  yield text;
}

/** Returns a pipeline over the source that the options name, and says which windows that leaves out. */
function overSource(definition: Pipeline, { source }: LocalRunOptions) {
  const { pipeline, left } = pipelineOver(definition, source ?? chainOf(definition)[0].source.kind);
  localSourceOf(chainOf(pipeline)[0]);
  const leftOut = left.map(
    (window) =>
      `Window ${window} is left out of this run: it follows the order of the source, and ${source} has none`,
  );
  return { pipeline, leftOut };
}

/** Yields the records until the signal, also while it waits for the next one. */
async function* untilAborted(
  records: AsyncGenerator<InputRecord>,
  signal: AbortSignal,
): AsyncGenerator<InputRecord> {
  let abort = () => {};
  signal.addEventListener('abort', () => abort());
  for (;;) {
    const next = await new Promise<IteratorResult<InputRecord>>((resolve, reject) => {
      abort = () => reject(signal.reason);
      records.next().then(resolve, reject);
    });
    if (next.done) return;
    yield next.value;
  }
}

/** Yields the same records, and tells of each. */
async function* noted(
  records: AsyncIterable<InputRecord>,
  tell: (data: Uint8Array) => void,
): AsyncGenerator<InputRecord> {
  for await (const record of records) {
    tell(record.data);
    yield record;
  }
}

/** A tally of each pipeline of a run: the pipelines that are read first, in their order. */
type Tallies = readonly [Watched, ...Watched[]];

interface Watched {
  readonly pipeline: Pipeline;
  readonly tally: Tally;
}

const lastOf = (tallies: Tallies): Watched => tallies.at(-1) as Watched;

const SAME_INTERRUPT_MILLIS = 500;

/**
 * Starts everything, and ends it whatever happens: at the first Ctrl-C in good order, at the second at once.
 */
async function running(
  pipeline: Pipeline,
  { data, batchSize, port, broker, startServers }: LocalRunOptions,
  startScreen: (tally: Tally) => Screen,
  work: (
    runtime: LocalRuntime,
    tallies: Tallies,
    screen: Screen,
    signal: AbortSignal,
    live: Live | undefined,
  ) => Promise<number>,
  {
    servesPage = false,
    report,
  }: { readonly servesPage?: boolean; readonly report?: Output | undefined } = {},
): Promise<number> {
  const interrupted = new AbortController();
  let since = 0;
  const interrupt = () => {
    if (!interrupted.signal.aborted) since = performance.now();
    // npm, the shell and tsx may each pass on the same Ctrl-C.
    else if (performance.now() - since > SAME_INTERRUPT_MILLIS) process.exit(130);
    interrupted.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const [first, ...following] = chainOf(pipeline).map((stage) => ({
    pipeline: stage,
    // The page shows what the run is about, which is the last of several pipelines.
    tally: createTally(stage, (panes) => stage === pipeline && live?.panes(panes)),
  })) as unknown as Tallies;
  const tallies: Tallies = [first, ...following];
  const { tally } = lastOf(tallies);
  const live =
    servesPage || report ? openLive(pipeline, tally, { data, port: port && port + PORTS - 1 }) : undefined;
  const drawn = startScreen(first.tally);
  const screen: Screen = {
    ...drawn,
    read(share) {
      drawn.read(share);
      live?.read(share);
    },
    sent(records, eventTime) {
      drawn.sent(records, eventTime);
      live?.sent(records, eventTime);
    },
  };
  try {
    if (servesPage) {
      screen.say(`Live page: ${await live?.serve()}\n`);
      for (const { pipeline } of tallies) screen.say(asked(pipeline, screen.columns));
    }
    const runtime = await startLocal({
      pipeline,
      telemetry: tally,
      dataDirectory: data,
      batchSize,
      port,
      broker,
      startServers,
      decorate: tally.watch,
      upstream(stage) {
        const { tally } = tallies.find(({ pipeline }) => pipeline === stage) ?? first;
        return { telemetry: tally, decorate: tally.watch };
      },
    });
    try {
      await live?.join(runtime);
      const code = await work(runtime, tallies, screen, interrupted.signal, live);
      // A run that is kept up is ended by an interrupt, and has its report all the same.
      if (live && report) await report(only(await live.report()), new AbortController().signal);
      return code;
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
    await live?.close();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Returns the refused records of a run. A pipe cannot be read again to find their lines. */
async function refusedIn(
  { poisonLines }: Replayed,
  tally: Tally,
  input: string,
  options: LocalRunOptions,
): Promise<RefusedByCode> {
  const refused = eitherRefused(poisonLines, tally.refused);
  const found = await stat(input).catch(() => undefined);
  if (!found?.isFile()) return refused;
  return withLines(refused, () => readInput(input, options)).catch(() => refused);
}

function conclude(
  { source: { place } }: LocalRuntime,
  replayed: Replayed,
  tally: Tally,
  poison: RefusedByCode,
  strict = false,
): { readonly failure: string | undefined; readonly text: string } {
  const lines = replayed.refused
    .slice(0, 10)
    .map(
      ({ line, bytes, beginning }) =>
        `  line ${line}: ${thousands(bytes)} bytes, where ${place.service} takes ${place.mostBytes}: ${beginning}`,
    );
  const late = lateLines(replayed.late).map((line) => `  ${line}`);
  const faults = [...tally.faults].map(([fault, times]) => `  ${times} × cannot ${fault}`);
  const warnings = [...tally.warnings].map((warning) => `  ${warning}`);
  const failure = failureOf(replayed, strict);
  const verdict = failure === undefined ? [] : [failure];
  return {
    failure,
    text: [
      ...lines,
      ...refusedLines(poison),
      ...late,
      ...faults,
      ...warnings,
      ...verdict,
      ledger(replayed, place),
    ].join('\n'),
  };
}

/** Says why the exit code of a run is 1; undefined where it is 0. */
export function failureOf(replayed: Replayed, strict: boolean): string | undefined {
  const { read, applied, lateForAll, poison, refused, open } = replayed;
  if (!isAccountedFor(replayed)) return 'NOT every record is accounted for: please report this';
  if (read === 0) return 'NO record was taken in: the input holds none.';
  if (applied === 0) return 'NO record was taken in.';
  if (open > 0) {
    return `NOT every window has closed: ${plural(open, 'stays', 'stay')} open, as the source holds records that no group has taken in.`;
  }
  const left = lateForAll + poison + refused.length;
  return strict && left > 0
    ? `NOT every record was taken in, as --strict asks: ${plural(left, 'was', 'were')} refused.`
    : undefined;
}

const LOOK_MILLIS = 1_000;
const LOOKS_PER_SWEEP = 60;

/** Keeps a run up until the signal, or until nobody wants it any more: the sweeper runs every minute, as deployed, and new panes are shown. */
async function keepUp(
  runtime: LocalRuntime,
  tallies: Tallies,
  screen: Screen,
  signal: AbortSignal,
  isWanted = () => true,
): Promise<void> {
  const { tally } = lastOf(tallies);
  runtime.clock.start();
  let shown = tally.panes;
  // A page that is loaded anew is away for a moment.
  let unwanted = 0;
  for (let looks = 1; !signal.aborted && unwanted < 2; looks++) {
    unwanted = isWanted() ? 0 : unwanted + 1;
    await delay(LOOK_MILLIS, undefined, { signal }).catch(() => undefined);
    if (looks % LOOKS_PER_SWEEP === 0) await runtime.sweep();
    if (tally.panes > shown) screen.say(`\n${paneTable(tally, screen.columns)}`);
    shown = tally.panes;
  }
}
