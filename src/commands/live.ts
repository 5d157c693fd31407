import type { Hono } from 'hono';
import type { Figures, Phase, Shape } from '../../web/model/wire.ts';
import type { EpochMillis } from '../core/time.ts';
import type { GroupPane } from '../engine/group/group.ts';
import { pageApp } from '../local/http/app.ts';
import { tellHistory } from '../local/http/history.ts';
import { createLiveFeed, type LiveFeed } from '../local/http/live-feed.ts';
import { reportOf } from '../local/http/report.ts';
import { type HttpServer, keepAddress, serveAgain, serveApp } from '../local/http/server.ts';
import { sendTyped } from '../local/http/typed.ts';
import type { LocalRuntime } from '../local/runtime.ts';
import { serversPackage } from '../local/servers-package.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { sinkName } from '../pipeline/sinks.ts';
import { chainOf } from '../pipeline/upstream.ts';
import { windowWords } from './screen.ts';
import type { Tally } from './tally.ts';

/** What a run tells its page. */
export interface Live {
  readonly feed: LiveFeed;
  /** Whether any page watches the run. */
  readonly isWatched: boolean;
  panes(panes: readonly GroupPane[]): void;
  read(share: number): void;
  sent(records: number, eventTime: EpochMillis | undefined): void;
  phase(phase: Phase): void;
  /** Notes a record that was read, which shows a person what records are like. */
  example(data: Uint8Array): void;
  /** How many records somebody has typed in. */
  readonly typed: number;
  /**
   * Lets pages ask the run, and send to it. It also tells them what earlier runs have left in the run's
   * directory.
   */
  join(runtime: LocalRuntime): Promise<void>;
  /** Says why nobody may send now; undefined where everybody may. */
  holdSending(why: string | undefined): void;
  /** Serves the page; returns its address. */
  serve(): Promise<string>;
  /** Returns the page as one file that shows what the run has done, as a run that has ended. */
  report(): Promise<string>;
  close(): Promise<void>;
}

interface LiveOptions {
  /** The directory that the run keeps. */
  readonly data: string | undefined;
  readonly port: number | undefined;
}

const TICK_MILLIS = 100;

/** @param tally counts what the run does */
export function openLive(pipeline: Pipeline, tally: Tally, { data, port }: LiveOptions): Live {
  const emitted = new Map<string, number>();
  let [phase, sent, share, newest]: [Phase, number, number | null, number | null] = [
    'reading',
    0,
    null,
    null,
  ];
  const isAlone = chainOf(pipeline).length === 1;
  let watchers = 0;
  let typed = 0;
  let example: Uint8Array | undefined;
  let runtime: LocalRuntime | undefined;
  let held: string | undefined;
  let server: HttpServer | undefined;
  let query: Hono | undefined;
  const figures = (): Figures => {
    const { metrics, panes, late, faults, delivered, latencies, watermark = null } = tally;
    return {
      at: performance.timeOrigin + performance.now(),
      phase,
      // What is sent to the first of several pipelines is not what the last of them reads.
      sent: isAlone ? sent + typed : 0,
      committed: metrics.get('received') ?? 0,
      panes,
      poison: metrics.get('poison') ?? 0,
      faults: [...faults.values()].reduce((total, times) => total + times, 0),
      emitted: Object.fromEntries(emitted),
      late: Object.fromEntries(late),
      delivered: {
        table: delivered.rows,
        bucket: delivered.objects,
        ...Object.fromEntries(delivered.messages),
      },
      latency: Object.fromEntries(
        [...latencies].map(([sink, times]) => [sink, [times.at(0.5), times.at(0.99)] as const]),
      ),
      watermark,
      newest,
      share,
    };
  };
  const feed = createLiveFeed(shapeOf(pipeline), figures);
  const timer = setInterval(feed.tick, TICK_MILLIS).unref();
  return {
    feed,
    get isWatched() {
      return watchers > 0;
    },
    panes(panes) {
      for (const { window } of panes) emitted.set(window, (emitted.get(window) ?? 0) + 1);
      feed.add(panes);
    },
    read(now) {
      share = now;
    },
    sent(records, eventTime) {
      sent = records;
      if (eventTime !== undefined) newest = Math.max(newest ?? eventTime, eventTime);
    },
    phase(now) {
      phase = now;
    },
    example(data) {
      if (data.length <= MAX_EXAMPLE_BYTES) example = data;
    },
    get typed() {
      return typed;
    },
    async join(joined) {
      runtime = joined;
      query = joined.query();
      if (data === undefined) return;
      if (server) keepAddress(data, server);
      await tellHistory(joined.ports, pipeline, feed.add);
    },
    holdSending(why) {
      held = why;
    },
    async serve() {
      const page = async () => (await serversPackage()).pageHtml();
      // Among the sources it is built first: whoever follows the address need not wait for that.
      page().catch(() => undefined);
      const onWatchers = (by: number) => {
        watchers += by;
      };
      const app = pageApp({
        page,
        feed,
        onWatchers,
        query: () => query,
        example: () => example && new TextDecoder().decode(example),
        async send(text) {
          if (runtime === undefined)
            return { outcome: 'refused', said: 'Not sent, as the run has not begun' };
          if (held !== undefined) return { outcome: 'refused', said: `Not sent, as ${held}` };
          const answer = await sendTyped(runtime, chainOf(pipeline)[0], text);
          if (answer.outcome === 'sent') typed++;
          return answer;
        },
      });
      server = await (data !== undefined && port === undefined ? serveAgain(app, data) : serveApp(app, port));
      return server.address;
    },
    async report() {
      phase = 'ended';
      feed.tick();
      return reportOf(await (await serversPackage()).pageHtml(), feed.snapshot());
    },
    async close() {
      clearInterval(timer);
      phase = 'ended';
      feed.tick();
      await server?.close();
    },
  };
}

const MAX_EXAMPLE_BYTES = 2_000;

/** What a sink receives, where it is not messages. */
const SINK_UNITS: Readonly<Record<string, string>> = { table: 'rows', bucket: 'objects' };

/** Returns a pipeline as a page draws it. */
export const shapeOf = ({ name, source, rules, sinks }: Pipeline): Shape => ({
  name,
  source: source.kind,
  windows: rules.windows.map(({ name, operator: { signature, lanes } }) => ({
    name,
    text: windowWords(signature).what,
    results: lanes.results.map(([result]) => result),
  })),
  sinks: sinks.map((sink) => ({ name: sinkName(sink), unit: SINK_UNITS[sink.kind] ?? 'messages' })),
});
