import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parse as parseCsv } from 'csv-parse';

/** One record of an input: its bytes as they go onto the stream, and where it stood, from 1. */
export interface InputRecord {
  readonly line: number;
  readonly data: Uint8Array;
}

/**
 * The records of an input: newline-delimited JSON, a JSON list (`.json`) or CSV with a header (`.csv`, numbers read as
 * such); `-` is NDJSON on standard input. A line is not looked into: what is malformed goes onto the stream as it is.
 */
export async function* readInput(path: string): AsyncGenerator<InputRecord> {
  let line = 0;
  try {
    for await (const text of textsOf(path)) {
      line++;
      if (text !== '') yield { line, data: Buffer.from(text) };
    }
  } catch (error) {
    throw new Error(`Cannot read ${path}, after ${line} records: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const textsOf = (path: string): AsyncIterable<string> => {
  const name = path.toLowerCase();
  if (name.endsWith('.json')) return listItems(path);
  return name.endsWith('.csv') ? csvRows(path) : lines(path);
};

const open = (path: string) => (path === '-' ? process.stdin : createReadStream(path));

const lines = (path: string): AsyncIterable<string> =>
  createInterface({ input: open(path), crlfDelay: Number.POSITIVE_INFINITY });

async function* listItems(path: string): AsyncGenerator<string> {
  const list: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (!Array.isArray(list)) {
    throw new TypeError(`a .json input must be a list of records: it is ${typeof list}`);
  }
  for (const item of list) yield JSON.stringify(item);
}

async function* csvRows(path: string): AsyncGenerator<string> {
  const rows = open(path).pipe(
    parseCsv({ columns: true, skip_empty_lines: true, trim: true, cast: numeric }),
  );
  for await (const row of rows) yield JSON.stringify(row);
}

const numeric = (text: string): string | number =>
  /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
