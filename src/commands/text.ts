import Table from 'cli-table3';

/** The characters of a table without any lines. */
export const NO_BORDER = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid', 'top-mid', 'bottom-mid', 'mid-mid'].flatMap((name) => [
    [name, ''],
    [`${name}-left`, ''],
    [`${name}-right`, ''],
  ]),
);

/** Shows control characters as dots, as anyone can choose names and keys, and a terminal would obey them. */
export const shown = (value: unknown): string => String(value).replace(/\p{Cc}/gu, '·');

export function tableText(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const table = new Table({
    head: [...head],
    chars: { ...NO_BORDER, middle: ' ', 'left-mid': '', 'right-mid': '' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
  });
  for (const row of rows) table.push(row.map(shown));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

export const percent = (share: number): string => `${Math.floor(100 * share)} %`;

export const thousands = (value: number): string => value.toLocaleString('en-US');

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${thousands(count)} ${count === 1 ? one : many}`;

/** How often progress is written, on a terminal, where it is written over, and elsewhere. */
const TELL_MILLIS = { terminal: 500, file: 15_000 };

/** Writes now and then how far something has come. */
export function progressOn(output: NodeJS.WriteStream) {
  let told = performance.now();
  let wrote = false;
  return {
    tell(text: string): void {
      if (performance.now() - told < TELL_MILLIS[output.isTTY ? 'terminal' : 'file']) return;
      told = performance.now();
      output.write(output.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
      wrote = output.isTTY;
    },
    end(): void {
      if (wrote) output.write('\r\x1b[K');
    },
  };
}

/** Returns a short length of time: `12 ms`, `1.2 s`, and from a minute on as `span` does. */
export function briefly(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  return milliseconds < 60_000 ? `${(milliseconds / 1_000).toFixed(1)} s` : span(milliseconds);
}

/** Returns a length of time as a person says it: `3d 4h`, `2h 5m`, `12s`. */
export function span(milliseconds: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(milliseconds / 1_000));
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    if (rest >= seconds) parts.push(`${Math.floor(rest / seconds)}${unit}`);
    rest %= seconds;
  }
  return parts.slice(0, 2).join(' ') || '0s';
}
