import { rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { Bundles, entryOf } from '../lib/bundle.ts';
import { checkLoading } from '../lib/loading.ts';
import { auditCommand } from '../src/commands/audit.ts';
import { backfillCommand } from '../src/commands/backfill.ts';
import { checkCommand } from '../src/commands/check.ts';
import { explainCommand } from '../src/commands/explain.ts';
import { invokeBundle, readEvent } from '../src/commands/invoke.ts';
import { loadPipeline } from '../src/commands/load.ts';
import { pageCommand } from '../src/commands/page.ts';
import { planCommand } from '../src/commands/plan.ts';
import {
  listKeptCommand,
  POISON_CODES,
  redriveFailedCommand,
  redriveKeptCommand,
  showKeptCommand,
} from '../src/commands/refused.ts';
import { rescaleCommand } from '../src/commands/rescale.ts';
import { restoreCommand } from '../src/commands/restore.ts';
import { resumeCommand } from '../src/commands/resume.ts';
import { run, show, showAll } from '../src/commands/run.ts';
import { sendCommand } from '../src/commands/send.ts';
import { DEFAULT_TEMPLATE, init, TEMPLATE_NAMES } from '../src/init/init.ts';
import { lineOf } from '../src/local/failure.ts';
import type { LocalOptions } from '../src/local/runtime.ts';
import { serversPackage } from '../src/local/servers-package.ts';
import { lockFileOf } from '../src/wiring/definition.ts';
import { ENVIRONMENT } from '../src/wiring/names.ts';
import {
  BROKER,
  batchSize,
  instant,
  notEmpty,
  port,
  positive,
  separatorOption,
  sourceOption,
  whole,
} from './options.ts';

const { version } = createRequire(import.meta.url)('../package.json') as { version: string };

/**
 * Exit code 1 of these commands says what they found, or may come to say it. So they end with 2 when they
 * could not look.
 */
const LOOKING: readonly string[] = [
  'check',
  'audit',
  'explain',
  'poison',
  'late',
  'redrive',
  'rescale',
  'restore',
  'resume',
  'backfill',
];

/** The exit code of a command that could not do its work. */
export const failureCode = ([command = '']: readonly string[]): number => (LOOKING.includes(command) ? 2 : 1);

/** The commands that have commands of their own. */
const GROUPS: readonly string[] = ['poison', 'late'];

/** The one line that a command prints when it could not do its work. */
export function failureText(args: readonly string[], error: unknown): string {
  const line = lineOf(error);
  if (line.startsWith('Cannot ')) return line;
  const words = args.slice(0, GROUPS.includes(args[0] ?? '') ? 2 : 1);
  // The last of the words is then no command.
  if (line.includes('unknown command')) words.pop();
  const named = words.filter((word) => /^[a-z]+$/.test(word)).join(' ');
  const help = error instanceof CommanderError ? `; see millrace ${named ? `${named} ` : ''}--help` : '';
  return `Cannot ${named || 'begin'}: ${line.replace(/^error: |\.$/g, '')}${help}`;
}

/**
 * Runs the command that the arguments name, to its end.
 *
 * @param startServers - starts the servers of a local run; without it, they run in a thread of their own
 * @returns the exit code of the command
 */
export async function millrace(
  args: readonly string[],
  startServers?: LocalOptions['startServers'],
): Promise<number> {
  try {
    return await parse(args, startServers);
  } catch (error) {
    // Commander throws where it prints help: with exit code 0 where help was asked for, and with another
    // where no command was named.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (!(error instanceof CommanderError && error.code === 'commander.help'))
      process.stderr.write(`${failureText(args, error)}\n`);
    return failureCode(args);
  }
}

async function parse(args: readonly string[], startServers: LocalOptions['startServers']): Promise<number> {
  let exitCode = 0;
  const ending =
    <Args extends unknown[]>(work: (...actionArgs: Args) => Promise<number>) =>
    async (...actionArgs: Args): Promise<void> => {
      exitCode = await work(...actionArgs);
    };

  const program = new Command('millrace')
    .description(
      'Event-time windows over streams on AWS Lambda: run, show and invoke a pipeline on this machine, look at what one keeps, and change how it is kept.',
    )
    .version(version)
    .exitOverride()
    .configureOutput({ outputError() {} });

  program
    .command('start')
    .description('show a pipeline at work: servers on this machine, real records, the latest panes')
    .argument(
      '[pipelines...]',
      'folders of functions/, or files that each export a pipeline: several run side by side',
    )
    .option('-p, --pipeline <name>', `the same, for one (default: ${SAMPLE})`)
    .option(
      '-i, --input <file>',
      `${INPUT}; given again, one for each pipeline (default: 20,000 real flights)`,
      (text, before: readonly string[] = []) => [...before, notEmpty(text)],
    )
    .addOption(separatorOption())
    .option(
      '-s, --speed <factor>',
      'event time passes this many times as fast as the clock (default: as fast as it goes)',
      positive,
    )
    .option('-d, --data <directory>', DATA, notEmpty)
    .addOption(sourceOption())
    .option('--broker <address>', BROKER, notEmpty)
    .option('-b, --batch-size <records>', 'records at most in one event, up to 10,000', batchSize)
    .option(
      '-k, --keep',
      'stay up afterwards, or from the beginning without an input, for records put with the AWS CLI or an SDK',
      false,
    )
    .option(
      '--port <number>',
      'where Kinesis listens; DynamoDB, S3 and the live page, with the query API at /api, on the next three (default: free ones)',
      port,
    )
    .option('--report <file>', REPORT, notEmpty)
    .option('--strict', STRICT, false)
    .addHelpText('after', RUN_CODES)
    .action(
      ending(async (names: readonly string[], { pipeline, input: inputs = [], ...options }) => {
        if (names.length > 0 && pipeline !== undefined) {
          throw new Error(
            'Cannot start pipelines that are named in two ways: give them as arguments, or one by --pipeline',
          );
        }
        const pipelines = names.length > 0 ? names : [pipeline ?? SAMPLE];
        if (inputs.length > 1 && inputs.length !== pipelines.length) {
          throw new Error(
            `Cannot start ${pipelines.length} pipelines on ${inputs.length} inputs as there must be one for all, or one for each`,
          );
        }
        const shown = [];
        for (const [at, name] of pipelines.entries()) {
          const definition = await loadPipeline(await fileOf(name));
          const input = await inputOf(name, inputs[at] ?? inputs[0], options.keep);
          shown.push({ pipeline: definition, input });
        }
        const [first, ...more] = shown;
        return first !== undefined && more.length === 0
          ? show(first.pipeline, { ...options, startServers, input: first.input })
          : showAll(shown, { ...options, startServers });
      }),
    );

  program
    .command('run')
    .description(
      'run records through the whole path and write every pane; what is not taken in is counted on stderr',
    )
    .argument('<pipeline.ts>', 'a file that exports a pipeline, as default or alone')
    .requiredOption('-i, --input <file>', INPUT, notEmpty)
    .addOption(separatorOption())
    .requiredOption(
      '-o, --output <file>',
      'NDJSON, or -; a file is replaced at the end, and by a run with exit code 0 alone',
      notEmpty,
    )
    .option('-d, --data <directory>', DATA, notEmpty)
    .addOption(sourceOption())
    .option('--broker <address>', BROKER, notEmpty)
    .option('-b, --batch-size <records>', 'records at most in one event, up to 10,000', batchSize)
    .option('--report <file>', REPORT, notEmpty)
    .option('--strict', STRICT, false)
    .addHelpText('after', RUN_CODES)
    .action(
      ending(async (pipeline, options) => {
        const definition = await fileOf(pipeline);
        return run(await loadPipeline(definition), { ...options, startServers, definition });
      }),
    );

  program
    .command('invoke')
    .description(
      'call the built bundle of a pipeline as Lambda would, on a Lambda event, and write its answer',
    )
    .argument('<pipeline>', 'a folder of functions/')
    .argument('<event.json>', 'an event as Lambda hands it over')
    .option('-d, --data <directory>', 'keep tables and objects here, and go on from what is there', notEmpty)
    .addHelpText('after', '\nExit code: 0 the handler answered; 1 it threw, or could not be called.')
    .action(
      ending((name, eventFile, { data }) =>
        inFolder(async (folder) => {
          const file = await fileOf(name);
          const pipeline = await loadPipeline(file);
          const event = await readEvent(eventFile);
          const built = new Bundles(entryOf(file), ['handler']).write('handler', folder);
          const variables = Object.values(ENVIRONMENT).map((variable) => [variable, 'any']);
          checkLoading(built.path, {
            ...Object.fromEntries(variables),
            [ENVIRONMENT.pipeline]: pipeline.name,
          });
          const answer = await invokeBundle(built.path, pipeline, event, data);
          process.stdout.write(`${JSON.stringify(answer)}\n`);
          return 0;
        }),
      ),
    );

  program
    .command('send')
    .description('send records to a stream, a queue or a topic: packed, in order for each key, with retries')
    .argument(
      '<target>',
      'a pipeline: to its stream or queue, by the name that it has in a local run, and by its keys; or stream:<name>, the ARN of a stream, queue:<name>, the URL of a queue, kafka://<host>:<port>/<topic>, amqp://<host>:<port>/<queue>',
    )
    .argument('<input>', `${INPUT}; or ws://… or wss://…, whose messages are records`)
    .option('--to <target>', 'where to, instead of the stream or queue of that name', notEmpty)
    .option(
      '-k, --key <field>',
      'the field that is the key, as machine.id, where there is no pipeline',
      notEmpty,
    )
    .option('-r, --rate <number>', 'records a second at most (default: as fast as it goes)', positive)
    .addOption(separatorOption())
    .option(
      '--checkpoint <file>',
      'says how far it is, and is removed at the end (default: <input>.sent.json; none for - and a WebSocket)',
      notEmpty,
    )
    .addHelpText(
      'after',
      `
The environment says where AWS is, as for the AWS CLI; "millrace start --keep" prints it for a run on this machine.
The same command again goes on where it was ended or killed.

Exit code: 0 everything was sent; 1 it could not be sent, or a record was too large, no text for SQS, or had no key; 130 after Ctrl-C.`,
    )
    .action(
      ending((target, input, options) =>
        sendCommand(target, input, options, async (name) => loadPipeline(await fileOf(name))),
      ),
    );

  program
    .command('plan')
    .description('say what a pipeline needs and costs, idle and under a load, before it runs; it asks nobody')
    .argument('<pipeline>', 'a folder of functions/, or a file that exports a pipeline')
    .option('--records-per-second <number>', 'what its source brings (default: 10)', positive)
    .option('--keys <number>', 'the keys that these have (default: 1000)', whole)
    .option('--bytes <number>', 'the size of a record (default: 200)', whole)
    .option('--batching-window <duration>', "as of the stack, as 5s or 500ms (default: '5s')", notEmpty)
    .option('--delivery-window <duration>', "as of the stack (default: '10s')", notEmpty)
    .option('--memory <megabytes>', 'of the handler (default: 1024)', whole)
    .option('--table-shards <number>', "shards of the state table's stream (default: 4)", whole)
    .option('--alarms <number>', 'figures that its alarms look at, as they are billed (default: 0)', whole)
    .option('--dashboards <number>', 'dashboards that show it (default: 0)', whole)
    .option('--own-key', 'its data is encrypted by a key of your own')
    .option(
      '--endpoint-zones <number>',
      'zones of its interface endpoints, in a network of yours (default: 0)',
      whole,
    )
    .option(
      '--sample <file>',
      'records of yours, one a line, whose values stand in for made-up ones: they settle how large its state is',
      notEmpty,
    )
    .option(
      '--prices <file.json>',
      'other prices than the list; "show" prints the list: { "region", "asOf", "prices": { <name>: <dollars> } }',
      notEmpty,
    )
    .option('--json', 'all of it as JSON')
    .addHelpText('after', '\nExit code: 0 the plan is made; 1 it could not be made.')
    .action(
      ending(async (pipeline, options) => planCommand(await loadPipeline(await fileOf(pipeline)), options)),
    );

  program
    .command('page')
    .description('show the live page of a pipeline in AWS on this machine, and sign what it asks')
    .argument('<pipeline>', 'a folder of functions/, or a file that exports a pipeline')
    .requiredOption('--url <address>', "the stack's output QueryUrl", notEmpty)
    .option('--port <number>', 'where the page is shown (default: a free port)', port)
    .addHelpText(
      'after',
      `
The environment says who asks, as for the AWS CLI: they must be allowed to invoke the function and its URL.

Exit code: 0 after Ctrl-C; 1 the pipeline could not be asked.`,
    )
    .action(
      ending(async (pipeline, options) => pageCommand(await loadPipeline(await fileOf(pipeline)), options)),
    );

  program
    .command('init')
    .description('make a CDK app of one pipeline, with its test and records to see it at work')
    .argument('[folder]', 'one that is empty, or not there', '.')
    .addOption(
      new Option('-t, --template <name>', 'what it is about')
        .choices([...TEMPLATE_NAMES])
        .default(DEFAULT_TEMPLATE),
    )
    .action((folder, { template }) => void process.stdout.write(init(folder, template)));

  /** Defines a command on what a pipeline keeps, on this machine or in AWS. */
  const deployed = (name: string, parent = program): Command =>
    parent
      .command(name)
      .argument('<pipeline>', 'a folder of functions/, or a file that exports a pipeline')
      .option(
        '-d, --data <directory>',
        'where start or run kept data; in AWS otherwise, by these names:',
        notEmpty,
      )
      .option('--state-table <name>', "the stack's output StateTableName")
      .option('--rows-table <name>', "the stack's output RowsTableName, where there is a table() sink")
      .option('--results-bucket <name>', "the stack's output ResultsBucketName");

  deployed('check')
    .description(
      'say what deploying a definition would do, and write nothing that runs: exit code 0 fine, 1 it would be refused, 2 it could not look',
    )
    .option('--source <name>', 'the ARN of the stream or queue to be read, or <cluster or servers>/<topic>')
    .option('--write', 'write the lock file that cdk synth compares, unless the definition is refused')
    .option('--json', 'the same as JSON')
    .action(
      ending(async (pipeline, options) => {
        const file = await fileOf(pipeline);
        return checkCommand(await loadPipeline(file), lockFileOf(file), options);
      }),
    );

  deployed('audit')
    .description(
      'hold the logs, rows and objects of a pipeline against each other: exit code 0 clean, 1 findings, 2 unread',
    )
    .option('--json', 'the report as JSON')
    .action(
      ending(async (pipeline, options) => auditCommand(await loadPipeline(await fileOf(pipeline)), options)),
    );

  deployed('explain')
    .description(
      'what is known of a key, and what its windows wait for: exit code 0, 1 where it has none, 2 unread',
    )
    .argument('<key>', 'a key of the pipeline')
    .option('--json', 'the same as JSON')
    .action(
      ending(async (pipeline, key, options) =>
        explainCommand(await loadPipeline(await fileOf(pipeline)), key, options),
      ),
    );

  for (const kind of ['poison', 'late'] as const) {
    const what = kind === 'poison' ? 'records that were refused' : 'records that came late';
    const group = program
      .command(kind)
      .description(`list and show ${what}, and take them in again`)
      .exitOverride();
    const filtered = (name: string): Command =>
      (kind === 'poison'
        ? deployed(name, group).addOption(
            new Option('--code <code>', 'those of this code alone').choices(POISON_CODES),
          )
        : deployed(name, group).option('--window <name>', 'those that this window refused alone', notEmpty)
      )
        .option('--from <time>', 'those that arrived from this date or time on, in ISO 8601', instant)
        .option('--until <time>', 'those that arrived before it', instant);
    filtered('list')
      .description(`count ${what} and were kept, and name them: exit code 0, 2 unread`)
      .option('--json', 'a line of JSON for each, without what it holds')
      .action(
        ending(async (pipeline, options) =>
          listKeptCommand(await loadPipeline(await fileOf(pipeline)), kind, options),
        ),
      );
    deployed('show', group)
      .description('show a record with what it holds: exit code 0, 1 where it is not kept, 2 unread')
      .argument('<record>', 'as list names it')
      .action(
        ending(async (pipeline, record, options) =>
          showKeptCommand(await loadPipeline(await fileOf(pipeline)), kind, record, options),
        ),
      );
    filtered('redrive')
      .description(
        'take records in again, each once: exit code 0, 2 not done; the same command again goes on',
      )
      .argument('[records...]', 'as list names them; all that match without any')
      .option('--again', 'those too that a redrive has taken in before, and that were refused again')
      .option('--unconfirmed', 'those too of which the logs no longer tell whether they were taken in later')
      .action(
        ending(async (pipeline, records, options) =>
          redriveKeptCommand(await loadPipeline(await fileOf(pipeline)), kind, records, options),
        ),
      );
  }

  deployed('redrive')
    .description(
      'take in what was given up of a stream or a queue of SQS, each record once: exit code 0, 2 not done; the same command again goes on',
    )
    .requiredOption('--failed', 'what no group has taken in of the failures bucket or the dead-letter queue')
    .option('--failures-bucket <name>', "of a stream: the stack's output FailuresBucketName", notEmpty)
    .option(
      '--dead-letters <url>',
      "of a queue: the stack's output DeadLettersUrl; --data has a queue of its own",
      notEmpty,
    )
    .option('--from <time>', 'those that arrived from this date or time on, in ISO 8601', instant)
    .option('--until <time>', 'those that arrived before it', instant)
    .option('--unconfirmed', 'those too of which the logs do not tell whether they were taken in')
    .action(
      ending(async (pipeline, options) =>
        redriveFailedCommand(await loadPipeline(await fileOf(pipeline)), options),
      ),
    );

  deployed('rescale')
    .description(
      'change the number of key groups of a pipeline that runs: exit code 0, 2 not done; the same command again finishes it',
    )
    .requiredOption('-g, --groups <number>', 'a power of two up to 4,096', whole)
    .action(
      ending(async (pipeline, options) =>
        rescaleCommand(await loadPipeline(await fileOf(pipeline)), options),
      ),
    );

  deployed('restore')
    .description(
      'go on from a state table that was restored to an earlier time, while no function runs, and say what the source must be read again from: exit code 0, 2 not done; the same command again does it',
    )
    .action(
      ending(async (pipeline, options) =>
        restoreCommand(await loadPipeline(await fileOf(pipeline)), options),
      ),
    );

  deployed('resume')
    .description(
      'let projectors go on that were down until entries expired, and say what they skip: exit code 0, 2 not done',
    )
    .action(
      ending(async (pipeline, options) => resumeCommand(await loadPipeline(await fileOf(pipeline)), options)),
    );

  deployed('backfill')
    .description(
      'write all panes that the logs have, some eight days of them, as rows, to another bucket or as messages of a sink: exit code 0, 2 not done; the same command again goes on',
    )
    .option('--rows', 'as rows of its table: what is there and as new stays')
    .option('--bucket <name>', 'as objects of another bucket: each pane once')
    .option('--sink <name>', 'as messages of this sink of the pipeline, each under the id that it had')
    .option(
      '--to <target>',
      'where that sink sends to in AWS: an ARN, the name of a stream, or the URL of a queue',
    )
    .addOption(
      new Option('--format <format>', "of the objects (default: that of the pipeline's own)").choices([
        'ndjson',
        'parquet',
      ]),
    )
    .option(
      '--name <name>',
      'under the same name a backfill goes on, under another it begins anew (default: the date for rows and messages, the bucket for objects)',
    )
    .action(
      ending(async (pipeline, options) =>
        backfillCommand(await loadPipeline(await fileOf(pipeline)), options),
      ),
    );

  await program.parseAsync(args, { from: 'user' });
  return exitCode;
}

const INPUT = 'NDJSON, .json, .csv or .tsv with a header, or -; gzipped or not';
const DATA =
  'keep streams, tables and objects here: a run that was ended early goes on as if it had not been';
const REPORT = 'write the live page of the run at its end, as one file of HTML that needs no server';
const STRICT = 'exit code 1 where a record was poison, late for every window, or too large for Kinesis';
const RUN_CODES = `
Exit code: 0 every record went somewhere, and some into windows; 1 it could not be run, the input holds no records, or none
was taken in, or one was not with --strict; 130 after Ctrl-C.`;

/**
 * Works in a temporary folder that is removed afterwards, also where the process ends before the work does.
 */
async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await work(folder);
  } finally {
    remove();
    process.off('exit', remove);
  }
}

/** Finds the file of a pipeline by the name of its folder, or by a path. */
async function fileOf(pipeline: string): Promise<string> {
  const isName = /^[\w-]+$/.test(pipeline);
  const paths = [...(isName ? upwards(join('functions', pipeline)) : []), resolve(pipeline)];
  const file = pipelineIn(paths);
  if (file !== undefined) return file;
  const sample =
    isName && pipeline === SAMPLE ? pipelineIn([(await serversPackage()).sample.pipeline]) : undefined;
  if (sample !== undefined) return sample;
  throw new Error(
    `Cannot find the pipeline "${pipeline}" as it must be a file, or a folder with a pipeline.ts, here or in functions/`,
  );
}

/** The first path that is a file, or a folder that holds a pipeline's file. */
const pipelineIn = (paths: readonly string[]): string | undefined =>
  paths
    .flatMap((path) => [path, join(path, 'pipeline.ts'), join(path, 'pipeline.js')])
    .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());

/** A path within the working directory, and within each folder above it. */
function upwards(path: string): readonly string[] {
  const paths: string[] = [];
  for (let [folder, below] = [resolve(), '']; folder !== below; [folder, below] = [dirname(folder), folder])
    paths.push(join(folder, path));
  return paths;
}

/** The name of the pipeline that has sample records. */
const SAMPLE = 'flights';

/** Returns the records that a pipeline is shown on; undefined where it begins without any. */
async function inputOf(
  pipeline: string,
  input: string | undefined,
  keep: boolean,
): Promise<string | undefined> {
  if (input !== undefined) return input;
  if (pipeline === SAMPLE) return (await serversPackage()).sample.records;
  if (keep) return undefined;
  throw new Error(
    `Cannot start "${pipeline}" as only ${SAMPLE} has records of its own: give an --input, or --keep to begin without`,
  );
}
