/**
 * Measures the live page in the Chromium that is installed: `npx tsx bench/page.ts [seconds]`. How long it takes
 * from `npm start` to the first event that the page draws; and how far a page is behind, and how much memory it
 * has, while thousands of panes come each second.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { GroupPane } from '../src/engine/group/group.ts';
import { pageApp } from '../src/local/http/app.ts';
import { createLiveFeed } from '../src/local/http/live-feed.ts';
import { serveApp } from '../src/local/http/server.ts';
import { pageHtml } from '../src/local/servers/page.ts';
import { openBrowser } from '../test/web/browser.ts';
import { figuresOf, SHAPE } from '../test/web/events.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SECONDS = Number(process.argv[2] ?? 60);
const PANES_PER_SECOND = 2_000;
const KEYS = 1_000;

interface Shown {
  readonly millrace: {
    readonly model?: { readonly figures: { readonly panes: number }; readonly size: number };
  };
}

const browser = await openBrowser();

async function firstEvent(): Promise<void> {
  const began = performance.now();
  const child = spawn('npm', ['start'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
    child.emit('said');
  });
  const since = () => `${((performance.now() - began) / 1_000).toFixed(1)} s`;
  let address: string | undefined;
  while (address === undefined) {
    await once(child, 'said');
    [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
  }
  console.log(`npm start: the address after ${since()}`);
  const page = await browser.newPage();
  await page.goto(address);
  const isDrawn = () =>
    (((globalThis as unknown as Shown).millrace.model?.figures.panes ?? 0) > 0) as boolean;
  await page.waitForFunction(isDrawn, undefined, { polling: 'raf' });
  console.log(`           the first panes drawn after ${since()}`);
  await page.close();
  process.kill(-(child.pid as number), 'SIGINT');
  await once(child, 'exit');
}

const heapOf = async (page: Page): Promise<number> => {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  return usedSize / 1e6;
};

async function flood(): Promise<void> {
  let panes = 0;
  const figures = () => figuresOf(performance.now(), { phase: 'up', committed: panes, panes });
  const feed = createLiveFeed(SHAPE, figures);
  const none = async () => ({ outcome: 'refused', said: '' }) as const;
  const parts = { page: pageHtml, feed, send: none, example: () => undefined };
  const server = await serveApp(pageApp(parts));
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(server.address);
  const emit = (count: number) => {
    feed.add(Array.from({ length: count }, () => paneOf(panes++)));
    feed.tick();
  };
  const began = performance.now();
  for (let second = 1; second <= SECONDS; second++) {
    while (performance.now() - began < second * 1_000) {
      const due = Math.floor(((performance.now() - began) / 1_000) * PANES_PER_SECOND);
      if (due > panes) emit(due - panes);
      await delay(100);
    }
    if (second % Math.max(1, Math.floor(SECONDS / 6)) > 0) continue;
    const now = panes;
    const [seen, kept] = await page.evaluate(() => {
      const { model } = (globalThis as unknown as Shown).millrace;
      return [model?.figures.panes ?? 0, model?.size ?? 0] as const;
    });
    console.log(
      `${String(second).padStart(4)} s  ${panes} panes told, ${Math.max(0, now - seen)} of them not on the page yet, ${kept} kept, ${(await heapOf(page)).toFixed(1)} MB of JavaScript, server ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`,
    );
  }
  await page.close();
  await server.close();
}

const paneOf = (at: number): GroupPane => {
  const start = Date.UTC(2026, 0, 1) + Math.floor(at / KEYS) * 60_000;
  return {
    window: 'minute',
    key: `meter ${at % KEYS}`,
    kind: 'final',
    identity: start,
    start,
    end: start + 60_000,
    revision: 0,
    revisable: false,
    count: 6,
    results: { watts: 100 + 40 * Math.sin(at / 9_000) + (at % 17) },
    watermark: start + 60_000,
    layout: { name: 'minute', identity: 'start', ordered: false, epoch: 0, results: [] },
  } as unknown as GroupPane;
};

await firstEvent();
console.log(`\n${PANES_PER_SECOND} panes a second of ${KEYS} keys:`);
await flood();
await browser.close();
