import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { polledOf } from '../../src/commands/page.ts';
import type { GroupPane } from '../../src/engine/group/group.ts';
import { pageApp } from '../../src/local/http/app.ts';
import { createLiveFeed, type LiveFeed } from '../../src/local/http/live-feed.ts';
import { proxyApp } from '../../src/local/http/proxy.ts';
import { reportOf } from '../../src/local/http/report.ts';
import { type HttpServer, serveApp } from '../../src/local/http/server.ts';
import { pageHtml } from '../../src/local/servers/page.ts';
import type { Figures } from '../../web/model/wire.ts';
import { at, Scene } from '../engine/scene.ts';
import { asking, measured } from '../query/asked.ts';
import { chromiumPath, openBrowser } from './browser.ts';
import { figuresOf, SHAPE } from './events.ts';

const MINUTE = 60_000;
const NOON = Date.UTC(2026, 0, 1, 12);

/** A pane of a minute after noon. */
const paneOf = (minute: number, watts: number | null, some: Partial<GroupPane> = {}): GroupPane =>
  ({
    window: 'minute',
    key: 'a',
    kind: 'final',
    identity: NOON + minute * MINUTE,
    start: NOON + minute * MINUTE,
    end: NOON + (minute + 1) * MINUTE,
    revision: 0,
    revisable: true,
    count: 1,
    results: watts === null ? null : { watts },
    watermark: NOON + (minute + 1) * MINUTE,
    layout: { name: 'minute', identity: 'start', ordered: false, epoch: 0, results: [] },
    ...some,
  }) as GroupPane;

describe.skipIf(chromiumPath === undefined)(
  `the page in ${chromiumPath ?? 'Chromium, which is not installed'}`,
  () => {
    let browser: Browser;
    let server: HttpServer | undefined;
    let page: Page;
    const errors: string[] = [];
    const sent: string[] = [];
    let open: readonly object[] = [];

    beforeAll(async () => {
      browser = await openBrowser();
    });
    afterAll(() => browser?.close());
    afterEach(async () => {
      await page?.close();
      await server?.close();
      server = undefined;
      open = [];
      expect(errors.splice(0)).toEqual([]);
    });

    /** A feed, and what makes its next event. */
    function feedOf(figures: Partial<Figures> = {}) {
      let events = 0;
      const feed = createLiveFeed(SHAPE, () =>
        figuresOf(events, { phase: 'up', committed: events, ...figures }),
      );
      const emit = (...panes: readonly GroupPane[]): void => {
        events++;
        feed.add(panes);
        feed.tick();
      };
      return { feed, emit };
    }

    const query = new Hono().get('/api/open', (context) => context.json({ windows: open }));
    const serve = async (feed: LiveFeed, port?: number): Promise<number> => {
      const send = async (text: string) => {
        sent.push(text);
        return text === '{}'
          ? ({ outcome: 'refused', said: 'Not sent, as it has no meter' } as const)
          : ({ outcome: 'sent', said: 'Sent to Kinesis' } as const);
      };
      const parts = { page: pageHtml, feed, send, query: () => query, example: () => '{"meter":"a"}' };
      server = await serveApp(pageApp(parts), port);
      return Number(new URL(server.address).port);
    };

    const goTo = async (address: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<void> => {
      page = await browser.newPage({ viewport: { width: 1200, height: 900 }, ...options });
      page.on('pageerror', ({ message }) => errors.push(message));
      page.on('console', (message) => {
        // What could not be fetched while its server was away is what some of these tests are about.
        if (
          message.type() === 'error' &&
          !/ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE|status of 422/.test(message.text())
        )
          errors.push(message.text());
      });
      await page.goto(address);
    };

    /** Waits until the page has drawn as many events as the feed has made. */
    const drawn = (feed: LiveFeed, begun = '') =>
      page.waitForFunction(
        ([at, whose]) => {
          const { model } = (globalThis as unknown as { millrace: { model?: { figures: Figures } } })
            .millrace;
          return model?.figures.at === at && (whose === '' || document.title.startsWith(whose as string));
        },
        [feed.snapshot().figures.at, begun] as const,
        { polling: 20 },
      );

    const chart = (): Promise<(number | null)[][]> =>
      page.evaluate(() => {
        const { chartData } = (globalThis as unknown as { millrace: { chartData: (number | null)[][] } })
          .millrace;
        return chartData.map((column) => [...column]);
      });
    const rows = (): Promise<string[]> =>
      page
        .locator('tbody tr')
        .evaluateAll((all) =>
          all.map((row) => [...row.children].map((cell) => cell.textContent?.trim()).join(' | ')),
        );

    it('draws what was emitted, and lists it: early, final, revised and retracted', async () => {
      const { feed, emit } = feedOf();
      const port = await serve(feed);
      await goTo(`http://127.0.0.1:${port}/`);
      await page.getByText('No pane yet: no record has come').waitFor();
      emit(paneOf(0, 10), paneOf(1, 20), paneOf(2, 30), paneOf(3, 40, { kind: 'early' }));
      emit(
        paneOf(1, 25, { kind: 'late', revision: 1 }),
        paneOf(2, null, { kind: 'retracted', revision: 1, count: 0 }),
      );
      await drawn(feed);
      expect(await chart()).toEqual([
        [1, 2, 3, 4].map((minute) => NOON / 1_000 + minute * 60),
        [10, 25, null, 40],
      ]);
      expect(await rows()).toEqual([
        'minute | a | 2026-01-01 12:02 | 12:03 | retracted 1 | 0 | watts 30 –',
        'minute | a | 2026-01-01 12:01 | 12:02 | late 1 | 1 | watts 20 25',
        'minute | a | 2026-01-01 12:03 | 12:04 | early | 1 | watts 40',
        'minute | a | 2026-01-01 12:00 | 12:01 | final | 1 | watts 10',
      ]);
    });

    it('goes on without a gap when its server is away for a while, and is told all anew by another', async () => {
      const { feed, emit } = feedOf();
      const port = await serve(feed);
      await goTo(`http://127.0.0.1:${port}/`);
      emit(paneOf(0, 1));
      await drawn(feed);
      await server?.close();
      await page.getByText('Reconnecting…').waitFor();
      emit(paneOf(1, 2));
      emit(paneOf(2, 3));
      await serve(feed, port);
      await page.getByText('Live', { exact: true }).waitFor();
      await drawn(feed);
      expect((await chart())[1]).toEqual([1, 2, 3]);
      await server?.close();
      await page.getByText('Reconnecting…').waitFor();
      const other = feedOf();
      for (const minute of [0, 1, 2, 3, 4]) other.emit(paneOf(minute, 10 * minute));
      await serve(other.feed, port);
      await drawn(other.feed);
      expect((await chart())[1]).toEqual([0, 10, 20, 30, 40]);
    });

    it('finds one of a thousand keys by a search, and goes from key to key by the keyboard', async () => {
      const { feed, emit } = feedOf();
      emit(...Array.from({ length: 1_000 }, (_, at) => paneOf(0, at, { key: `meter ${at}` })));
      await goTo(`http://127.0.0.1:${await serve(feed)}/`);
      await page.getByText('300 of 1,000 keys: search for others').waitFor();
      await page.keyboard.press('/');
      await page.keyboard.type('meter 98');
      await page.getByText('11 keys').waitFor();
      await page.keyboard.press('ArrowDown');
      await page.getByRole('heading', { name: 'meter 98', exact: true }).waitFor();
      await page.keyboard.press('ArrowDown');
      await page.getByRole('heading', { name: 'meter 980' }).waitFor();
      expect((await chart())[1]).toEqual([980]);
      expect(new URL(page.url()).hash).toBe('#key=meter+980&window=minute&result=watts');
      await page.reload();
      await page.getByRole('heading', { name: 'meter 980' }).waitFor();
    });

    it('takes in thousands of panes as they come, and does not grow with what it has seen', async () => {
      const { feed, emit } = feedOf();
      await goTo(`http://127.0.0.1:${await serve(feed)}/`);
      const cdp = await page.context().newCDPSession(page);
      const heap = async (): Promise<number> => {
        await cdp.send('HeapProfiler.collectGarbage');
        return (await cdp.send('Runtime.getHeapUsage')).usedSize;
      };
      let minute = 0;
      const emitMany = async (batches: number): Promise<void> => {
        for (let batch = 0; batch < batches; batch++) {
          emit(
            ...Array.from({ length: 1_900 }, (_, at) =>
              paneOf(minute + (at % 19), at, { key: `meter ${at % 100}` }),
            ),
          );
          minute += 19;
          if (batch % 5 === 4) await drawn(feed);
        }
        await drawn(feed);
      };
      await emitMany(30);
      const size = () =>
        page.evaluate(
          () => (globalThis as unknown as { millrace: { model: { size: number } } }).millrace.model.size,
        );
      const [before, sizeBefore] = [await heap(), await size()];
      await emitMany(30);
      expect(await size()).toBeLessThanOrEqual(50_000);
      expect(sizeBefore).toBeGreaterThan(30_000);
      expect(await heap()).toBeLessThan(before + 10_000_000);
    });

    it('shows the same as a file without a server', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
      try {
        const { feed, emit } = feedOf();
        emit(paneOf(0, 10, { key: '</script><b>' }), paneOf(1, 20, { key: '</script><b>' }));
        writeFileSync(join(folder, 'report.html'), reportOf(await pageHtml(), feed.snapshot()));
        await goTo(`file://${join(folder, 'report.html')}`);
        await page.getByText('Report of a run').waitFor();
        await page.getByRole('heading', { name: '</script><b>' }).waitFor();
        expect((await chart())[1]).toEqual([10, 20]);
        expect(await rows()).toHaveLength(2);
        expect(await page.getByText('Send a record').count()).toBe(0);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it('sends a record that is typed in, and says why one is refused', async () => {
      const { feed, emit } = feedOf();
      emit(paneOf(0, 1));
      await goTo(`http://127.0.0.1:${await serve(feed)}/`);
      await page.getByText('Send a record').click();
      const text = page.getByLabel('A record');
      await page.waitForFunction(() => document.querySelector('textarea')?.value !== '');
      await page.keyboard.press('Tab');
      await text.press('Control+Enter');
      await page.getByText('Sent to Kinesis').waitFor();
      await text.fill('{}');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText('Not sent, as it has no meter').waitFor();
      expect(sent.splice(0)).toEqual(['{"meter":"a"}', '{}']);
    });

    it('shows the windows that are open, and fits a phone without a scroll to the side', async () => {
      const { feed, emit } = feedOf();
      const [start, end] = [1, 2].map((minute) => new Date(NOON + minute * MINUTE).toISOString());
      open = [{ window: 'minute', start, end, count: 3, results: { watts: 7.5 } }];
      emit(paneOf(0, 1));
      await goTo(`http://127.0.0.1:${await serve(feed)}/`, { viewport: { width: 360, height: 740 } });
      await page.getByText('1 open window').waitFor();
      await page.getByText('2026-01-01 12:01 – 12:02 · 3 records · watts 7.5').waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    });

    it.each(['light', 'dark'] as const)(
      'has texts of a contrast of 4.5 at least where it is %s',
      async (colorScheme) => {
        const { feed, emit } = feedOf({ late: { minute: 3 }, poison: 2 });
        emit(
          paneOf(0, 1),
          paneOf(1, 2),
          paneOf(1, 3, { kind: 'late', revision: 1 }),
          paneOf(2, 1, { kind: 'early' }),
        );
        await goTo(`http://127.0.0.1:${await serve(feed)}/`, { colorScheme });
        await drawn(feed);
        await page.getByText('Send a record').click();
        const faint = await page.evaluate(() => {
          const parts = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number);
          const luminance = (colour: string) => {
            const [r = 0, g = 0, b = 0] = parts(colour).map((part) => {
              const share = part / 255;
              return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const behind = (element: Element | null): string => {
            if (element === null) return 'rgb(255, 255, 255)';
            const { backgroundColor } = getComputedStyle(element);
            return parts(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor;
          };
          const texts = [...document.querySelectorAll('body *')].filter((element) =>
            [...element.childNodes].some(
              (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim(),
            ),
          );
          return texts.flatMap((element) => {
            const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            return contrast < 4.5
              ? [`${element.className} ${element.textContent} ${contrast.toFixed(2)}`]
              : [];
          });
        });
        expect(faint).toEqual([]);
        const unnamed = await page
          .locator('button, input, textarea, [role=radiogroup], [role=listbox], [role=img]')
          .evaluateAll(
            (all) =>
              all.filter(
                (element) =>
                  !element.getAttribute('aria-label') &&
                  !element.textContent?.trim() &&
                  !(element as HTMLInputElement).labels?.length,
              ).length,
          );
        expect(unnamed).toBe(0);
      },
    );

    it('asks a pipeline that runs elsewhere, and shows the series that is picked', async () => {
      const scene = await new Scene(measured).under(measured);
      const put = async (machine: string, minute: number) =>
        scene.process([scene.put(machine, at(minute), minute)]);
      for (const minute of [0, 1, 2, 3]) await put('pump', minute);
      await put('lathe', 0);
      const { app } = asking(scene);
      const ask = async (path: string) => app.request(path);
      server = await serveApp(proxyApp({ page: pageHtml, pipeline: polledOf(measured), ask }));
      await goTo(`${server.address}/#key=pump&window=minute&result=mean`);
      await page.getByText('Live · asked every few seconds').waitFor();
      await page.getByRole('row', { name: /minute pump .* mean 2/ }).waitFor();
      expect((await chart())[1]).toEqual([0, 1, 2]);
      await page.getByText(/open windows/).waitFor();
      await put('pump', 4);
      await page.getByRole('row', { name: /minute pump .* mean 3/ }).waitFor();
      await page.getByRole('option', { name: 'lathe' }).click();
      await page.getByText('No pane of this window and key is known').waitFor();
      expect(await page.getByText('Send a record').count()).toBe(0);
      expect(await page.getByLabel('Figures').isVisible()).toBe(false);
    });
  },
);
