import Table from 'cli-table3';
import { type EpochMillis, isoTime } from '../core/time.ts';
import type { GroupPane } from '../engine/group.ts';
import { ROWS_KEY } from '../wiring/names.ts';
import type { Replayed } from './replay.ts';
import type { LocalRuntime } from './runtime.ts';
import type { Tally } from './tally.ts';

/** What a person sees of a local run. */
export interface Screen {
  say(text: string): void;
  /** The newest event time sent, for the watermark to be held against. */
  sent(records: number, eventTime: EpochMillis | undefined): void;
  stop(): void;
}

const REFRESH_MILLIS = 250;
const LOG_MILLIS = 2_000;

/** Progress on one line of a terminal, or a line now and then where there is none; the first panes as soon as there are. */
export function startScreen(tally: Tally, output: NodeJS.WriteStream): Screen {
  const started = performance.now();
  let sent = 0;
  let committed = 0;
  /** Until the last commit. */
  let seconds = 1;
  let newest: EpochMillis | undefined;
  let shown = false;
  let faults = 0;
  let said = '';

  const erase = () => output.isTTY && output.write('\r\x1b[K');
  const say = (text: string): void => {
    erase();
    output.write(`${text}\n`);
  };
  const line = (): string => {
    const applied = (tally.metrics.get('applied') ?? 0) + (tally.metrics.get('late') ?? 0);
    if (applied > committed) {
      committed = applied;
      seconds = (performance.now() - started) / 1_000;
    }
    const lag = tally.watermark && newest && ` (${span(newest - tally.watermark)} behind)`;
    return [
      `${thousands(sent)} sent`,
      `${thousands(committed)} committed`,
      `${thousands(Math.round(committed / seconds))} records/s`,
      `watermark ${tally.watermark === undefined ? '–' : isoTime(tally.watermark).slice(0, 16)}${lag ?? ''}`,
      `${thousands(tally.panes)} panes`,
      `${thousands(tally.delivered.rows)} rows`,
      `${thousands(tally.delivered.objects)} objects`,
    ].join(' · ');
  };
  const refresh = (): void => {
    if (!shown && tally.panes > 0) {
      shown = true;
      say(`\nFirst panes, after ${((performance.now() - started) / 1_000).toFixed(1)} s:`);
      say(paneTable(tally));
    }
    for (const fault of [...tally.faults.keys()].slice(faults)) say(`Cannot ${fault}; trying again`);
    faults = tally.faults.size;
    const now = line();
    if (output.isTTY) output.write(`\r\x1b[K${now}`);
    else if (now !== said) say(now);
    said = now;
  };
  const timer = setInterval(refresh, output.isTTY ? REFRESH_MILLIS : LOG_MILLIS);

  return {
    say,
    sent(records, eventTime) {
      sent = records;
      if (eventTime !== undefined && (newest === undefined || eventTime > newest)) newest = eventTime;
    },
    stop() {
      clearInterval(timer);
      erase();
    },
  };
}

/** Says what is said, and nothing else. */
export const quietScreen = (output: NodeJS.WriteStream) => (): Screen => ({
  say: (text) => void output.write(`${text}\n`),
  sent() {},
  stop() {},
});

/** The last panes of each window. */
export function paneTable(tally: Tally): string {
  const table = new Table({
    head: ['window', 'key', 'start', 'end', 'count', 'results'],
    style: { head: [], border: [], compact: true },
  });
  for (const pane of tally.latest()) {
    const results = Object.entries(pane.results).map(([name, value]) => `${name} ${short(value)}`);
    table.push([
      pane.index === undefined ? pane.window : `${pane.window} ${pane.index}`,
      pane.key,
      isoTime(pane.start).slice(0, 16),
      isoTime(pane.end).slice(0, 16),
      pane.count,
      results.join('  '),
    ]);
  }
  return table.toString();
}

const short = (value: unknown): string => {
  const text = typeof value === 'number' ? String(Math.round(value * 100) / 100) : JSON.stringify(value);
  return text.length <= 24 ? text : `${text.slice(0, 23)}…`;
};

/** Where the records went, in words. */
export const ledger = (replayed: Replayed): string =>
  [
    `${thousands(replayed.read)} records read`,
    ...(replayed.resumed > 0 ? [`${thousands(replayed.resumed)} of them sent by an earlier run`] : []),
    `${thousands(replayed.applied)} applied`,
    `${thousands(replayed.late)} late`,
    `${thousands(replayed.poison)} poison`,
    `${thousands(replayed.filtered)} filtered`,
    `${thousands(replayed.refused.length)} too large for Kinesis`,
  ].join(', ');

/** Commands that look at what a run has made, one pane's row among it. */
export function whereToLook({ endpoints, names }: LocalRuntime, { key, window }: GroupPane): string {
  const partition = { S: `${names.stream}#${key}` };
  const row = JSON.stringify({ [ROWS_KEY.partition]: partition, [ROWS_KEY.sort]: { S: `${window}#latest` } });
  const ofKey = `--key-condition-expression 'pk = :k' --expression-attribute-values '${JSON.stringify({ ':k': partition })}'`;
  return [
    '  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1',
    `  aws --endpoint-url ${endpoints.kinesis} kinesis describe-stream-summary --stream-name ${names.stream}`,
    `  aws --endpoint-url ${endpoints.dynamodb} dynamodb get-item --table-name ${names.rowsTable} --key '${row}'`,
    `  aws --endpoint-url ${endpoints.dynamodb} dynamodb query --table-name ${names.rowsTable} ${ofKey}`,
    `  aws --endpoint-url ${endpoints.dynamodb} dynamodb scan --table-name ${names.stateTable} --select COUNT`,
    `  aws --endpoint-url ${endpoints.s3} s3 ls --recursive s3://${names.bucket}/`,
  ].join('\n');
}

export const thousands = (value: number): string => value.toLocaleString('en-US');

/** A length of time as a person says it: `3d 4h`, `2h 5m`, `12s`. */
export function span(milliseconds: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(milliseconds / 1_000));
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    if (rest >= seconds) parts.push(`${Math.floor(rest / seconds)}${unit}`);
    rest %= seconds;
  }
  return parts.slice(0, 2).join(' ') || '0s';
}
