import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs';

/** A request that changed an S3 object or bucket. */
export interface JournalEntry {
  readonly method: 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Journal {
  /** Returns once the entry would outlive a kill of this process, though not a power failure. */
  append(entry: JournalEntry): void;
  close(): void;
}

/** A prefix holds the lengths of the head and the body, each as a 32-bit big-endian integer. */
const PREFIX_BYTES = 8;

/**
 * Opens an append-only file of requests, after it has replayed in order the requests that the file holds.
 *
 * An entry is its prefix, its head (the request without its body, in JSON) and its body. A kill or a full
 * disk can cut short only the last entry. That one was never acknowledged, and is dropped.
 */
export async function openJournal(
  path: string,
  replay: (entry: JournalEntry) => Promise<unknown>,
): Promise<Journal> {
  const file = openSync(path, 'a+');
  let end = 0;
  for (let next = readEntry(file, end); next; next = readEntry(file, end)) {
    await replay(next.entry);
    end = next.end;
  }
  ftruncateSync(file, end);

  return {
    append({ body, ...request }) {
      const head = Buffer.from(JSON.stringify(request));
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

function readEntry(file: number, start: number): { entry: JournalEntry; end: number } | undefined {
  const prefix = readBytes(file, start, PREFIX_BYTES);
  if (!prefix) return undefined;
  const [headBytes, bodyBytes] = [prefix.readUInt32BE(0), prefix.readUInt32BE(4)];
  const content = readBytes(file, start + PREFIX_BYTES, headBytes + bodyBytes);
  if (!content) return undefined;
  const request = JSON.parse(content.toString('utf8', 0, headBytes));
  return {
    entry: { ...request, body: content.subarray(headBytes) },
    end: start + PREFIX_BYTES + content.length,
  };
}

function readBytes(file: number, start: number, length: number): Buffer | undefined {
  if (start + length > fstatSync(file).size) return undefined;
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, start);
  return bytes;
}
