import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { show } from '../../src/commands/run.ts';
import { sample } from '../../src/local/servers/index.ts';
import { startServers } from '../../src/local/servers/servers.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  const records: unknown[] = JSON.parse(await readFile(sample.records, 'utf8'));
  writeFileSync(join(folder, 'flights.json'), JSON.stringify(records.slice(0, 1_000)));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ESCAPE = String.fromCharCode(27);

/** What a person sees in the end on a terminal that was written to, as far as this project writes to terminals. */
function screenOf(written: string): readonly string[] {
  const lines: string[] = [''];
  let [row, column] = [0, 0];
  for (const [token] of written
    .replaceAll(ESCAPE, '␛')
    .matchAll(/␛\[\??[\d;]*[a-zA-Z]|␛[78]|\n|\r|[^␛\n\r]+/g)) {
    const [, count = '', command] = /^␛\[(\d*)([A-Za-z])$/.exec(token) ?? [];
    if (token === '\n') [row, column] = [row + 1, 0];
    else if (token === '\r' || command === 'G') column = 0;
    else if (command === 'A') row -= Number(count || 1);
    else if (command === 'B') row += Number(count || 1);
    else if (command === 'K') lines[row] = count === '2' ? '' : (lines[row] ?? '').slice(0, column);
    else if (command === 'J') lines.length = row + 1;
    else if (!token.startsWith('␛')) {
      const line = lines[row] ?? '';
      lines[row] = line.slice(0, column).padEnd(column) + token + line.slice(column + token.length);
      column += token.length;
    }
    while (lines.length <= row) lines.push('');
  }
  return lines.join('\n').replaceAll(/ +$/gm, '').trimEnd().split('\n');
}

it('fits a terminal of 32 lines and 100 columns, with the address of the live page first', async () => {
  let written = '';
  const terminal = {
    isTTY: true,
    columns: 100,
    rows: 32,
    write(text: string) {
      written += text;
      return true;
    },
    on() {},
    off() {},
  } as unknown as NodeJS.WriteStream;
  const input = join(folder, 'flights.json');
  expect(await show(flights, { input, keep: false, terminal, startServers })).toBe(0);
  const lines = screenOf(written);
  expect(lines[0]).toMatch(/^Live page: http:\/\/127\.0\.0\.1:\d+$/);
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
  // npm writes four lines before.
  expect(lines.length).toBeLessThanOrEqual(28);
  expect(lines.join('\n')).toContain('1,000 records read, 1,000 applied');
  expect(lines.join('\n')).toMatch(
    /^From the handler to the table p50 \S+ m?s, p99 \S+ m?s; to the bucket p50 /m,
  );
});
