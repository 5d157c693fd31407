#!/usr/bin/env -S npx tsx
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { bundle } from '../lib/bundle.ts';
import { checkLoading } from '../lib/loading.ts';
import {
  auditCommand,
  backfillCommand,
  checkCommand,
  explainCommand,
  invokeBundle,
  loadPipeline,
  rescaleCommand,
  restoreCommand,
  resumeCommand,
  run,
  show,
} from '../src/local.ts';
import { LOCK_FILE } from '../src/wiring/definition.ts';
import { ENVIRONMENT } from '../src/wiring/names.ts';

// Node 20 is enough for a local run; the SDK's word about its end of life is for deployments.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

const program = new Command('millrace')
  .description(
    'Event-time windows over streams on AWS Lambda: run, show and invoke a pipeline on this machine, look at what one keeps, and change how it is kept.',
  )
  .version(version)
  .showHelpAfterError();

program
  .command('start')
  .description('show a pipeline at work: servers on this machine, real records, the latest panes')
  .option('-p, --pipeline <name>', 'a folder of functions/, or a file that exports a pipeline', 'flights')
  .option(
    '-i, --input <file>',
    'NDJSON, .json, .csv or .tsv with a header, or -; gzipped or not (default: 20,000 real flights)',
  )
  .addOption(separatorOption())
  .option(
    '-s, --speed <factor>',
    'event time passes this many times as fast as the clock (default: as fast as it goes)',
    positive,
  )
  .option(
    '-d, --data <directory>',
    'keep streams, tables and objects here: a run that was ended early goes on as if it had not been',
  )
  .option('-b, --batch-size <records>', 'records at most in one event, up to 10,000', batchSize)
  .option('-k, --keep', 'stay up afterwards, for records put with the AWS CLI or an SDK', false)
  .action(async ({ pipeline, input, ...options }) => {
    process.exitCode = await show(await loadPipeline(fileOf(pipeline)), {
      ...options,
      input: inputOf(pipeline, input),
    });
  });

program
  .command('run')
  .description(
    'run records through the whole path and write every pane; poison and late records are counted on stderr',
  )
  .argument('<pipeline.ts>', 'a file that exports a pipeline, as default or alone')
  .requiredOption('-i, --input <file>', 'NDJSON, .json, .csv or .tsv with a header, or -; gzipped or not')
  .addOption(separatorOption())
  .requiredOption('-o, --output <file>', 'NDJSON, or -')
  .option(
    '-d, --data <directory>',
    'keep streams, tables and objects here: a run that was ended early goes on as if it had not been',
  )
  .option('-b, --batch-size <records>', 'records at most in one event, up to 10,000', batchSize)
  .action(async (pipeline, options) => {
    process.exitCode = await run(await loadPipeline(fileOf(pipeline)), options);
  });

program
  .command('invoke')
  .description('call the built bundle of a pipeline as Lambda would, on a Lambda event, and write its answer')
  .argument('<pipeline>', 'a folder of functions/')
  .argument('<event.json>', 'a Kinesis event as Lambda hands it over')
  .option('-d, --data <directory>', 'keep tables and objects here, and go on from what is there')
  .action(async (name, event, { data }) => {
    const file = fileOf(name);
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
    try {
      const built = bundle({ handler: join(dirname(file), 'handler.ts'), pipeline: file, to: folder });
      const pipeline = await loadPipeline(file);
      const variables = Object.values(ENVIRONMENT).map((variable) => [variable, 'any']);
      checkLoading(built.path, { ...Object.fromEntries(variables), [ENVIRONMENT.pipeline]: pipeline.name });
      const answer = await invokeBundle(built.path, pipeline, resolve(event), data);
      process.stdout.write(`${JSON.stringify(answer)}\n`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

deployed('check')
  .description(
    'say what deploying a definition would do, and write nothing that runs: exit code 0 fine, 1 it would be refused, 2 it could not look',
  )
  .option('--source <name>', 'the ARN of the stream or queue to be read, or <cluster or servers>/<topic>')
  .option('--write', 'write the lock file that cdk synth compares, unless the definition is refused')
  .option('--json', 'the same as JSON')
  .action((pipeline, options) =>
    working(async () => {
      const file = fileOf(pipeline);
      return checkCommand(await loadPipeline(file), join(dirname(file), LOCK_FILE), options);
    }),
  );

deployed('audit')
  .description(
    'hold the logs, rows and objects of a pipeline against each other: exit code 0 clean, 1 findings, 2 unread',
  )
  .option('--json', 'the report as JSON')
  .action((pipeline, options) =>
    working(async () => auditCommand(await loadPipeline(fileOf(pipeline)), options)),
  );

deployed('explain')
  .description(
    'what is known of a key, and what its windows wait for: exit code 0, 1 where it has none, 2 unread',
  )
  .argument('<key>', 'a key of the pipeline')
  .option('--json', 'the same as JSON')
  .action((pipeline, key, options) =>
    working(async () => explainCommand(await loadPipeline(fileOf(pipeline)), key, options)),
  );

deployed('rescale')
  .description(
    'change the number of key groups of a pipeline that runs: exit code 0, 2 not done; the same command again finishes it',
  )
  .requiredOption('-g, --groups <number>', 'a power of two up to 4,096', whole)
  .action((pipeline, options) =>
    working(async () => rescaleCommand(await loadPipeline(fileOf(pipeline)), options)),
  );

deployed('restore')
  .description(
    'go on from a state table that was restored to an earlier time, while no function runs, and say what the source must be read again from: exit code 0, 2 not done; the same command again does it',
  )
  .action((pipeline, options) =>
    working(async () => restoreCommand(await loadPipeline(fileOf(pipeline)), options)),
  );

deployed('resume')
  .description(
    'let projectors go on that were down until entries expired, and say what they skip: exit code 0, 2 not done',
  )
  .action((pipeline, options) =>
    working(async () => resumeCommand(await loadPipeline(fileOf(pipeline)), options)),
  );

deployed('backfill')
  .description(
    'write all panes that the logs have, some eight days of them, as rows or to another bucket: exit code 0, 2 not done; the same command again goes on',
  )
  .option('--rows', 'as rows of its table: what is there and as new stays')
  .option('--bucket <name>', 'as objects of another bucket: each pane once')
  .addOption(
    new Option('--format <format>', "of the objects (default: that of the pipeline's own)").choices([
      'ndjson',
      'parquet',
    ]),
  )
  .option(
    '--name <name>',
    'under the same name a backfill goes on, under another it begins anew (default: the date for rows, the bucket for objects)',
  )
  .action((pipeline, options) =>
    working(async () => backfillCommand(await loadPipeline(fileOf(pipeline)), options)),
  );

/** A command on what a pipeline keeps, here or in AWS. */
function deployed(name: string): Command {
  return program
    .command(name)
    .argument('<pipeline>', 'a folder of functions/, or a file that exports a pipeline')
    .option('-d, --data <directory>', 'where start or run kept data; in AWS otherwise, by these names:')
    .option('--state-table <name>', "the stack's output StateTableName")
    .option('--rows-table <name>', "the stack's output RowsTableName, where there is a table() sink")
    .option('--results-bucket <name>', "the stack's output ResultsBucketName");
}

/** Whatever keeps a command from its work has an exit code of its own. */
async function working(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}

function separatorOption(): Option {
  return new Option(
    '--separator <character>',
    'read the input as CSV with this between its cells, \\t for a tab (default: found in the header of a .csv)',
  ).argParser((text) => {
    const separator = text === '\\t' ? '\t' : text;
    if (!/^[\t -~]$/.test(separator) || separator === '"') {
      throw new InvalidArgumentError('It must be one ASCII character, and no quote.');
    }
    return separator;
  });
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

function batchSize(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000) {
    throw new InvalidArgumentError(
      'It must be a whole number from 1 to 10,000, as many as Lambda hands over.',
    );
  }
  return value;
}

/** The file of a pipeline that is named by its folder, or by itself. */
function fileOf(pipeline: string): string {
  const file = /^[\w-]+$/.test(pipeline)
    ? resolve(ROOT, 'functions', pipeline, 'pipeline.ts')
    : resolve(pipeline);
  if (!existsSync(file)) throw new Error(`Cannot find the pipeline "${pipeline}": there is no ${file}`);
  return file;
}

function inputOf(pipeline: string, input: string | undefined): string {
  if (input !== undefined) return input;
  if (pipeline === 'flights')
    return resolve(createRequire(import.meta.url).resolve('vega-datasets'), '../../data/flights-20k.json');
  throw new Error(`Cannot start "${pipeline}" as only flights has records of its own: give an --input`);
}

// Whoever reads the panes has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
