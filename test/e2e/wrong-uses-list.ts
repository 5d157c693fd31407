/** What people do wrong on the command line, in a folder that `inSandbox` of wrong-uses-sandbox.ts makes. */

export const COMMANDS = [
  'start',
  'run',
  'invoke',
  'check',
  'audit',
  'explain',
  'poison list',
  'poison show',
  'poison redrive',
  'late list',
  'late show',
  'late redrive',
  'redrive',
  'rescale',
  'restore',
  'resume',
  'backfill',
  'send',
] as const;

export type Command = (typeof COMMANDS)[number];

/** One thing done wrong. */
export interface WrongUse {
  readonly use: string;
  readonly args: (command: Command, ports: Ports) => readonly string[];
  readonly env?: (ports: Ports) => Record<string, string>;
  /** Where it is another than that of a command that could not do its work. */
  readonly code?: number;
  /** Whether the command gets as far as its work, so that it says more than one line. */
  readonly works?: true;
  /** What is left of it on the disk: nothing, unless it is said here. */
  readonly left?: string;
  /** Whether it needs someone whom files can be kept from, as they cannot from root. */
  readonly needsPermissions?: true;
}

/** Ports that others listen on, and on which nobody does. */
export interface Ports {
  readonly taken: number;
  readonly silent: number;
}

const KEEPING: readonly Command[] = ['start', 'run', 'invoke'];
/** The commands on a pipeline, which alone it is that `send` may do without. */
const OF_PIPELINES: readonly Command[] = COMMANDS.filter((command) => command !== 'send');
const HELD: readonly Command[] = OF_PIPELINES.filter((command) => !KEEPING.includes(command));

interface Right {
  readonly pipeline?: string;
  readonly data?: string | undefined;
  readonly input?: string;
  readonly output?: string;
  readonly event?: string;
}

/** A right use of a command, but for what is given. */
function using(command: Command, given: Right = {}): string[] {
  const { pipeline = 'meters.ts', input = 'readings.ndjson', output = 'panes.ndjson' } = given;
  const data = 'data' in given ? given.data : KEEPING.includes(command) ? undefined : 'kept';
  const keeping = data === undefined ? [] : ['--data', data];
  switch (command) {
    case 'start':
      return ['start', '--pipeline', pipeline, '--input', input, ...keeping];
    case 'run':
      return ['run', pipeline, '--input', input, '--output', output, ...keeping];
    case 'invoke':
      return ['invoke', pipeline, given.event ?? 'event.json', ...keeping];
    case 'explain':
      return ['explain', pipeline, 'a', ...keeping];
    case 'poison list':
    case 'late list':
    case 'poison redrive':
    case 'late redrive':
      return [...command.split(' '), pipeline, ...keeping];
    case 'poison show':
    case 'late show':
      return [...command.split(' '), pipeline, 'a', ...keeping];
    case 'redrive':
      return ['redrive', pipeline, '--failed', '--failures-bucket', 'failures', ...keeping];
    case 'rescale':
      return ['rescale', pipeline, '--groups', '16', ...keeping];
    case 'send':
      return ['send', pipeline, input];
    case 'backfill':
      return ['backfill', pipeline, '--rows', ...keeping];
    default:
      return [command, pipeline, ...keeping];
  }
}

const ofPipeline = (use: string, pipeline: string, more: Partial<WrongUse> = {}): WrongUse => ({
  use,
  args: (command) => using(command, { pipeline }),
  ...more,
});

const WRONG_PIPELINES: readonly WrongUse[] = [
  ofPipeline('a pipeline that is no folder of `functions/`', 'metres'),
  ofPipeline('a pipeline whose file is not there', 'metres.ts'),
  ofPipeline('a directory without a pipeline', 'empty'),
  ofPipeline('a pipeline that is no program', 'notes.md'),
  ofPipeline('a pipeline with a syntax error', 'syntax.ts'),
  ofPipeline('a pipeline that throws when it is loaded', 'throws.ts'),
  ofPipeline('a pipeline that throws a text', 'throws-text.ts'),
  ofPipeline('a pipeline that imports what is not installed', 'imports.ts'),
  ofPipeline('an empty file', 'nothing.ts'),
  ofPipeline('a file that exports no pipeline', 'exports-none.ts'),
  ofPipeline('a file that exports two', 'exports-two.ts'),
  ofPipeline('a definition with a misspelt option', 'misspelt.ts'),
  ofPipeline('a definition with a window of no length', 'no-length.ts'),
  ofPipeline('a pipeline that may not be read', 'secret.ts', { needsPermissions: true }),
];

/** Done wrong with every command. */
const WITH_ALL: readonly WrongUse[] = [
  {
    use: 'nothing after the command, or `-p` alone',
    args: (command) => [...command.split(' '), ...(command === 'start' ? ['-p'] : [])],
  },
  { use: 'an option that does not exist', args: (command) => [...using(command), '--colour'] },
  { use: 'an option misspelt', args: (command) => [...using(command), '--dta', 'kept'] },
  { use: 'an option without its value', args: (command) => [...using(command), '--data'] },
  {
    use: 'an empty value, as of a variable that is not set',
    args: (command) => [...using(command), '--data', ''],
  },
  { use: 'one argument too many', args: (command) => [...using(command), 'meters.ts', 'meters.ts'] },
  ...WRONG_PIPELINES,
  { use: 'a data directory that is a file', args: (command) => using(command, { data: 'notes.md' }) },
  { use: 'a data directory that another run uses', args: (command) => using(command, { data: 'busy' }) },
  { use: 'a data directory of something else', args: (command) => using(command, { data: 'photos' }) },
  {
    use: 'a data directory that may not be written',
    args: (command) => using(command, { data: KEEPING.includes(command) ? 'closed/kept' : 'closed' }),
    needsPermissions: true,
  },
];

const NAMED = ['--state-table', 's', '--rows-table', 'r', '--results-bucket', 'b'];

/** Done wrong with every command on what is kept. */
const WITH_KEPT: readonly WrongUse[] = [
  { use: 'neither `--data` nor names', args: (command) => using(command, { data: undefined }) },
  { use: 'both `--data` and names', args: (command) => [...using(command), '--state-table', 'meters-state'] },
  { use: 'a data directory that is not there', args: (command) => using(command, { data: 'no/such' }) },
  { use: 'a data directory that is empty', args: (command) => using(command, { data: 'empty' }) },
  { use: 'data of another pipeline', args: (command) => using(command, { pipeline: 'others.ts' }) },
  {
    use: 'a region that is not given',
    args: (command) => [...using(command, { data: undefined }), ...NAMED],
    env: () => ({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }),
  },
  {
    use: 'no credentials',
    args: (command) => [...using(command, { data: undefined }), ...NAMED],
    env: () => ({ AWS_REGION: 'us-east-1' }),
  },
  {
    use: 'AWS that does not answer',
    args: (command) => [...using(command, { data: undefined }), ...NAMED],
    env: ({ silent }) => ({
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
      AWS_ENDPOINT_URL: `http://127.0.0.1:${silent}`,
    }),
  },
];

const WITH_START_AND_RUN = (command: 'start' | 'run'): readonly WrongUse[] => {
  const ofInput = (use: string, input: string, more: Partial<WrongUse> = {}): WrongUse => ({
    use,
    args: () => using(command, { input }),
    ...more,
  });
  const ofOption = (option: string, value: string): WrongUse => ({
    use: `\`${option} ${value}\``,
    args: () => [...using(command), option, value],
  });
  return [
    ofInput('an input that is not there', 'readings.csv'),
    ofInput('an input that is a directory', 'empty'),
    ofInput('an input that may not be read', 'secret.ndjson', { needsPermissions: true }),
    ofInput('an empty input', 'nothing.ndjson', { works: true }),
    ofInput('an input that is not the one that was begun with', 'others.ndjson', {
      args: () => using(command, { input: 'others.ndjson', data: 'kept' }),
    }),
    ofInput('an input of which nothing can be taken in', 'poison.ndjson', { works: true }),
    ofInput('an input that the filter keeps nothing of', 'filtered.ndjson', { works: true }),
    ofInput('a list that is cut off', 'cut.json'),
    ofInput('one line of 2 MB', 'endless.ndjson', { works: true }),
    ofInput('bytes that are no text', 'photos/one.jpg', { works: true }),
    ofInput('UTF-16', 'utf-16.ndjson', { works: true }),
    ofInput('JSON that is called `.csv`', 'json.csv', { works: true }),
    ofInput('a gzipped file that is cut off', 'cut.ndjson.gz'),
    ...(
      [
        ['a byte order mark', 'bom.ndjson'],
        ['lines that end as on Windows, and blanks', 'windows.ndjson'],
        ['a gzipped input', 'readings.ndjson.gz'],
        ['a file that is called `.gz` and is not', 'plain.ndjson.gz'],
        ['cells that tabs separate', 'readings.tsv'],
      ] as const
    ).map(
      ([use, input]): WrongUse => ({
        use,
        args: () => using(command, { input, output: '-' }),
        works: true,
        code: 0,
      }),
    ),
    {
      use: '`--strict`, and a record that is refused',
      args: () => [...using(command, { input: 'some-poison.ndjson' }), '--strict'],
      works: true,
    },
    {
      use: '`--source sqs`, and every window follows the order of the source',
      args: () => [...using(command, { pipeline: 'rolling.ts', data: 'new' }), '--source', 'sqs'],
    },
    ofOption('--source', 'pigeons'),
    ofOption('--separator', '::'),
    ofOption('--batch-size', '0'),
    ofOption('--batch-size', '99999'),
    {
      use: 'data of a newer version of the pipeline',
      args: () => using(command, { data: 'newer' }),
    },
  ];
};

const ofOptions = (...options: readonly string[]): WrongUse => ({
  use: options.map((option) => `\`${option}\``).join(' '),
  args: (command) => [...using(command), ...options.flatMap((option) => option.split(' '))],
});

/** Done wrong where records are chosen by when they arrived. */
const BY_ARRIVAL: readonly WrongUse[] = [
  ofOptions('--from yesterday'),
  ofOptions('--until 12:00'),
  ofOptions('--from 2026-01-02', '--until 2026-01-01'),
];

/** Done wrong with `list` and `redrive`, which choose among the records that are kept. */
const choosing = (kind: 'poison' | 'late', name: 'list' | 'redrive'): readonly WrongUse[] => {
  return [
    {
      use: `a command misspelt: \`${kind} ${name.slice(1)}\``,
      args: () => [kind, name.slice(1), 'meters.ts', '--data', 'kept'],
    },
    ofOptions(kind === 'poison' ? '--window minute' : '--code key'),
    ofOptions(kind === 'poison' ? '--code keys' : '--window hour'),
    ...BY_ARRIVAL,
  ];
};

const showing = (kind: 'poison' | 'late'): readonly WrongUse[] => [
  { use: 'no record', args: () => [kind, 'show', 'meters.ts', '--data', 'kept'] },
  { use: 'a record that is not kept', args: (command) => using(command), code: 1 },
  { use: 'an empty record', args: () => [kind, 'show', 'meters.ts', '', '--data', 'kept'], code: 1 },
];

const redriving = (kind: 'poison' | 'late'): readonly WrongUse[] => [
  ...choosing(kind, 'redrive'),
  {
    use: 'a record that is not kept',
    args: () => [kind, 'redrive', 'meters.ts', 'a', '--data', 'kept'],
  },
  {
    use: 'a record by name, and others by their arrival',
    args: () => [kind, 'redrive', 'meters.ts', 'a', '--from', '2026-01-01', '--data', 'kept'],
  },
  {
    use: 'data of a newer version of the pipeline',
    args: (command) => using(command, { data: 'newer' }),
  },
];

const OWN: Readonly<Record<Command, readonly WrongUse[]>> = {
  start: [
    ...WITH_START_AND_RUN('start'),
    { use: 'no input, and no `--keep`', args: () => ['start', '-p', 'meters.ts'] },
    { use: '`--speed 0`', args: () => [...using('start'), '--speed', '0'] },
    { use: '`--speed fast`', args: () => [...using('start'), '--speed', 'fast'] },
    { use: '`--port abc`', args: () => [...using('start'), '--port', 'abc'] },
    { use: '`--port 65535`', args: () => [...using('start'), '--port', '65535'] },
    {
      use: 'a port that is taken',
      args: (_, { taken }) => [...using('start', { data: 'new' }), '--port', String(taken)],
    },
  ],
  run: [
    ...WITH_START_AND_RUN('run'),
    { use: 'no output', args: () => ['run', 'meters.ts', '-i', 'readings.ndjson'] },
    ...(
      [
        ['an output that is the input', 'readings.ndjson'],
        ['an output that is a link to the input', 'link-to-readings.ndjson'],
        ['an output that is another name of the input', 'also-readings.ndjson'],
        ['an output that is the pipeline', 'meters.ts'],
        ['an output that is a directory', 'empty'],
        ['an output in a directory that is not there', 'no/such/panes.ndjson'],
        ['an output in a file', 'notes.md/panes.ndjson'],
      ] as const
    ).map(([use, output]): WrongUse => ({ use, args: () => using('run', { output }) })),
    {
      use: 'an output among the data',
      args: () => using('run', { output: 'kept/panes.ndjson', data: 'kept' }),
    },
    {
      use: 'an output in a directory that may not be written',
      args: () => using('run', { output: 'closed/panes.ndjson' }),
      needsPermissions: true,
    },
    {
      use: 'an output that may not be written',
      args: () => using('run', { output: 'secret.ndjson' }),
      needsPermissions: true,
    },
    { use: 'a full disk', args: () => using('run', { output: '/dev/full' }) },
    { use: 'a pipeline without `bucket()`', args: () => using('run', { pipeline: 'no-bucket.ts' }) },
  ],
  invoke: [
    ...(
      [
        ['an event that is not there', 'no-event.json'],
        ['an event that is a directory', 'empty'],
        ['an empty event', 'nothing.ndjson'],
        ['an event that is no JSON', 'notes.md'],
        ['an event that is null', 'null.json'],
        ['an event without records', 'no-records.json'],
        ['an event of something else', 'timer.json'],
        ['an event of a queue', 'queue-event.json'],
        ['an event whose records have no data', 'no-data.json'],
      ] as const
    ).map(([use, event]): WrongUse => ({ use, args: () => using('invoke', { event }) })),
    {
      use: 'an event that may not be read',
      args: () => using('invoke', { event: 'secret.ndjson' }),
      needsPermissions: true,
    },
    {
      use: 'an event of a stream, where the source is a queue',
      args: () => using('invoke', { pipeline: 'queue.ts' }),
    },
    {
      use: 'data of a newer version of the pipeline',
      args: () => using('invoke', { data: 'newer' }),
      works: true,
    },
  ],
  check: [
    {
      use: '`--write` where the definition is refused',
      args: () => [...using('check', { data: 'newer' }), '--write'],
      code: 1,
      works: true,
    },
    {
      use: '`--write` where nothing may be written',
      args: () => ['check', 'closed', '--write'],
      needsPermissions: true,
    },
    { use: 'a lock file that is none', args: () => ['check', 'alone', '--write'] },
    {
      use: 'data of a newer version of the pipeline',
      args: () => using('check', { data: 'newer' }),
      code: 1,
      works: true,
    },
  ],
  audit: [{ use: 'data of a newer version of the pipeline', args: () => using('audit', { data: 'newer' }) }],
  explain: [
    { use: 'no key', args: () => ['explain', 'meters.ts', '--data', 'kept'] },
    { use: 'a key that has no state', args: () => ['explain', 'meters.ts', 'zz', '--data', 'kept'], code: 1 },
    { use: 'an empty key', args: () => ['explain', 'meters.ts', '', '--data', 'kept'], code: 1 },
  ],
  'poison list': choosing('poison', 'list'),
  'poison show': showing('poison'),
  'poison redrive': redriving('poison'),
  'late list': choosing('late', 'list'),
  'late show': showing('late'),
  'late redrive': redriving('late'),
  redrive: [
    {
      use: 'no `--failed`',
      args: () => ['redrive', 'meters.ts', '--failures-bucket', 'f', '--data', 'kept'],
    },
    {
      use: 'a queue, and no `--data`',
      args: () => ['redrive', 'queue.ts', '--failed', ...NAMED],
    },
    {
      use: 'a queue, and `--failures-bucket`',
      args: (command) => using(command, { pipeline: 'queue.ts' }),
    },
    {
      use: 'a queue, and `--dead-letters` that is no URL',
      args: () => ['redrive', 'queue.ts', '--failed', '--dead-letters', 'meters-failed', ...NAMED],
    },
    {
      use: 'a standard queue, and the URL of a FIFO queue',
      args: () => [
        'redrive',
        'queue.ts',
        '--failed',
        '--dead-letters',
        'https://sqs.eu-central-1.amazonaws.com/111122223333/meters-failed.fifo',
        ...NAMED,
      ],
    },
    {
      use: 'a FIFO queue, and `--from`',
      args: () => ['redrive', 'fifo.ts', '--failed', '--from', '2026-01-01', '--data', 'kept'],
    },
    {
      use: 'a stream, and `--dead-letters`',
      args: (command) => [...using(command), '--dead-letters', 'https://sqs.eu-central-1.amazonaws.com/1/q'],
    },
    { use: 'a topic', args: () => ['redrive', 'topic.ts', '--failed', '--data', 'kept'] },
    { use: 'no `--failures-bucket`', args: () => ['redrive', 'meters.ts', '--failed', '--data', 'kept'] },
    { use: 'a bucket that is not there', args: (command) => using(command) },
    {
      use: 'a bucket whose name is none',
      args: () => ['redrive', 'meters.ts', '--failed', '--failures-bucket', 'No Bucket', '--data', 'kept'],
    },
    {
      use: 'a record by name, as `poison redrive` takes it',
      args: (command) => [...using(command), 'a'],
    },
    ...BY_ARRIVAL,
    {
      use: 'data of a newer version of the pipeline',
      args: () => [
        'redrive',
        'meters.ts',
        '--failed',
        '--failures-bucket',
        'meters-results',
        '--data',
        'newer',
      ],
    },
  ],
  rescale: [
    { use: 'no number of groups', args: () => ['rescale', 'meters.ts', '--data', 'kept'] },
    ...['3', '0', '-8', 'many', '8192', '1e9'].map(
      (groups): WrongUse => ({
        use: `\`--groups ${groups}\``,
        args: () => ['rescale', 'meters.ts', `--groups=${groups}`, '--data', 'kept'],
      }),
    ),
    { use: 'data of a newer version of the pipeline', args: () => using('rescale', { data: 'newer' }) },
  ],
  restore: [
    { use: 'data of a newer version of the pipeline', args: () => using('restore', { data: 'newer' }) },
  ],
  resume: [
    { use: 'data of a newer version of the pipeline', args: () => using('resume', { data: 'newer' }) },
  ],
  backfill: [
    {
      use: 'none of `--rows`, `--bucket` and `--sink`',
      args: () => ['backfill', 'meters.ts', '--data', 'kept'],
    },
    { use: 'both', args: () => [...using('backfill'), '--bucket', 'copies'] },
    {
      use: 'a sink that there is not',
      args: () => ['backfill', 'meters.ts', '--sink', 'pager', '--data', 'kept'],
    },
    { use: '`--format zip`', args: () => [...using('backfill'), '--format', 'zip'] },
    { use: 'a name that is none', args: () => [...using('backfill'), '--name', 'A b'] },
    {
      use: 'the bucket that has the panes',
      args: () => ['backfill', 'meters.ts', '--bucket', 'meters-results', '--data', 'kept'],
    },
    {
      use: 'a bucket whose name is none',
      args: () => ['backfill', 'meters.ts', '--bucket', 'No Bucket', '--data', 'kept'],
    },
    {
      use: 'rows of a pipeline without `table()`',
      args: () => ['backfill', 'no-table.ts', '--rows', '--data', 'no-table'],
    },
    { use: 'data of a newer version of the pipeline', args: () => using('backfill', { data: 'newer' }) },
  ],
  send: [
    ...WRONG_PIPELINES,
    { use: 'an option that does not exist', args: () => [...using('send'), '--colour'] },
    { use: 'an option misspelt', args: () => [...using('send'), '--rat', '5'] },
    { use: 'an option without its value', args: () => [...using('send'), '--to'] },
    { use: 'an empty value, as of a variable that is not set', args: () => [...using('send'), '--to', ''] },
    { use: 'one argument too many', args: () => [...using('send'), 'readings.ndjson'] },
    ...(
      [
        ['no target', ['send']],
        ['no input', ['send', 'stream:meters']],
        ['an input that is not there', ['send', 'stream:meters', 'readings.csv', '--key', 'meter']],
        ['an input that is a directory', ['send', 'stream:meters', 'empty', '--key', 'meter']],
        ['a target of no form', ['send', 'stream:a b', 'readings.ndjson', '--key', 'meter']],
        ['a target of no form after `--to`', ['send', 'meters.ts', 'readings.ndjson', '--to', 'meters']],
        ['two targets', ['send', 'stream:meters', 'readings.ndjson', '--to', 'stream:others']],
        ['a stream, and no key', ['send', 'stream:meters', 'readings.ndjson']],
        ['a pipeline, and a key', ['send', 'meters.ts', 'readings.ndjson', '--key', 'meter']],
        ['`--rate 0`', ['send', 'stream:meters', 'readings.ndjson', '--key', 'meter', '--rate', '0']],
        [
          'a checkpoint of a WebSocket',
          ['send', 'stream:meters', 'ws://127.0.0.1:1/', '--key', 'meter', '--checkpoint', 'place.json'],
        ],
        [
          'a checkpoint that is something else',
          ['send', 'stream:meters', 'readings.ndjson', '--key', 'meter', '--checkpoint', 'notes.md'],
        ],
        [
          'a checkpoint that cannot be written',
          [
            'send',
            'stream:meters',
            'readings.ndjson',
            '--key',
            'meter',
            '--checkpoint',
            'no/such/place.json',
          ],
        ],
      ] as const
    ).map(
      ([use, args]): WrongUse => ({
        use,
        args: () => args,
        env: () => ({ AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }),
      }),
    ),
    {
      use: 'a region that is not given',
      args: () => [
        'send',
        'stream:meters',
        'readings.ndjson',
        '--key',
        'meter',
        '--checkpoint',
        'place.json',
      ],
      env: () => ({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }),
    },
    {
      use: 'a queue, and AWS that does not answer',
      args: () => ['send', 'queue:meters', 'readings.ndjson'],
      env: ({ silent }) => ({
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'a',
        AWS_SECRET_ACCESS_KEY: 'b',
        AWS_ENDPOINT_URL: `http://127.0.0.1:${silent}`,
      }),
    },
  ],
};

/** What is done wrong, by whom it is done wrong with: with all these commands. */
export const WRONG_USES: readonly (readonly [
  title: string,
  commands: readonly Command[],
  uses: readonly WrongUse[],
])[] = [
  ['Every command', OF_PIPELINES, WITH_ALL],
  ['Every command on what is kept', HELD, WITH_KEPT],
  ...COMMANDS.map((command) => [command, [command], OWN[command]] as const),
];

export const usesOf = (command: Command): readonly WrongUse[] =>
  WRONG_USES.flatMap(([, commands, uses]) => (commands.includes(command) ? uses : []));
