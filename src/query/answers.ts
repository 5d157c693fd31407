import type { StoredKey } from '../core/key.ts';
import { type EpochMillis, isoTime, type Millis, millis, parseIsoTime } from '../core/time.ts';
import { LATEST } from '../engine/delivery/project-rows.ts';
import { writtenPane } from '../engine/delivery/written-pane.ts';
import { hasTakenIn, type KeyLook, type KeyReader, openPanes, seenIn } from '../engine/inspect/key-reader.ts';
import type { Pane, Pipeline } from '../pipeline/pipeline.ts';
import type { Clock } from '../ports/clock.ts';
import { pageTokens } from './page-token.ts';
import { notNow, Problem } from './problem.ts';
import { type Question, tokenOf } from './question.ts';

/** What answers are made with. */
export interface AnswerParts {
  readonly pipeline: Pipeline;
  readonly reader: KeyReader;
  readonly clock: Clock;
  /** Signs tokens of pages. */
  readonly secret: string;
  readonly isSigned: boolean;
}

/** How often a key is looked at until it has what is waited for. */
const LOOK_AGAIN: Millis = millis('100ms');

/**
 * How many bytes of JSON an answer takes before it ends: a function may answer with 6 MB, and a row takes up
 * to a few hundred kilobytes.
 */
const ANSWER_BYTES = 4_000_000;

/** How many batches of another time are read for one page at most. */
const MAX_PASSED_OVER = 1_000;

/** How many groups are read for one page of keys at most. */
const GROUPS_A_PAGE = 16;

/** Answers with the latest pane of a key and window. */
export async function latestPane(parts: AnswerParts, question: Question, deadline: EpochMillis) {
  const window = question.text('window') as string;
  const look = await lookAtLeast(parts, question, deadline);
  const range = { from: LATEST, to: LATEST };
  for await (const { pane } of parts.reader.rows(look, window, range, deadline))
    return { ...headOf(look), pane: shownPane(parts.pipeline, look.stored, pane) };
  throw new Problem(404, `Cannot show a pane of window ${window} as the key must have one: it has none`);
}

/** The first and the last text that may begin or follow a name of a row other than that of the latest pane. */
const [FIRST_NAME, LAST_NAME] = ['0', ':'];

/** Answers with the panes of a key and window, in pages. */
export async function panesByTime(parts: AnswerParts, question: Question, deadline: EpochMillis) {
  const { pipeline, reader, secret } = parts;
  const window = question.text('window') as string;
  const { operator } = windowOf(pipeline, window);
  const [from, to] = [question.time('from'), question.time('to')];
  const descending = question.text('order') === 'desc';
  const tokens = pageTokens<string>(secret, [
    'panes',
    question.key,
    window,
    question.text('from'),
    question.text('to'),
    String(descending),
  ]);
  const page = question.text('page');
  const after = page === undefined ? undefined : tokens.read(page);
  const look = await lookAtLeast(parts, question, deadline);
  const isByTime = operator.identity === 'start';
  const range = {
    from: from === undefined || !isByTime ? FIRST_NAME : isoTime(from),
    to: to === undefined || !isByTime ? LAST_NAME : isoTime((to - 1) as EpochMillis),
    after,
    descending,
    // One more than is shown says whether more follow.
    about: question.limit + 1,
  };
  const panes: Pane[] = [];
  const room = new Room(question.limit);
  let last = '';
  if (range.from <= range.to)
    for await (const { sort, pane } of reader.rows(look, window, range, deadline)) {
      const isShown = isByTime || isBetween(from, pane, to);
      if (room.isSpent || (isShown && !room.takes(pane)))
        return { ...headOf(look), panes, next: tokens.write(last) };
      if (isShown) panes.push(shownPane(pipeline, look.stored, pane));
      else room.passOver();
      last = sort;
    }
  return { ...headOf(look), panes };
}

/** Answers with the open windows of a key. */
export async function openWindows(parts: AnswerParts, question: Question, deadline: EpochMillis) {
  const { pipeline } = parts;
  const look = await lookAtLeast(parts, question, deadline);
  const window = question.text('window');
  const room = new Room(question.limit);
  const windows: object[] = [];
  for (const pane of openPanes(look, question.limit + 1)) {
    if (window !== undefined && pane.window !== window) continue;
    // What has not been emitted has no id, and each window of its kind is early.
    const {
      id: _id,
      kind: _kind,
      pipeline: _pipeline,
      key: _key,
      watermark: _watermark,
      ...shown
    } = writtenPane(pipeline, pane);
    if (!room.takes(shown)) return { ...headOf(look), windows, more: true };
    windows.push({ ...shown, settled: false });
  }
  return { ...headOf(look), windows, more: false };
}

/** Where the next page of keys begins. */
interface KeysPlace {
  readonly generation: number;
  readonly index: number;
  readonly after: string;
}

/** Answers with the keys that have a state. */
export async function keysByPrefix(
  { reader, clock, secret }: AnswerParts,
  question: Question,
  deadline: EpochMillis,
) {
  const prefix = question.text('prefix') ?? '';
  const tokens = pageTokens<KeysPlace>(secret, ['keys', prefix]);
  const page = question.text('page');
  const place = page === undefined ? undefined : tokens.read(page);
  const asOf = isoTime(clock.now());
  const keys: object[] = [];
  const room = new Room(question.limit);
  let { index, after }: Pick<KeysPlace, 'index' | 'after'> = place ?? { index: 0, after: '' };
  for (let read = 1; ; read++) {
    const group = await reader.keysOf(index);
    const { generation, groups } = group;
    if (place !== undefined && place.generation !== generation)
      throw new Problem(
        409,
        'Cannot go on from this page as the number of key groups must be the same: it has changed since; begin anew',
      );
    const found = [...group.keys].filter(([key]) => key.startsWith(prefix) && key > after);
    for (const [key, stored] of found.sort(([a], [b]) => (a < b ? -1 : 1))) {
      const shown = { key, watermark: isoTime(stored.watermark) };
      if (!room.takes(shown)) return { asOf, keys, next: tokens.write({ generation, index, after }) };
      keys.push(shown);
      after = key;
    }
    [index, after] = [index + 1, ''];
    if (index >= groups) return { asOf, keys };
    if (read >= GROUPS_A_PAGE || clock.now() >= deadline)
      return { asOf, keys, next: tokens.write({ generation, index, after }) };
  }
}

/** Counts what an answer still takes. */
class Room {
  #items: number;
  #bytes = ANSWER_BYTES;
  #passedOver = 0;

  constructor(limit: number) {
    this.#items = limit;
  }

  /** Whether so much was passed over that the next page goes on. */
  get isSpent(): boolean {
    return this.#passedOver >= MAX_PASSED_OVER;
  }

  passOver(): void {
    this.#passedOver++;
  }

  /** Says whether there is room for another item, and takes that up. The first item always has room. */
  takes(item: object): boolean {
    const isFull = this.#items <= 0 || this.#bytes <= 0;
    this.#items--;
    this.#bytes -= Buffer.byteLength(JSON.stringify(item));
    return !isFull;
  }
}

const headOf = (look: KeyLook) => ({
  asOf: isoTime(look.asOf),
  token: tokenOf(look.commit),
  watermark: look.stored === undefined ? null : isoTime(look.stored.watermark),
});

const windowOf = ({ rules }: Pipeline, window: string) =>
  rules.windows.find(({ name }) => name === window) as Pipeline['rules']['windows'][number];

/** Says whether a pane begins in `[from, to)`. */
function isBetween(from = Number.NEGATIVE_INFINITY, pane: Pane, to = Number.POSITIVE_INFINITY): boolean {
  const start = parseIsoTime(pane.start) as EpochMillis;
  return from <= start && start < to;
}

/**
 * Adds to a stored pane whether it is settled: whether no other revision of it can follow. A key without a
 * state has no window that a record may still change.
 */
function shownPane(pipeline: Pipeline, stored: StoredKey | undefined, pane: Pane) {
  const { settledFrom } = windowOf(pipeline, pane.window).operator;
  const from = settledFrom(parseIsoTime(pane.end) as EpochMillis);
  const settled = pane.kind === 'retracted' || stored === undefined || stored.watermark >= from;
  return { ...pane, settled };
}

/**
 * Looks at a key until the look is not earlier than what the question asks for.
 *
 * @throws Problem when it still is at the deadline, or never will be
 */
async function lookAtLeast(
  { reader, clock }: AnswerParts,
  { key, atLeast }: Question,
  deadline: EpochMillis,
): Promise<KeyLook> {
  for (;;) {
    const look = await reader.look(key);
    if (atLeast === undefined) return look;
    if ('ordinal' in atLeast) {
      // Logs are read as they are, so that a commit which anybody has seen is seen by everybody.
      const seen = seenIn(look, atLeast);
      if (seen === 'visible') return look;
      throw new Problem(
        409,
        seen === 'of another key'
          ? 'Cannot answer as the commit of atLeast must be of the same key: it is of another'
          : 'Cannot answer as the commit of atLeast must be in the log of the key: the log was taken back to before it, or never had it',
      );
    }
    if (hasTakenIn(look, atLeast)) return look;
    const again = (clock.now() + LOOK_AGAIN) as EpochMillis;
    if (again >= deadline)
      throw notNow(
        'Cannot answer as the record of atLeast must be taken in: it is not yet, or is of another key',
      );
    await new Promise<void>((settle) => clock.alarm(again, settle));
  }
}
