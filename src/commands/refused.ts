import { type EpochMillis, isoTime, parseIsoTime } from '../core/time.ts';
import { type LettersLeft, redriveDeadLetters } from '../engine/intake/dead-letters.ts';
import { missedRecords } from '../engine/intake/failed-batches.ts';
import { type Kept, type KeptKind, keptRecords } from '../engine/intake/kept-records.ts';
import type { KeptRecord } from '../engine/intake/poison.ts';
import {
  isRedrivable,
  Redrive,
  type RedriveCounts,
  type RedrivePorts,
  redrivenRecords,
  redriveOf,
} from '../engine/intake/redrive.ts';
import { eventReaderOf, unpackerOf } from '../handlers.ts';
import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type DeploymentOptions, type PipelineData, withKept } from './kept.ts';
import { plural, progressOn, shown, tableText, thousands } from './text.ts';

export { POISON_CODES } from '../engine/group/group.ts';

/** Which of the records that are kept a command is about. */
interface KeptFilter {
  /** Late records that this window refused. */
  readonly window?: string | undefined;
  /** Refused records of this code. */
  readonly code?: string | undefined;
  /** Records that arrived from this instant on, and before that one. */
  readonly from?: EpochMillis | undefined;
  readonly until?: EpochMillis | undefined;
}

type FilteredOptions = DeploymentOptions & KeptFilter;

/** How many records a list names one by one. */
const NAMED = 50;

/**
 * Lists what is kept on standard output: how many records by reason, and the first of them.
 *
 * @returns the exit code, 0
 */
export async function listKeptCommand(
  pipeline: Pipeline,
  kind: KeptKind,
  { json, window, code, from, until, ...where }: FilteredOptions & { readonly json?: boolean | undefined },
): Promise<number> {
  const choice = choiceOf(pipeline, { window, code, from, until });
  const rows = new Map<
    string,
    { readonly cells: readonly string[]; count: number; first: string; last: string }
  >();
  const named: Kept[] = [];
  let redriven = 0;
  let unconfirmed = 0;
  const listing = progressOn(process.stderr);
  await withKept(pipeline, where, async ({ engine, ports: { reading } }) => {
    const ports = { log: engine.log, reading };
    const listed = await redrivenRecords(ports, pipeline.name);
    const tell = (objects: number) => listing.tell(`${plural(objects, 'object')} read`);
    for await (const kept of keptRecords(ports, pipeline.name, kind, tell)) {
      if (!choice.matches(kept)) continue;
      if (listed.has(kept.id)) {
        redriven++;
        continue;
      }
      const { data: _, reason: _reason, ...line } = kept.record as Kept['record'] & { reason?: string };
      if (json)
        process.stdout.write(`${JSON.stringify({ id: kept.id, confirmed: kept.confirmed, ...line })}\n`);
      if (!kept.confirmed) unconfirmed++;
      if (named.length < NAMED) named.push(kept);
      const cells = whyOf(kept);
      const { arrival } = kept.record;
      const row = rows.get(cells.join('\n')) ?? { cells, count: 0, first: arrival, last: arrival };
      row.count++;
      if (arrival < row.first) row.first = arrival;
      if (arrival > row.last) row.last = arrival;
      rows.set(cells.join('\n'), row);
    }
  }).finally(listing.end);
  choice.mustKnowWindow();
  if (json) return 0;
  const total = [...rows.values()].reduce((sum, { count }) => sum + count, 0);
  const head = HEADS[kind];
  process.stdout.write(
    `${[
      `"${pipeline.name}" keeps ${plural(total, `${kind} record`)}${redriven > 0 ? `, and ${thousands(redriven)} more that were redriven` : ''}`,
      ...(unconfirmed > 0
        ? [`  of ${thousands(unconfirmed)} of them the logs no longer tell whether they were taken in later`]
        : []),
      ...(total > 0
        ? [
            tableText(
              [...head, 'records', 'first arrival', 'last arrival'],
              [...rows.values()]
                .sort((a, b) => b.count - a.count)
                .map(({ cells, count, first, last }) => [...cells, thousands(count), first, last]),
            ),
            '',
            tableText(
              ['record', 'arrival', ...head],
              named.map((kept) => [kept.id, kept.record.arrival, ...whyOf(kept)]),
            ),
            ...(total > named.length
              ? [`and ${thousands(total - named.length)} more: --json lists all`]
              : []),
          ]
        : []),
    ].join('\n')}\n`,
  );
  return 0;
}

const HEADS: { readonly [Kind in KeptKind]: readonly string[] } = {
  poison: ['code'],
  late: ['late for', 'taken by others'],
};

const whyOf = ({ record }: Kept): readonly string[] =>
  'code' in record ? [record.code] : [record.windows.join(', '), record.applied ? 'yes' : 'no'];

/**
 * Shows one record on standard output, with what it holds.
 *
 * @returns the exit code: 0, or 1 where no such record is kept
 */
export async function showKeptCommand(
  pipeline: Pipeline,
  kind: KeptKind,
  id: string,
  where: DeploymentOptions,
): Promise<number> {
  const searching = progressOn(process.stderr);
  const found = await withKept(pipeline, where, async ({ engine, ports: { reading } }) => {
    const ports = { log: engine.log, reading };
    const tell = (objects: number) => searching.tell(`${plural(objects, 'object')} read`);
    for await (const kept of keptRecords(ports, pipeline.name, kind, tell)) {
      if (kept.id !== id) continue;
      return { kept, isRedriven: (await redrivenRecords(ports, pipeline.name)).has(id) };
    }
    return undefined;
  }).finally(searching.end);
  if (found === undefined) {
    process.stderr.write(notKept('show', id, pipeline, kind));
    return 1;
  }
  const { kept, isRedriven } = found;
  const { data, ...record } = kept.record;
  const number = redriveOf(record);
  const facts = Object.entries({ ...record, object: kept.object }).map(
    ([name, value]) => `${name.padEnd(13)} ${shown(Array.isArray(value) ? value.join(', ') : value)}`,
  );
  process.stdout.write(
    `${[
      `${kind} record ${kept.id} of "${pipeline.name}"${isRedriven ? ', redriven since' : ''}${number === undefined ? '' : `, refused again by redrive ${number}`}`,
      ...facts,
      ...(kept.confirmed
        ? []
        : ['The entry that commits it has expired: the logs do not tell whether it was taken in later']),
      '',
      textOf(Buffer.from(data, 'base64')),
    ].join('\n')}\n`,
  );
  return 0;
}

const notKept = (command: string, id: string, { name }: Pipeline, kind: KeptKind): string =>
  `Cannot ${command} record "${shown(id)}" as "${name}" must keep a ${kind} record of that name: list names them\n`;

/** Returns bytes as the text that they are, or in base64. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text.split('\n').map(shown).join('\n') : bytes.toString('base64');
}

/**
 * Takes kept records in again, each once however often that is called, and reports on standard output.
 *
 * @param ids the records; all that match without any
 * @returns the exit code: 0, or 2 where a record that was named is not kept
 * @throws Error when it cannot be done; the same call continues what was begun
 */
export async function redriveKeptCommand(
  pipeline: Pipeline,
  kind: KeptKind,
  ids: readonly string[],
  {
    unconfirmed = false,
    again = false,
    window,
    code,
    from,
    until,
    ...where
  }: FilteredOptions & {
    readonly unconfirmed?: boolean | undefined;
    readonly again?: boolean | undefined;
  },
): Promise<number> {
  const filter = { window, code, from, until };
  const choice = choiceOf(pipeline, filter);
  const chosen = Object.entries(filter).find(([, value]) => value !== undefined);
  if (ids.length > 0 && chosen) {
    throw new Error(
      `Cannot redrive both records that are named and those that --${chosen[0]} chooses: give either names or options`,
    );
  }
  const wanted = new Set(ids);
  let left = { unconfirmed: 0, takenByOthers: 0, refusedAgain: 0 };
  const counts = await withKept(pipeline, where, (data) =>
    redriving(pipeline, data, 'object', async (redrive, ports, tell) => {
      // What this very redrive refuses again is for the next one.
      const { last } = redrive;
      left = { unconfirmed: 0, takenByOthers: 0, refusedAgain: 0 };
      await redrive.take(
        (async function* () {
          for await (const kept of keptRecords(ports, pipeline.name, kind, tell)) {
            if (ids.length > 0 ? !wanted.delete(kept.id) : !choice.matches(kept)) continue;
            const redriven = redriveOf(kept.record) ?? 0;
            if (redriven > last || redrive.has(kept.record)) continue;
            if (!isRedrivable(kept)) left.takenByOthers++;
            else if (redriven > 0 && !again) left.refusedAgain++;
            else if (!kept.confirmed && !unconfirmed) left.unconfirmed++;
            else yield kept.record;
          }
        })(),
      );
    }),
  );
  choice.mustKnowWindow();
  process.stdout.write(
    `${[
      `${countsText(pipeline, `${kind} record`, counts)}`,
      ...(left.takenByOthers > 0
        ? [
            `  ${thousands(left.takenByOthers)} were left, as other windows took them and would count them twice`,
          ]
        : []),
      ...(left.refusedAgain > 0
        ? [
            `  ${thousands(left.refusedAgain)} were left, as they were redriven before and refused again: --again takes them in once more`,
          ]
        : []),
      ...(left.unconfirmed > 0
        ? [
            `  ${thousands(left.unconfirmed)} were left, as the logs no longer tell whether they were taken in later: --unconfirmed takes them in`,
          ]
        : []),
    ].join('\n')}\n`,
  );
  for (const id of wanted) process.stderr.write(notKept('redrive', id, pipeline, kind));
  return wanted.size > 0 ? 2 : 0;
}

interface FailedOptions extends DeploymentOptions, Pick<KeptFilter, 'from' | 'until'> {
  readonly failuresBucket?: string | undefined;
  readonly deadLetters?: string | undefined;
  readonly unconfirmed?: boolean | undefined;
}

/**
 * Takes the records in that were given up, and that no group has taken in: those of a stream from the failures bucket,
 * to which Lambda writes them, and those of a queue from its dead-letter queue. It takes each in once however often it
 * is called, and reports on standard output.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call continues what was begun
 */
export async function redriveFailedCommand(pipeline: Pipeline, options: FailedOptions): Promise<number> {
  const { name, source } = pipeline;
  const fromBucket = () => {
    const { failuresBucket, deadLetters } = options;
    if (failuresBucket !== undefined && deadLetters === undefined)
      return redriveBatches(pipeline, failuresBucket, options);
    throw new RangeError(
      `Cannot redrive what failed of "${name}" as Lambda keeps what it gives up of its source in the failures bucket: give --failures-bucket, and no --dead-letters`,
    );
  };
  const fromQueue = (fifo: boolean) => {
    const { failuresBucket, deadLetters, from, until, data } = options;
    const isOne = (deadLetters === undefined) === (data !== undefined);
    if (!isOne || failuresBucket !== undefined) {
      throw new RangeError(
        `Cannot redrive what failed of "${name}" as its source keeps what it gives up in a dead-letter queue: give --data or --dead-letters, and no --failures-bucket`,
      );
    }
    if (deadLetters !== undefined && !isQueueUrl(deadLetters, fifo)) {
      throw new RangeError(
        `Cannot read "${shown(deadLetters)}" as --dead-letters must be the URL of a ${fifo ? 'FIFO' : 'standard'} queue`,
      );
    }
    if (fifo && (from !== undefined || until !== undefined)) {
      throw new RangeError(
        `Cannot choose among the dead letters of "${name}" by their arrival as a FIFO queue forgets it when it gives a message up: leave --from and --until out`,
      );
    }
    return redriveLetters(pipeline, fifo, options);
  };
  const refuse = ({ kind }: Pipeline['source']): never => {
    throw new TypeError(
      `Cannot redrive what failed of "${name}" as its source must be a stream of Kinesis or of a table, or a queue of SQS: it is ${kind}, of which Lambda keeps nothing that it gives up`,
    );
  };
  return byKind<Pipeline['source'], Promise<number>>(source, {
    kinesis: fromBucket,
    dynamodb: fromBucket,
    sqs: () => fromQueue(false),
    fifo: () => fromQueue(true),
    kafka: refuse,
    rabbitmq: refuse,
    panes: refuse,
  });
}

const isQueueUrl = (text: string, fifo: boolean): boolean =>
  /^https?:\/\/[^/]+\/.+$/.test(text) && URL.canParse(text) && text.endsWith('.fifo') === fifo;

const placeOf = ({ data, stateTable, rowsTable, resultsBucket }: DeploymentOptions): DeploymentOptions => ({
  data,
  stateTable,
  rowsTable,
  resultsBucket,
});

async function redriveBatches(
  pipeline: Pipeline,
  failuresBucket: string,
  options: FailedOptions,
): Promise<number> {
  const isInTime = arrivedWithin(options);
  let left = 0;
  const counts = await withKept(pipeline, placeOf(options), (data) =>
    redriving(pipeline, data, 'object', async (redrive, ports, tell) => {
      const failures = await data.bucketReader(failuresBucket);
      left = 0;
      const failed = { ...ports, failures, ...eventReaderOf(pipeline, ports.clock) };
      await redrive.take(
        (async function* () {
          for await (const { record, confirmed } of missedRecords(failed, pipeline, tell)) {
            if (!isInTime(record) || redrive.has(record)) continue;
            if (confirmed || options.unconfirmed) yield record;
            else left++;
          }
        })(),
      );
    }),
  );
  process.stdout.write(
    `${[countsText(pipeline, 'failed record', counts), ...unconfirmedLines(left)].join('\n')}\n`,
  );
  return 0;
}

async function redriveLetters(pipeline: Pipeline, fifo: boolean, options: FailedOptions): Promise<number> {
  const chooses = arrivedWithin(options);
  let left: LettersLeft = { unconfirmed: 0, others: 0, unseen: 0 };
  const counts = await withKept(pipeline, placeOf(options), (data) =>
    redriving(pipeline, data, 'message', (redrive, ports, tell) =>
      data.withDeadLetters(options.deadLetters, fifo, async (queue) => {
        const { unconfirmed = false } = options;
        left = await redriveDeadLetters(ports, queue, pipeline, redrive, { chooses, unconfirmed, tell });
      }),
    ),
  );
  process.stdout.write(
    `${[
      countsText(pipeline, 'dead letter', counts),
      ...unconfirmedLines(left.unconfirmed),
      ...(left.others > 0
        ? [`  ${thousands(left.others)} were left, as they are not of the queue that the pipeline reads`]
        : []),
      ...(left.unseen > 0
        ? [
            `  some ${thousands(left.unseen)} more could not be received: another reader has them, or a run that was killed, for up to 15 minutes${fifo ? ', or they wait behind such messages, or behind those that were left, of their message group' : ''}`,
          ]
        : []),
    ].join('\n')}\n`,
  );
  return 0;
}

const unconfirmedLines = (left: number): readonly string[] =>
  left > 0
    ? [
        `  ${thousands(left)} were left, as the logs do not tell whether they were taken in: --unconfirmed takes them in`,
      ]
    : [];

/** Opens a redrive, and shows how far it has come. */
async function redriving(
  pipeline: Pipeline,
  { engine, ports: { reading } }: Pick<PipelineData, 'engine' | 'ports'>,
  what: 'object' | 'message',
  work: (redrive: Redrive, ports: RedrivePorts, tell: (read: number) => void) => Promise<void>,
): Promise<RedriveCounts> {
  const progress = progressOn(process.stderr);
  let read = 0;
  let taken = 0;
  const tell = () => progress.tell(`${plural(read, what)} read, ${plural(taken, 'record')} taken in again`);
  try {
    const ports = { ...engine, reading, unpack: unpackerOf(pipeline) };
    const redrive = await Redrive.begin(ports, pipeline, ({ records }) => {
      taken = records;
      tell();
    });
    await work(redrive, ports, (soFar) => {
      read = soFar;
      tell();
    });
    return redrive.counts;
  } finally {
    progress.end();
  }
}

const countsText = (
  { name }: Pipeline,
  what: string,
  { records, applied, late, filtered, poison }: RedriveCounts,
): string =>
  records === 0
    ? `"${name}" has no ${what} to redrive`
    : `"${name}" took ${plural(records, what)} in again: ${thousands(applied)} applied, ${thousands(late)} late for every window, ${thousands(poison)} refused again, ${thousands(filtered)} filtered`;

/** Which records a command is about. */
interface Choice {
  matches(kept: Kept): boolean;
  /** @throws RangeError when a window was named that is neither in the definition nor refused any record */
  mustKnowWindow(): void;
}

function choiceOf({ name, rules }: Pipeline, { window, code, from, until }: KeptFilter): Choice {
  const windows = new Set(rules.windows.map((of) => of.name));
  const isInTime = arrivedWithin({ from, until });
  return {
    matches({ record }) {
      if ('code' in record) return isInTime(record) && (code === undefined || record.code === code);
      // An earlier version may have had other windows.
      for (const refused of record.windows) windows.add(refused);
      return isInTime(record) && (window === undefined || record.windows.includes(window));
    },
    mustKnowWindow() {
      if (window === undefined || windows.has(window)) return;
      throw new RangeError(
        `Cannot choose records by window "${shown(window)}" as "${name}" must have, or have had, a window of that name: it has ${[...windows].join(', ')}`,
      );
    },
  };
}

/**
 * Returns what says whether a record arrived in a stretch of time.
 *
 * @throws RangeError when the stretch ends before it begins
 */
function arrivedWithin({
  from,
  until,
}: Pick<KeptFilter, 'from' | 'until'>): (record: Pick<KeptRecord, 'arrival'>) => boolean {
  if (from !== undefined && until !== undefined && from >= until) {
    throw new RangeError(
      `Cannot choose records by their arrival as --from must be before --until: they are ${isoTime(from)} and ${isoTime(until)}`,
    );
  }
  return (record) => {
    const arrival = Date.parse(record.arrival);
    return (from === undefined || arrival >= from) && (until === undefined || arrival < until);
  };
}

/** Reads an instant: a date, which begins at midnight UTC, or a date-time with a zone, in ISO 8601. */
export const instantOf = (text: string): EpochMillis | undefined =>
  parseIsoTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
