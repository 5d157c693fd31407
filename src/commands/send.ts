import { systemClock } from '../adapters/system/clock.ts';
import { positionOf } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import { decodeRecord, placedParts } from '../engine/intake/decode.ts';
import { lineOf } from '../local/failure.ts';
import { type InputRecord, readInput } from '../local/input.ts';
import { NO_KEY } from '../local/replay.ts';
import { serversPackage } from '../local/servers-package.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Clock } from '../ports/clock.ts';
import { type ProducerPorts, producerFor } from '../producer.ts';
import { checkInput } from './files.ts';
import { openCheckpoint } from './send-checkpoint.ts';
import { isTarget, openTarget, type Target, targetOf, targetOfPipeline } from './send-targets.ts';
import { plural, progressOn, span, thousands } from './text.ts';

export interface SendOptions {
  /** Where to, instead of the source of the pipeline. */
  readonly to?: string | undefined;
  /** The field that is the key of a record, where there is no pipeline that says so. */
  readonly key?: string | undefined;
  /** The most records a second. */
  readonly rate?: number | undefined;
  readonly separator?: string | undefined;
  readonly checkpoint?: string | undefined;
}

/** The key groups of most pipelines, where no pipeline says how many it has. */
const SLICES = 16;

const INTERRUPTED = 130;

/** What the command takes from outside. */
interface SendPorts extends ProducerPorts {
  readonly clock: Clock;
  readonly open: typeof openTarget;
  readonly read: typeof readInput;
}

/**
 * Sends the records of a file, of standard input or of a WebSocket to a stream, a queue or a topic.
 *
 * @param where a target, or the name of a pipeline
 * @param load loads the pipeline of a name
 * @returns the exit code: 0 everything was sent; 1 a record was refused or had no key; 130 after Ctrl-C
 * @throws Error when it cannot be sent; the checkpoint then says how far it came
 */
export async function sendCommand(
  where: string,
  input: string,
  options: SendOptions,
  load: (name: string) => Promise<Pipeline>,
  ports: SendPorts = { clock: systemClock(), random: Math.random, open: openTarget, read: readInput },
): Promise<number> {
  const pipeline = isTarget(where) ? undefined : await load(where);
  if (pipeline === undefined && options.to !== undefined) {
    throw new Error(
      `Cannot send to ${where} and to ${options.to} as there must be one target: give a pipeline with --to`,
    );
  }
  if (pipeline !== undefined && options.key !== undefined) {
    throw new Error(
      `Cannot send by --key as the key must be that of the pipeline "${pipeline.name}": leave --key out`,
    );
  }
  const target = targetFor(where, pipeline, options.to);
  const isLive = /^wss?:\/\//.test(input);
  if (isLive && options.checkpoint !== undefined) {
    throw new Error(
      'Cannot go on where a WebSocket stood as its messages cannot be had again: leave --checkpoint out',
    );
  }
  if (!isLive) await checkInput(input);
  if (pipeline === undefined && options.key === undefined && needsKey(target)) {
    throw new Error(
      `Cannot send to ${where} without the key of each record as what belongs together must stay in order: name its field with --key, or give the pipeline that reads it`,
    );
  }
  const path = options.checkpoint ?? (isLive || input === '-' ? undefined : `${input}.sent.json`);
  const checkpoint = openCheckpoint(path, nameOf(target));
  const opened = await ports.open(target, pipeline?.groups ?? SLICES, checkpoint.run);
  const { clock } = ports;
  const progress = progressOn(process.stderr);
  const interrupted = new AbortController();
  const failed = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const ended = AbortSignal.any([interrupted.signal, failed.signal]);
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const producer = producerFor(
    opened.sender,
    {
      onSilence(message) {
        progress.end();
        say(message);
      },
      // The next record may be long in coming.
      onFailure: () => failed.abort(),
    },
    ports,
  );
  if (checkpoint.resumes !== undefined) say(checkpoint.resumes);
  const keyOf = pipeline === undefined ? keyByField(options.key) : keyByPipeline(pipeline);
  const began = clock.now();
  const refused: string[] = [];
  let read = 0;
  let skipped = 0;
  let unkeyed = 0;
  let share: number | undefined;
  const pace = pacer(clock, options.rate);
  const records = isLive
    ? messagesOf(input)
    : ports.read(input, {
        separator: options.separator,
        onRead(now) {
          share = now;
        },
      });
  try {
    for await (const { line, data } of untilAborted(records, ended)) {
      read++;
      if (!checkpoint.next(data, producer.progress.settled)) {
        skipped++;
        continue;
      }
      const key = keyOf(data);
      if (key === undefined) unkeyed++;
      const record = { key: key ?? NO_KEY, data, id: `${checkpoint.run}-${read}` };
      const bytes = opened.sender.bytesOf(record);
      if (bytes > opened.sender.maxRecordBytes) {
        refused.push(`line ${thousands(line)} has ${thousands(bytes)} bytes`);
      } else if (opened.sender.lackOf?.(record) !== undefined) {
        refused.push(`line ${thousands(line)} is not text`);
      } else {
        await pace(ended);
        await producer.send(record);
      }
      checkpoint.passed(producer.progress.accepted);
      progress.tell(
        progressLine(producer.progress.taken, clock.now() - began, share, producer.progress.retried),
      );
    }
    if (!ended.aborted) checkpoint.end();
    await producer.close();
  } catch (error) {
    const { settled, taken, retried, unanswered } = producer.progress;
    // What failed for good, before anything else, was not taken.
    const isBegun = taken + retried + unanswered > 0;
    if (isBegun) checkpoint.write(settled);
    else checkpoint.forget();
    const goesOn = isBegun && path !== undefined ? '; the same command goes on where it stands' : '';
    throw new Error(`${lineOf(error)}${goesOn}`, { cause: error });
  } finally {
    progress.end();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    await opened.close();
  }
  const { taken, retried, parcels } = producer.progress;
  say(
    [
      `${plural(taken, 'record was', 'records were')} sent to ${opened.sender.target} in ${span(clock.now() - began)}, in ${plural(parcels, 'entry', 'entries')}`,
      ...(skipped > 0 ? [`${thousands(skipped)} had been sent before`] : []),
      ...(retried > 0 ? [`${plural(retried, 'entry was', 'entries were')} sent again`] : []),
      ...(unkeyed > 0 ? [`${plural(unkeyed, 'record has', 'records have')} no key`] : []),
      ...(refused.length > 0
        ? [
            `${plural(refused.length, 'record is', 'records are')} not sent, as the target takes none like that: ${refused.slice(0, 3).join(', ')}`,
          ]
        : []),
    ].join('; '),
  );
  if (interrupted.signal.aborted) {
    checkpoint.write('all');
    say(
      path === undefined
        ? `Interrupted after record ${thousands(read)}`
        : `Interrupted after record ${thousands(read)}; the same command goes on there`,
    );
    return INTERRUPTED;
  }
  checkpoint.remove();
  return refused.length + unkeyed > 0 ? 1 : 0;
}

function targetFor(where: string, pipeline: Pipeline | undefined, to: string | undefined): Target {
  if (to !== undefined) return targetOf(to);
  return pipeline === undefined ? targetOf(where) : targetOfPipeline(pipeline);
}

/** Whether a target keeps the records of a key in order. */
const needsKey = (target: Target): boolean =>
  !nameOf(target).startsWith('queue ') || nameOf(target).endsWith('.fifo');

function nameOf(target: Target): string {
  switch (target.kind) {
    case 'stream':
      return `stream ${target.stream}`;
    case 'queue':
      return `queue ${target.url}`;
    case 'named queue':
      return `queue ${target.name}`;
    case 'amqp queue':
      return `queue ${target.queue} of ${target.host}`;
    case 'topic':
      return `topic ${target.topic} of ${target.broker}`;
  }
}

/** Returns the key of a record, or undefined where it has none. */
type KeyOf = (data: Uint8Array) => string | undefined;

/** Finds the key as a local run does: that of the first part of a record that the pipeline would take in. */
function keyByPipeline(pipeline: Pipeline): KeyOf {
  const arrival = 0 as EpochMillis;
  return (data) => {
    const source = { lineage: '', position: NOWHERE, arrival, partitionKey: '', data };
    const parts = placedParts(source, decodeRecord(pipeline, source)).map(({ part }) => part);
    const taken = parts.find((part) => part.outcome === 'record');
    return taken?.key;
  };
}

const NOWHERE = positionOf('0');

function keyByField(field: string | undefined): KeyOf {
  if (field === undefined) return () => NO_KEY;
  const path = field.split('.');
  return (data) => {
    try {
      let value: unknown = JSON.parse(Buffer.from(data).toString());
      for (const name of path)
        value = Object.hasOwn(Object(value), name) ? (value as Record<string, unknown>)[name] : undefined;
      return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    } catch {
      return undefined;
    }
  };
}

async function* messagesOf(url: string): AsyncGenerator<InputRecord> {
  const { readWebSocket } = await serversPackage();
  let line = 0;
  try {
    for await (const data of readWebSocket(url)) {
      line++;
      yield { line, data, length: data.length };
    }
  } catch (cause) {
    throw new Error(`Cannot read ${url}, after ${plural(line, 'message')}: ${lineOf(cause)}`, { cause });
  }
}

/** Ends where the signal aborts, also while the next item is awaited. */
export async function* untilAborted<Item>(
  items: AsyncIterable<Item>,
  signal: AbortSignal,
): AsyncGenerator<Item> {
  const iterator = items[Symbol.asyncIterator]();
  let end = () => {};
  signal.addEventListener('abort', () => end(), { once: true });
  try {
    while (!signal.aborted) {
      const { done, value } = await new Promise<IteratorResult<Item>>((resolve, reject) => {
        end = () => resolve({ done: true, value: undefined });
        iterator.next().then(resolve, reject);
      });
      if (done) break;
      yield value;
    }
  } finally {
    // An input that stays open would keep the process alive; one that never comes is not waited for.
    void iterator.return?.();
  }
}

/** Waits so that at most `rate` records a second pass, evenly. It never waits for less than a timer can. */
export function pacer(clock: Clock, rate: number | undefined): (signal: AbortSignal) => Promise<void> {
  const shortest = 10;
  let due: number = clock.now();
  return async (signal) => {
    if (rate === undefined || signal.aborted) return;
    due += 1_000 / rate;
    if (due - clock.now() < shortest) {
      // What was missed while the target was slow is not made up for in a burst of more than a second.
      due = Math.max(due, clock.now() - 1_000);
      return;
    }
    await new Promise<void>((passed) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener('abort', end);
        passed();
      };
      const cancel = clock.alarm(due as EpochMillis, end);
      signal.addEventListener('abort', end);
    });
  };
}

function progressLine(taken: number, millis: number, share: number | undefined, retried: number): string {
  return [
    ...(share === undefined ? [] : [`${Math.floor(100 * share)} % read`]),
    `${thousands(taken)} sent`,
    `${thousands(Math.round(taken / Math.max(1, millis / 1_000)))} records/s`,
    ...(retried > 0 ? [`${plural(retried, 'entry', 'entries')} sent again`] : []),
  ].join(' · ');
}
