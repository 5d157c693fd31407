import { createHash } from 'node:crypto';
import { CodecError } from '../../core/codec.ts';
import { isoTime } from '../../core/time.ts';
import type { LogEntry, StoredEntry, WholeLog } from '../../ports/commit-log.ts';
import type { EnginePorts, Ports } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import type { ObjectStore } from '../../ports/stores.ts';
import { STATE_PREFIX } from '../../wiring/names.ts';

/**
 * The size of an answer, in bytes, from which on it reads no further, and how many bodies it reads at once.
 */
const ANSWER_BYTES = 1_048_576;
const WIDTH = 8;

/**
 * The first byte of a stored body that names an object. Neither an entry's version nor the beginning of
 * deflated bytes is this byte.
 */
const SPILLED = 0xff;

type SpillPorts = Pick<Ports, 'log' | 'limits'> & {
  readonly objects: Pick<Ports['objects'], 'create' | 'read'>;
};

/** Makes the ports that the engine works with out of the ports of adapters: their log becomes a whole log. */
export const enginePorts = <Given extends SpillPorts>(
  ports: Given,
): Omit<Given, 'log'> & Pick<EnginePorts, 'log'> => ({ ...ports, log: wholeLog(ports) });

/**
 * Makes a log whose large bodies stand as objects, each created before the entry that names it.
 *
 * The name of an object holds the entry's place, the day of its commit and the hash of its bytes. So an
 * append that is tried again finds its own object, and an append that lost its race leaves an object that
 * nothing names. The bucket lets such objects expire a fixed time after their creation, which is later than
 * the expiry of any entry that names them. The day in the name ensures this, as an append that is tried
 * again on another day creates an object of that day.
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
      // It reads as many bodies at once as fit an answer if each were as large as the largest so far.
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
 * Returns an entry with its body, wherever that is stored.
 *
 * @throws CodecError when the body is an object that is gone or that is not what was written
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

/** Returns the object that an entry names, or undefined for an entry that holds its body itself. */
export const bodyObjectOf = ({ stored }: Pick<StoredEntry, 'stored'>): string | undefined =>
  stored[0] === SPILLED ? new TextDecoder().decode(stored.subarray(1)) : undefined;

const hashOf = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex');
