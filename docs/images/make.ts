/**
 * Makes the pictures of the live page that stand in the docs, in the Chromium that is installed:
 * `npx tsx docs/images/make.ts`. What they show is real: two pipelines run on this machine meanwhile.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openBrowser } from '../../test/web/browser.ts';

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const ROOT = at('../..');
const folder = mkdtempSync(join(tmpdir(), 'millrace-'));

/** Starts a run that is kept up, and settles with the address of its page. */
async function start(args: readonly string[]): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'bin/millrace.ts', 'start', ...args, '--keep'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const address = await new Promise<string>((found, failed) => {
    child.stdout.on('data', (text) => {
      const [told] = /http:\/\/127\.0\.0\.1:\d+/.exec(String(text)) ?? [];
      if (told !== undefined) found(told);
    });
    child.once('exit', () =>
      failed(new Error('Cannot take pictures as the run must say where its page is: it has ended')),
    );
  });
  return { child, address };
}

/** Readings of some machines each 20 seconds, of which a few come late, and one stops for a while. */
function readings(): string {
  const lines: { readonly order: number; readonly line: string }[] = [];
  const begun = Date.UTC(2026, 0, 5, 6);
  for (let step = 0; step < 700; step++) {
    for (const [place, machine] of ['lathe', 'mill', 'press', 'pump', 'saw'].entries()) {
      const second = step * 20 + place;
      if ((step % 90) + 3 * place > 78) continue;
      const wave = 14 * Math.sin(step / 45 + place) + 5 * Math.sin(step / 7 + 2 * place);
      const celsius = Math.round(10 * (58 + 6 * place + wave)) / 10;
      const late = (step * 7 + place * 3) % 61 === 0 ? 480 : 0;
      const reading = {
        machine,
        at: new Date(begun + second * 1_000).toISOString(),
        celsius: celsius + (late ? 9 : 0),
      };
      lines.push({ order: second + late, line: JSON.stringify(reading) });
    }
  }
  return lines
    .sort((a, b) => a.order - b.order)
    .map(({ line }) => `${line}\n`)
    .join('');
}

const browser = await openBrowser();
writeFileSync(join(folder, 'machines.ndjson'), readings());

interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly hash?: string;
  readonly afterMillis: number;
}

async function take(
  address: string,
  { name, width, height, dark = false, hash = '', afterMillis }: Picture,
): Promise<void> {
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    deviceScaleFactor: width < 500 ? 2 : 1,
  });
  await page.goto(`${address}/${hash}`);
  await page.waitForFunction(
    () => (globalThis as unknown as { millrace: { model?: object } }).millrace.model,
  );
  await delay(afterMillis);
  await page.screenshot({ path: at(`live-page-${name}.png`) });
  await page.close();
}

async function during(args: readonly string[], pictures: readonly Picture[]): Promise<void> {
  const { child, address } = await start(args);
  try {
    for (const picture of pictures) await take(address, picture);
  } finally {
    child.kill('SIGINT');
    await once(child, 'exit');
  }
}

try {
  const wide = { width: 1280, height: 1000 };
  const narrow = { width: 390, height: 844 };
  await during([], [{ name: 'flights', ...wide, afterMillis: 4_500 }]);
  const lathe = '#key=lathe&window=fiveMinutes&result=mean';
  await during(
    ['-p', at('machines.ts'), '-i', join(folder, 'machines.ndjson'), '--speed', '300'],
    [
      { name: 'light', ...wide, hash: lathe, afterMillis: 27_000 },
      { name: 'dark', ...wide, dark: true, hash: lathe, afterMillis: 500 },
      { name: 'narrow', ...narrow, hash: lathe, afterMillis: 500 },
    ],
  );
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
