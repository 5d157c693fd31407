import Table from 'cli-table3';
import { createLogUpdate } from 'log-update';
import type { PaneKind } from '../core/panes.ts';
import { type EpochMillis, isoTime } from '../core/time.ts';
import type { GroupPane } from '../engine/group/group.ts';
import { beginningOf, type RefusedByCode, visible } from '../local/refused.ts';
import type { Replayed } from '../local/replay.ts';
import type { LocalRuntime } from '../local/runtime.ts';
import type { SourcePlace } from '../local/sources/source.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { ROWS_KEY } from '../wiring/names.ts';
import type { Tally } from './tally.ts';
import { briefly, NO_BORDER, percent, plural, span, thousands } from './text.ts';

/** What a person sees of a local run. */
export interface Screen {
  /** How many characters a line of it has; undefined where lines are as long as they are. */
  readonly columns: number | undefined;
  say(text: string): void;
  /** Shows how much of the input has been read, a share of 1. */
  read(share: number): void;
  /** Shows the newest event time sent, for comparison with the watermark. */
  sent(records: number, eventTime: EpochMillis | undefined): void;
  stop(): void;
}

const REFRESH_MILLIS = 250;
const LOG_MILLIS = 10_000;

/**
 * Draws progress and the latest panes over and over at the foot of a terminal, or writes a line now and then
 * where there is no terminal.
 */
export function startScreen(tally: Tally, output: NodeJS.WriteStream): Screen {
  const live = output.isTTY ? createLogUpdate(output) : undefined;
  const started = performance.now();
  const secondsSince = () => (performance.now() - started) / 1_000;
  let sent = 0;
  let readShare: number | undefined;
  let committed = 0;
  /** The seconds until the last commit. */
  let seconds = 1;
  let newest: EpochMillis | undefined;
  let shown = false;
  let said = '';
  let logged = started;
  const newTrouble = troubleOf(tally);

  const say = (text: string): void => {
    live?.clear();
    output.write(`${text}\n`);
  };
  const counts = (): { readonly time: readonly string[]; readonly all: readonly string[] } => {
    const received = tally.metrics.get('received') ?? 0;
    if (received > committed) {
      committed = received;
      seconds = secondsSince();
    }
    const poison = tally.metrics.get('poison') ?? 0;
    const lag = tally.watermark && newest && `, ${span(newest - tally.watermark)} behind`;
    const [delivery] = deliveries(tally);
    const time = [
      `${thousands(Math.round(committed / seconds))} records/s`,
      `watermark ${tally.watermark === undefined ? '–' : minuteOf(tally.watermark)}${lag ?? ''}`,
      ...(delivery === undefined ? [] : [delivery]),
    ];
    const all = [
      `${thousands(sent)} sent`,
      `${thousands(committed)} committed`,
      `${thousands(tally.panes)} panes`,
      `${thousands(tally.delivered.rows)} rows`,
      `${thousands(tally.delivered.objects)} objects`,
      ...[...tally.delivered.messages].map(([sink, count]) => `${plural(count, 'message')} to ${sink}`),
      ...(poison > 0 ? [`${thousands(poison)} poison`] : []),
      ...[...tally.late].map(([window, count]) => `${thousands(count)} late for ${window}`),
    ];
    return { time, all };
  };
  const progress = (): readonly string[] => {
    if (readShare === undefined || sent === 0) return [];
    const committedShare = readShare * Math.min(1, committed / sent);
    const share = (committedShare + committedShare * tally.deliveredShare) / 2;
    const left = (secondsSince() * (1 - share)) / share;
    const soon = share > 0.02 && share < 1 ? [`about ${span(1_000 * Math.max(1, left))} left`] : [];
    return [`${barOf(share)} ${percent(share)}`, ...soon];
  };
  const refresh = (): void => {
    if (!shown && tally.panes > 0) {
      shown = true;
      say(`\nFirst panes, after ${secondsSince().toFixed(1)} s`);
    }
    for (const fault of newTrouble()) say(fault);
    const { time, all } = counts();
    if (live === undefined) {
      const now = [...all, ...time].join(' · ');
      if (now === said || performance.now() - logged < LOG_MILLIS) return;
      say([...progress(), now].join(' · '));
      [said, logged] = [now, performance.now()];
      return;
    }
    const lines = [[...progress(), ...time], all].map((parts) => cut(parts.join(' · '), output.columns));
    if (tally.panes > 0) lines.push('', ...paneTable(tally, output.columns).split('\n'));
    // Lines beyond the height of the terminal could not be drawn over.
    live(lines.slice(0, Math.max(1, output.rows - 4)).join('\n'));
  };
  const timer = setInterval(refresh, REFRESH_MILLIS);

  return {
    columns: live && output.columns,
    say,
    read(share) {
      readShare = share;
    },
    sent(records, eventTime) {
      sent = records;
      if (eventTime !== undefined && (newest === undefined || eventTime > newest)) newest = eventTime;
    },
    stop() {
      clearInterval(timer);
      live?.clear();
      live?.done();
    },
  };
}

const BAR = 24;

const barOf = (share: number): string => {
  const full = Math.floor(BAR * share);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`;
};

/** Cuts a line to the width of a terminal; where there is none, it stays whole. */
const cut = (line: string, columns = Number.POSITIVE_INFINITY): string =>
  line.length <= columns ? line : `${line.slice(0, columns - 1)}…`;

/** Says what a pipeline computes of its records, in a line for each window of at most `columns` characters. */
export function asked({ name, rules }: Pipeline, columns?: number): string {
  const width = Math.max(...rules.windows.map((window) => window.name.length));
  const lines = rules.windows.map((window) => {
    const { what, results } = windowWords(window.operator.signature);
    return `  ${window.name.padEnd(width)}  ${what}${results === '' ? '' : `: ${results}`}`;
  });
  const { idleAfter, outOfOrderness } = rules.time;
  const time = `up to ${span(outOfOrderness)} out of order; after ${span(idleAfter)} of silence time passes by itself`;
  return [`Pipeline "${name}": ${time}`, ...lines].map((line) => cut(line, columns)).join('\n');
}

/** The kinds of windows in words, with their lengths of time. A kind that is not here is named as its signature has it. */
const KIND_WORDS: Readonly<Record<string, (given: readonly string[]) => string>> = {
  sliding: ([size, slide]) => (size === slide ? `tumbling, ${size}` : `sliding, ${size} every ${slide}`),
  rolling: ([count]) => `rolling, the last ${count}`,
  batches: ([count]) => `batches of ${count}`,
  session: ([gap]) => `session, gap ${gap}`,
  trailing: ([size]) => `trailing, ${size}`,
  running: () => 'running',
};

/** Returns a window's signature in words. Lengths of time are whole milliseconds in it. */
export function windowWords(signature: string): { readonly what: string; readonly results: string } {
  const [, kind, settings = '', results = ''] = /^(\w+)\((.*?)\)\{(.*)\}$/.exec(signature) ?? [];
  if (kind === undefined) return { what: signature, results: '' };
  const given = settings.split(',').map((part) => (/^\d{4,}$/.test(part) ? span(Number(part)) : part));
  return {
    what: KIND_WORDS[kind]?.(given) ?? `${kind} (${given.join(', ')})`,
    results: results.split(';').join(', ').replaceAll('=', ' = '),
  };
}

/** Returns a screen that only shows messages and faults. */
export function quietScreen(tally: Tally, output: NodeJS.WriteStream): Screen {
  const say = (text: string) => void output.write(`${text}\n`);
  const newTrouble = troubleOf(tally);
  const timer = setInterval(() => newTrouble().forEach(say), LOG_MILLIS);
  return { columns: undefined, say, read() {}, sent() {}, stop: () => clearInterval(timer) };
}

/** Returns a function that returns the faults and warnings since its last call. */
function troubleOf(tally: Tally): () => readonly string[] {
  let [faults, warnings] = [0, 0];
  return () => {
    const news = [
      ...[...tally.faults.keys()].slice(faults).map((fault) => `Cannot ${fault}; trying again`),
      ...[...tally.warnings].slice(warnings),
    ];
    faults = tally.faults.size;
    warnings = tally.warnings.size;
    return news;
  };
}

/** Lists the last panes of each window, in lines of at most `columns` characters. */
export function paneTable(tally: Tally, columns = Number.POSITIVE_INFINITY): string {
  const table = new Table({
    head: ['window', 'key', 'from', 'until', 'count', 'results'],
    chars: { ...NO_BORDER, middle: ' ', 'left-mid': '', 'right-mid': '' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
  });
  for (const pane of tally.latest()) {
    const results = Object.entries(pane.results ?? {}).map(([name, value]) => `${name} ${short(value)}`);
    table.push([
      nameOf(pane),
      short(pane.key),
      minuteOf(pane.start),
      minuteOf(pane.end),
      pane.count,
      results.join(', '),
    ]);
  }
  return table
    .toString()
    .split('\n')
    .map((line) => cut(line.trimEnd(), columns))
    .join('\n');
}

const IS_ORDINARY: { readonly [Kind in PaneKind]: boolean } = {
  final: true,
  late: false,
  early: false,
  empty: false,
  retracted: false,
  rolling: true,
  running: true,
};

/** Names a pane's window, and what is unusual about the pane. */
function nameOf({ window, index, kind }: GroupPane): string {
  const numbered = index === undefined ? window : `${window} ${index}`;
  return IS_ORDINARY[kind] ? numbered : `${numbered} (${kind})`;
}

const minuteOf = (at: EpochMillis): string => isoTime(at).slice(0, 16).replace('T', ' ');

const NOTHING = '–';

function textOf(value: unknown): string {
  if (value === null || Number.isNaN(value)) return NOTHING;
  if (typeof value === 'number') return String(Math.round(value * 100) / 100);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const short = (value: unknown): string => {
  const shown = visible(textOf(value));
  return shown.length <= 24 ? shown : `${shown.slice(0, 23)}…`;
};

/** Says of each sink how long delivery took: half of the commits at most p50, and 99 of 100 at most p99. */
export const deliveries = ({ latencies }: Pick<Tally, 'latencies'>): readonly string[] =>
  [...latencies].map(
    ([sink, times]) => `to the ${sink} p50 ${briefly(times.at(0.5))}, p99 ${briefly(times.at(0.99))}`,
  );

/** Says how many records each window refused, in a line for each that refused any. */
export const lateLines = (late: Readonly<Record<string, number>>): readonly string[] =>
  Object.entries(late).map(
    ([window, count]) => `${plural(count, 'record was', 'records were')} refused by window ${window} as late`,
  );

/** Lists the refused records of a run, code by code. */
export const refusedLines = (refused: RefusedByCode): readonly string[] =>
  [...refused].flatMap(([code, { times, first }]) => {
    const reason = first[0]?.reason ?? '';
    return [
      `  ${thousands(times)} × poison, ${code}: ${shortly(reason)}`,
      ...first.map((record) => {
        const place =
          record.line === undefined
            ? 'a record'
            : `line ${record.line}${placed('member', record.member)}${placed('child', record.child)}`;
        const differs = record.reason === reason ? '' : ` (${shortly(record.reason)})`;
        return `    ${place}: ${beginningOf(record.data)}${differs}`;
      }),
      ...(times > first.length ? [`    and ${plural(times - first.length, 'other')}`] : []),
    ];
  });

const placed = (what: string, at: number | undefined): string => (at === undefined ? '' : `, ${what} ${at}`);

const SHOWN_REASON = 300;

const shortly = (reason: string): string =>
  reason.length <= SHOWN_REASON ? visible(reason) : `${visible(reason.slice(0, SHOWN_REASON))}…`;

/** Says in words where the records went. */
export const ledger = (replayed: Replayed, { service }: Pick<SourcePlace, 'service'>): string =>
  [
    `${thousands(replayed.read)} records read`,
    ...(replayed.children === undefined ? [] : [`expanded into ${thousands(replayed.children)}`]),
    ...(replayed.resumed > 0 ? [`${thousands(replayed.resumed)} of them sent by an earlier run`] : []),
    `${thousands(replayed.applied)} applied`,
    `${thousands(replayed.lateForAll)} late for every window`,
    `${thousands(replayed.poison)} poison`,
    `${thousands(replayed.filtered)} filtered`,
    ...(replayed.refused.length > 0
      ? [`${thousands(replayed.refused.length)} too large for ${service}`]
      : []),
  ].join(', ');

/** Lists commands that show what a run has made, such as the row of a pane. */
export function whereToLook(
  { endpoints, names, places, source }: LocalRuntime,
  { key, window }: GroupPane,
  last: Replayed['last'],
): string {
  const partition = { S: `${names.stream}#${key}` };
  const row = JSON.stringify({ [ROWS_KEY.partition]: partition, [ROWS_KEY.sort]: { S: `${window}#latest` } });
  const ofKey = `--key-condition-expression 'pk = :k' --expression-attribute-values '${JSON.stringify({ ':k': partition })}'`;
  return [
    '  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1',
    ...source.place.commands(last).map((command) => `  ${command}`),
    ...places.map(({ command }) => `  ${command}`),
    `  aws --endpoint-url ${endpoints.dynamodb} dynamodb get-item --table-name ${names.rowsTable} --key '${row}'`,
    `  aws --endpoint-url ${endpoints.dynamodb} dynamodb query --table-name ${names.rowsTable} ${ofKey}`,
    `  aws --endpoint-url ${endpoints.dynamodb} dynamodb scan --table-name ${names.stateTable} --select COUNT`,
    `  aws --endpoint-url ${endpoints.s3} s3 ls --recursive s3://${names.bucket}/`,
  ].join('\n');
}
