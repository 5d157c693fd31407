import { createHash } from 'node:crypto';
import { CodecError } from '../../core/codec.ts';
import { isoTime } from '../../core/time.ts';
import type { LogEntry, StoredEntry, WholeLog } from '../../ports/commit-log.ts';
import type { EnginePorts, Ports } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { STATE_PREFIX } from '../../wiring/names.ts';

/** What an answer holds at least where there is more, in bytes, and how many bodies are read at once. */
const ANSWER_BYTES = 1_048_576;
const WIDTH = 8;

/** The first byte of a body that names an object: neither an entry's version nor the beginning of deflated bytes. */
const SPILLED = 0xff;

type SpillPorts = Pick<Ports, 'log' | 'limits'> & {
  readonly objects: Pick<Ports['objects'], 'create' | 'read'>;
};

/** The ports of adapters as the engine works on them. */
export const enginePorts = <Given extends SpillPorts>(
  ports: Given,
): Omit<Given, 'log'> & Pick<EnginePorts, 'log'> => ({ ...ports, log: wholeLog(ports) });

/**
 * The log whose large bodies stand as objects, created before the entries that name them. A name holds the entry's place, the
 * day of its commit and the hash of its bytes: an append that is tried again finds its own object, one that was lost leaves
 * an object that nothing names. The bucket lets such objects expire a fixed time after they were created, later than any
 * entry that names them. The day keeps that so: what is tried again on another day has an object of that day.
 */
export const wholeLog = ({ log, objects, limits: { inline } = LIMITS }: SpillPorts): WholeLog => {
  const whole = (entry: StoredEntry) => wholeEntry(objects, entry);
  return {
    async latest(name) {
      const last = await log.latest(name);
      return last && whole(last);
    },
    async after(name, ordinal) {
      const entries = await log.after(name, ordinal);
      const answer: LogEntry[] = [];
      // As many at once as may be of the size of the largest so far.
      for (let bytes = 0, width = 1; answer.length < entries.length && bytes < ANSWER_BYTES; ) {
        const some = await Promise.all(entries.slice(answer.length, answer.length + width).map(whole));
        for (const { body } of some) bytes += body.length;
        answer.push(...some);
        const largest = Math.max(1, ...answer.map(({ body }) => body.length));
        width = Math.min(WIDTH, Math.max(1, Math.floor(ANSWER_BYTES / largest)));
      }
      return answer;
    },
    async append(name, { body, ...place }) {
      if (body.length <= inline) return log.append(name, { ...place, stored: body });
      const day = isoTime(place.committedAt).slice(0, 10);
      const object = `${STATE_PREFIX}${name}/${place.ordinal}-${day}-${hashOf(body)}`;
      await objects.create(object, { body, contentType: 'application/octet-stream' });
      return log.append(name, {
        ...place,
        stored: Buffer.concat([Uint8Array.of(SPILLED), Buffer.from(object)]),
      });
    },
  };
};

/**
 * An entry with its body, wherever that is.
 *
 * @throws CodecError when it is an object that is gone, or is not what was written
 */
export async function wholeEntry(objects: Pick<ObjectStore, 'read'>, entry: StoredEntry): Promise<LogEntry> {
  const { stored, ...place } = entry;
  const name = bodyObjectOf(entry);
  if (name === undefined) return { ...place, body: stored };
  const body = await objects.read(name);
  if (body === undefined || !name.endsWith(hashOf(body))) {
    throw new CodecError(
      `Cannot read an entry as its body, the object ${name}, must be there as it was written`,
    );
  }
  return { ...place, body };
}

/** The object that an entry names instead of holding its body; undefined where it holds it. */
export const bodyObjectOf = ({ stored }: Pick<StoredEntry, 'stored'>): string | undefined =>
  stored[0] === SPILLED ? new TextDecoder().decode(stored.subarray(1)) : undefined;

const hashOf = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex');
