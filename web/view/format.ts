import type { Value } from '../model/wire.ts';

// Numbers and instants as a person reads them. Instants are in UTC, as windows are.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const precise = new Intl.NumberFormat('en', { maximumSignificantDigits: 6 });

export const counted = (count: number): string => whole.format(count);

export const shortly = (count: number): string =>
  count < 10 && !Number.isInteger(count) ? count.toFixed(1) : whole.format(count);

/** The results of a pane: a number with some six digits, and anything else as the run tells it. */
export const valueText = (value: Value | undefined): string =>
  typeof value === 'number' ? precise.format(value) : (value ?? '–');

/** `2001-03-31 22:27`, with seconds and their fractions where there are any. */
export function instantText(at: number): string {
  if (!Number.isFinite(at) || Math.abs(at) > 8.64e15) return '–';
  const text = new Date(at).toISOString().replace('T', ' ').replace('Z', '');
  return text.replace(/\.000$/, '').replace(/(\d\d:\d\d):00$/, '$1');
}

/**
 * The end of a window that begins at `start`: its time alone where both are of one day. A window of records ends
 * a millisecond after its last one, which is what is shown then.
 */
export const untilText = (start: number, end: number): string => {
  const [from, until] = [instantText(start), instantText(end % 1_000 === 1 ? end - 1 : end)];
  return from.slice(0, 10) === until.slice(0, 10) ? until.slice(11) : until;
};

/** A short length of time in one unit: `12 ms`, `1.2 s`, and from a minute on as `spanText`. */
export function briefText(milliseconds: number): string {
  if (milliseconds < 1_000 || milliseconds >= 60_000) return spanText(milliseconds);
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** A length of time in its two largest units: `3d 4h`, `2h 5m`, `12s`, `40ms`. */
export function spanText(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–';
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  const parts: string[] = [];
  let rest = Math.round(milliseconds / 1_000);
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    if (rest >= seconds) parts.push(`${Math.floor(rest / seconds)}${unit}`);
    rest %= seconds;
  }
  return parts.slice(0, 2).join(' ');
}
