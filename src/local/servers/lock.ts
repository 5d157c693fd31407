import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import kinesaliteDb from 'kinesalite/db/index.js';
import { lineOf, reasonOf } from '../failure.ts';

const LOCK = 'lock';

/**
 * Takes a directory for one caller alone, and makes the directory when it is missing. It returns the function
 * that releases it.
 *
 * The lock is that of an empty LevelDB: the operating system frees it when its holder dies, however it dies.
 *
 * @throws Error when the directory cannot be made or written, is taken, or holds files that no run wrote
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  try {
    mkdirSync(directory, { recursive: true });
    const names = readdirSync(directory);
    if (names.length > 0 && !names.includes(LOCK)) throw new Error('it holds other files');
    const { db } = kinesaliteDb.create({ path: join(directory, LOCK) });
    await once(db, 'open');
    return () => db.close();
  } catch (cause) {
    const message = lineOf(cause);
    const broken = /lock .*(already held|temporarily unavailable)/.test(message)
      ? 'it must serve one local run at a time: another one is using it'
      : `it must be a directory that can be written, and empty or of an earlier run: ${reasonOf(cause)}`;
    throw new Error(`Cannot keep data in "${directory}" as ${broken}`, { cause });
  }
}
