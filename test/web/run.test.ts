import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withKept } from '../../src/commands/kept.ts';
import { linesOf } from '../../src/commands/panes.ts';
import { PANES_PREFIX } from '../../src/wiring/names.ts';
import type { LiveModel } from '../../web/model/model.ts';
import { meters, readings } from '../e2e/meters.ts';
import { chromiumPath, openBrowser } from './browser.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A pane as the bucket has it, as far as it is held against the page. */
interface WrittenPane {
  readonly id: string;
  readonly window: string;
  readonly key: string;
  readonly kind: string;
  readonly start: string;
  readonly revision: number;
  readonly count: number;
  readonly results: Readonly<Record<string, unknown>> | null;
}

describe.skipIf(chromiumPath === undefined)('a run that is watched', () => {
  let folder: string;
  let browser: Browser;
  let page: Page;
  const children = new Set<ReturnType<typeof spawn>>();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    writeFileSync(join(folder, 'readings.ndjson'), `${readings(600).join('\n')}\n`);
    browser = await openBrowser();
    page = await browser.newPage();
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  /** Starts a run of the meters that goes on in the folder, and returns the address of its page once it is told. */
  async function start() {
    const args = ['start', '-p', join(ROOT, 'test/e2e/meters.ts'), '-i', join(folder, 'readings.ndjson')];
    const child = spawn(
      process.execPath,
      [
        '--import',
        import.meta.resolve('tsx'),
        join(ROOT, 'bin/millrace.ts'),
        ...args,
        '--keep',
        '-d',
        join(folder, 'data'),
        '--report',
        join(folder, 'report.html'),
      ],
      { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.add(child);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      child.emit('said');
    });
    const address = async (): Promise<string> => {
      for (;;) {
        const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
        if (found !== undefined) return found;
        await once(child, 'said');
      }
    };
    return { child, address: await address() };
  }

  /** What the page has of each pane: its last revision. */
  const shown = (): Promise<string[]> =>
    page.evaluate(() => {
      const { model } = (globalThis as unknown as { millrace: { model: LiveModel } }).millrace;
      return [...model.all]
        .flatMap(({ window, key, panes }) =>
          panes.map(({ start, kind, revision, count, results }) =>
            JSON.stringify([model.shape.windows[window]?.name, key, start, kind, revision, count, results]),
          ),
        )
        .sort();
    });

  const isUp = () =>
    page.waitForFunction(
      () => {
        const { model } = (
          globalThis as unknown as { millrace: { model?: LiveModel & { isOfFirst?: boolean } } }
        ).millrace;
        return (
          !model?.isOfFirst &&
          model?.figures.phase === 'up' &&
          document.querySelector('#status')?.textContent === 'Live'
        );
      },
      undefined,
      { polling: 50 },
    );

  it('shows what it wrote, also after it was killed and begun again, and takes in what is typed', async () => {
    const first = await start();
    await page.goto(first.address);
    await isUp();
    const before = await shown();
    await page.evaluate(() => {
      Object.assign((globalThis as unknown as { millrace: { model: LiveModel } }).millrace.model, {
        isOfFirst: true,
      });
    });
    const typed = '{"meter":"typed in","at":"2026-01-01T00:00:00Z","watts":7}';
    await page.getByText('Send a record').click();
    await page.getByLabel('A record').fill(typed);
    first.child.kill('SIGKILL');
    await page.getByText('Reconnecting…').waitFor();
    const second = await start();
    expect(second.address).toBe(first.address);
    await isUp();
    expect(await shown()).toEqual(before);

    // What somebody types outlives the run that it is typed for.
    expect(await page.getByLabel('A record').inputValue()).toBe(typed);
    await page.getByRole('button', { name: 'Send' }).click();
    const answer = page.locator('.send .answer:not(:empty)');
    expect(await answer.textContent()).toBe('Sent to Kinesis, stream meters, with key typed in');
    await page.getByRole('option', { name: 'typed in' }).click();
    await page.getByRole('button', { name: /lastFive/ }).click();
    await page.getByRole('row', { name: /lastFive typed in .* watts 7/ }).waitFor();
    await page.getByLabel('A record').fill('{"meter":7}');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText(/^Not sent, as the pipeline refuses it \(key\)/).waitFor();

    const after = await shown();
    second.child.kill('SIGINT');
    await once(second.child, 'exit');
    await page.goto(`file://${join(folder, 'report.html')}`);
    await page.getByText('Report of a run').waitFor();
    expect(await shown()).toEqual(after);
    // What was typed in last may be projected by the next run only.
    const written = (await writtenIn(join(folder, 'data'))).filter((pane) => !pane.includes('typed in'));
    expect(before).toEqual(written);
  });
});

/** The last revision of each pane in the bucket that runs of the meters have kept, as `shown` has them. */
async function writtenIn(data: string): Promise<readonly string[]> {
  const last = new Map<string, WrittenPane>();
  await withKept(meters, { data }, async ({ ports: { reading } }) => {
    for await (const name of reading.objects.list(PANES_PREFIX)) {
      for (const line of await linesOf(name, (await reading.objects.read(name)) ?? new Uint8Array())) {
        const pane: WrittenPane = JSON.parse(line);
        const place = pane.id.replace(/\/\d+$/, '');
        if ((last.get(place)?.revision ?? -1) < pane.revision) last.set(place, pane);
      }
    }
  });
  return [...last.values()]
    .map(({ window, key, start, kind, revision, count, results }) => {
      const names = meters.rules.windows.find(({ name }) => name === window)?.operator.lanes.results ?? [];
      const values = names.map(([name]) => results?.[name] ?? null);
      return JSON.stringify([window, key, Date.parse(start), kind, revision, count, values]);
    })
    .sort();
}
