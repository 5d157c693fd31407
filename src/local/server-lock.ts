import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import kinesaliteDb from 'kinesalite/db/index.js';

/**
 * Takes a directory for one caller alone, making it when it is missing; returns the release.
 *
 * The lock is that of an empty LevelDB: the operating system frees it when its holder dies, however it dies.
 *
 * @throws Error when the directory cannot be made or written, or is taken.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  try {
    mkdirSync(directory, { recursive: true });
    const { db } = kinesaliteDb.create({ path: join(directory, 'lock') });
    await once(db, 'open');
    return () => db.close();
  } catch (cause) {
    const { message } = cause as Error;
    const broken = /lock .*(already held|temporarily unavailable)/.test(message)
      ? 'it must serve one local run at a time: another one is using it'
      : `it must be a directory that can be written: ${message}`;
    throw new Error(`Cannot keep data in "${directory}" as ${broken}`, { cause });
  }
}
