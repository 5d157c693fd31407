import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs';

/** What changed something that outlives the process: some JSON, and bytes. */
export interface JournalEntry {
  readonly body: Buffer;
}

export interface Journal<Entry extends JournalEntry> {
  /** Returns once the entry would outlive a kill of this process, though not a power failure. */
  append(entry: Entry): void;
  close(): void;
}

/** A prefix holds the lengths of the head and the body, each as a 32-bit big-endian integer. */
const PREFIX_BYTES = 8;

/**
 * Opens an append-only file, after it has replayed in order the entries that the file holds.
 *
 * An entry is its prefix, its head (the entry without its body, in JSON) and its body. A kill or a full
 * disk can cut short only the last entry. That one was never acknowledged, and is dropped.
 */
export async function openJournal<Entry extends JournalEntry>(
  path: string,
  replay: (entry: Entry) => unknown,
): Promise<Journal<Entry>> {
  const file = openSync(path, 'a+');
  let end = 0;
  for (let next = readEntry<Entry>(file, end); next; next = readEntry<Entry>(file, end)) {
    await replay(next.entry);
    end = next.end;
  }
  ftruncateSync(file, end);

  return {
    append({ body, ...rest }) {
      const head = Buffer.from(JSON.stringify(rest));
      const prefix = Buffer.alloc(PREFIX_BYTES);
      prefix.writeUInt32BE(head.length, 0);
      prefix.writeUInt32BE(body.length, 4);
      try {
        writeFileSync(file, Buffer.concat([prefix, head, body]));
        end += PREFIX_BYTES + head.length + body.length;
      } catch (error) {
        ftruncateSync(file, end);
        throw error;
      }
    },
    close: () => closeSync(file),
  };
}

/** Yields the entries of a journal that another process or thread may be appending to. */
export function* readJournal<Entry extends JournalEntry>(path: string): Generator<Entry> {
  const file = openSync(path, 'r');
  try {
    let end = 0;
    for (let next = readEntry<Entry>(file, end); next; next = readEntry<Entry>(file, end)) {
      yield next.entry;
      end = next.end;
    }
  } finally {
    closeSync(file);
  }
}

function readEntry<Entry extends JournalEntry>(
  file: number,
  start: number,
): { entry: Entry; end: number } | undefined {
  const prefix = readBytes(file, start, PREFIX_BYTES);
  if (!prefix) return undefined;
  const [headBytes, bodyBytes] = [prefix.readUInt32BE(0), prefix.readUInt32BE(4)];
  const content = readBytes(file, start + PREFIX_BYTES, headBytes + bodyBytes);
  if (!content) return undefined;
  const rest = JSON.parse(content.toString('utf8', 0, headBytes));
  return {
    entry: { ...rest, body: content.subarray(headBytes) } as Entry,
    end: start + PREFIX_BYTES + content.length,
  };
}

function readBytes(file: number, start: number, length: number): Buffer | undefined {
  if (start + length > fstatSync(file).size) return undefined;
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, start);
  return bytes;
}
