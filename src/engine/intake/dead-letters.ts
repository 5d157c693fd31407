import { after, before, isoTime } from '../../core/time.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { ENTRY_LIFETIME } from '../../ports/commit-log.ts';
import type { DeadLetter, DeadLetterQueue } from '../../ports/dead-letters.ts';
import { type SourceRecord, withData } from '../../ports/source.ts';
import { definitionLog } from '../../wiring/names.ts';
import { definitionIn } from '../log/definition-log.ts';
import { decodeAll, placedParts } from './decode.ts';
import { CLOCK_SKEW, Moves } from './moves.ts';
import type { KeptRecord } from './poison.ts';
import type { Redrive, RedrivePorts } from './redrive.ts';

/** How many messages, and how many bytes of them, are taken in before they are deleted. */
const MAX_LETTERS = 500;
const MAX_BYTES = 4 * 1_048_576;

export interface DeadLetterOptions {
  /** Says whether a record is to be taken in. */
  readonly chooses: (record: Pick<KeptRecord, 'arrival'>) => boolean;
  /** Whether to take in messages too of which the logs do not tell whether they are in. */
  readonly unconfirmed: boolean;
  /** Is called with the number of messages received so far. */
  readonly tell?: (letters: number) => void;
}

/** How many messages stay in a dead-letter queue, and why. */
export interface LettersLeft {
  /** The logs do not tell whether they are in. */
  readonly unconfirmed: number;
  /** They are of no source of the pipeline, as far as the dead-letter queue says. */
  readonly others: number;
  /** They could not be received: another reader has them, or they wait behind messages of their message group. */
  readonly unseen: number;
}

/**
 * Takes in the messages of a dead-letter queue, and deletes each once it is in, or once it is kept as refused or late.
 *
 * A message is listed under its id before it is taken in, as all records of a redrive are. So one that was not deleted
 * after that, as the run was killed, is only deleted by the next run. A source without order knows the message by that
 * id too, so that a group which took it in before the queue gave it up drops it. Of a FIFO queue a group knows only how
 * far it has come in a message group, by numbers that the message lost when it moved. Such a message is taken in where
 * the groups of its keys did not move in its message group while the queue was handing it over, so that none of them
 * can have taken it in.
 */
export async function redriveDeadLetters(
  ports: RedrivePorts,
  queue: DeadLetterQueue,
  pipeline: Pipeline,
  redrive: Redrive,
  { chooses, unconfirmed, tell = () => {} }: DeadLetterOptions,
): Promise<LettersLeft> {
  const last = await ports.log.latest(definitionLog(pipeline.name));
  const definition = last && definitionIn(last);
  /** The messages that are received and not deleted, by their ids. */
  const held = new Map<string, DeadLetter>();
  const left = { unconfirmed: 0, others: 0 };
  let received = 0;
  try {
    for (;;) {
      const letters: DeadLetter[] = [];
      for (let bytes = 0; letters.length < MAX_LETTERS && bytes < MAX_BYTES; ) {
        const some = await queue.receive();
        if (some.length === 0) break;
        for (const letter of some) {
          const { position, data } = letter.record;
          bytes += data.length;
          // What was left comes again where it could not be hidden for as long as this takes.
          if (!held.has(position)) letters.push(letter);
          held.set(position, letter);
        }
        received += some.length;
        tell(received);
      }
      if (letters.length === 0) break;
      // The messages were given up before any log is read, so that the logs have whatever was taken in of them.
      const moves = definition && new Moves(ports.log, pipeline, definition);
      const wanted: DeadLetter[] = [];
      const missed: KeptRecord[] = [];
      for (const letter of letters) {
        const { source } = letter;
        const record = keptOf(letter.record);
        const isOwn = source !== undefined && definition?.sources?.names.includes(source);
        if (!isOwn || moves === undefined) left.others++;
        else if (redrive.has(record)) wanted.push(letter);
        else if (!chooses(record)) continue;
        else if (!unconfirmed && !(await isMissed(letter, pipeline, moves, ports))) left.unconfirmed++;
        else {
          wanted.push(letter);
          missed.push(record);
        }
      }
      await redrive.take(missed);
      await queue.remove(wanted);
      for (const { record } of wanted) held.delete(record.position);
    }
    return { ...left, unseen: Math.max(0, (await queue.count()) - held.size) };
  } finally {
    await queue.release([...held.values()]);
  }
}

/** Tells whether no group has taken anything of a message in. */
async function isMissed(
  { record, tried }: DeadLetter,
  pipeline: Pipeline,
  moves: Moves,
  { clock, unpack }: Pick<RedrivePorts, 'clock' | 'unpack'>,
): Promise<boolean> {
  if (!pipeline.source.lineage.ordered) return true;
  if (tried === undefined || after(tried.from, ENTRY_LIFETIME) <= clock.now()) return false;
  const from = before(tried.from, CLOCK_SKEW);
  const until = after(tried.until, CLOCK_SKEW);
  const members = unpack?.(record.data);
  const source: SourceRecord = { ...withData(record, record.data), ...(members && { members }) };
  for (const [outcome] of decodeAll(pipeline, [source])) {
    if (outcome === undefined) continue;
    for (const { part, partitionKey } of placedParts(source, outcome)) {
      if (part.outcome === 'filtered') continue;
      const key = part.outcome === 'record' ? part.key : partitionKey;
      for (const { committedAt } of await moves.of(key, record.lineage))
        if (committedAt >= from && committedAt <= until) return false;
    }
  }
  return true;
}

const keptOf = ({ lineage, position, arrival, partitionKey, data }: SourceRecord): KeptRecord => ({
  lineage,
  position,
  member: 0,
  child: 0,
  expanded: false,
  packed: false,
  arrival: isoTime(arrival),
  partitionKey,
  failed: true,
  data: Buffer.from(data).toString('base64'),
});
