import { describe, expect, it } from 'vitest';
import { polledOf } from '../../src/commands/page.ts';
import { decodePanes } from '../../src/engine/format/entry.ts';
import { beginGeneration } from '../../src/engine/log/rescale.ts';
import { bucket, type Pipeline } from '../../src/index.ts';
import { createLiveFeed } from '../../src/local/http/live-feed.ts';
import { groupLogPrefix } from '../../src/wiring/names.ts';
import { LiveModel } from '../../web/model/model.ts';
import { Poller } from '../../web/model/poller.ts';
import { at, Scene } from '../engine/scene.ts';
import { asking, measured } from '../query/asked.ts';
import { figuresOf } from './events.ts';

/** A pipeline that is asked, what it was asked, and what a page then knows. */
async function asked(pipeline: Pipeline = measured) {
  const scene = await new Scene(pipeline).under(pipeline);
  const { app } = asking(scene);
  const paths: string[] = [];
  const ask = async (path: string) => {
    paths.push(path.replace(/\?.*/, ''));
    const response = await app.request(`/${path}`);
    return { status: response.status, body: await response.json() };
  };
  const poller = new Poller(polledOf(pipeline), ask, () => scene.ports.clock.now());
  let model: LiveModel | undefined;
  const poll = async (): Promise<LiveModel> => {
    const event = await poller.poll();
    if (event.kind === 'snapshot') model = new LiveModel(event.snapshot);
    return (model as LiveModel).apply(event);
  };
  const put = async (machine: string, minute: number, celsius = 20) =>
    scene.process([scene.put(machine, at(minute), celsius)]);
  return { scene, poller, poll, put, paths };
}

const windowOf = (name: string): number => measured.rules.windows.findIndex((window) => window.name === name);
const MINUTE = windowOf('minute');

const shown = (model: LiveModel, window: number, key: string) =>
  model
    .seriesOf(window, key)
    ?.panes.map(({ id, start, end, kind, revision, count, results }) => [
      id,
      start,
      end,
      kind,
      revision,
      count,
      results,
    ]) ?? [];

/** What a run would have told of a scene. */
function toldBy({ ports, pipeline, whole }: Scene): LiveModel {
  const { shape } = polledOf(pipeline);
  const feed = createLiveFeed(shape, () => figuresOf(1));
  for (const [log, entries] of ports.log.logs) {
    if (!log.startsWith(groupLogPrefix(pipeline.name))) continue;
    for (const entry of entries) feed.add(decodePanes(whole(entry)));
  }
  feed.tick();
  return new LiveModel(feed.snapshot());
}

describe('a page that asks', () => {
  it.each(['minute', 'twoMinutes', 'visits'])(
    'knows of a series of %s what a run would have told, though records come late and in any order',
    async (name) => {
      const window = windowOf(name);
      const { scene, poller, poll, put } = await asked();
      await put('pump', 0.1);
      poller.watch(window, 'pump');
      await poll();
      // Some are late, and revise panes that were shown: 6.8 one that is not the last.
      for (const minute of [3, 1.9, 2.2, 5, 5.1, 4.2, 6.5, 7, 8.1, 6.8, 9, 7.5, 12]) {
        await put('pump', minute, minute);
        await put('lathe', minute, 1);
        if (minute > 5) await scene.project();
        const model = await poll();
        expect(shown(model, window, 'pump')).toEqual(shown(toldBy(scene), window, 'pump'));
      }
      expect(shown(await poll(), window, 'pump').some(([, , , kind]) => kind === 'late')).toBe(true);
    },
  );

  it('knows more than fit on a page of answers, and asks again for few of them', async () => {
    const { scene, poller, poll, put, paths } = await asked();
    await put('pump', 0);
    await put('pump', 1);
    poller.watch(MINUTE, 'pump');
    await poll();
    const all = Array.from({ length: 1_300 }, (_, minute) => scene.put('pump', at(minute + 2)));
    await scene.process(all);
    const model = await poll();
    expect(shown(model, MINUTE, 'pump')).toHaveLength(1_301);
    paths.length = 0;
    await put('pump', 1_302);
    expect(shown(await poll(), MINUTE, 'pump')).toHaveLength(1_302);
    expect(paths.filter((path) => path !== 'api/keys')).toEqual(['api/panes']);
  });

  it('has the latest pane of windows that write no more, as one point after the other', async () => {
    const { poller, poll, put } = await asked();
    for (const name of ['lastThree', 'all', 'byThree']) {
      poller.watch(windowOf(name), 'pump');
      await poll();
    }
    const model = await poll();
    expect(shown(model, windowOf('all'), 'pump')).toEqual([]);
    poller.watch(windowOf('all'), 'pump');
    for (const minute of [0, 1, 2]) {
      await put('pump', minute);
      await poll();
    }
    expect(shown(model, windowOf('all'), 'pump').map(([, , , , , count]) => count)).toEqual([1, 2, 3]);
  });

  it('lists keys before it is told which to watch, and those that come later half a minute after', async () => {
    const { scene, poller, poll, put } = await asked();
    const keys = (model: LiveModel) => [...model.all].map(({ key }) => key).toSorted();
    expect(keys(await poll())).toEqual([]);
    await put('pump', 0.6);
    await put('lathe', 0.6);
    expect(keys(await poll())).toEqual(['lathe', 'pump']);
    await put('drill', 0.7);
    expect(keys(await poll())).toEqual(['lathe', 'pump']);
    scene.ports.clock.set(at(1.2));
    poller.watch(MINUTE, 'pump');
    expect(keys(await poll())).toEqual(['drill', 'lathe', 'pump']);
  });

  it('lists keys page by page, and begins anew where a page is gone', async () => {
    const { scene, poll, put } = await asked({ ...measured, groups: 32 } as Pipeline);
    for (let n = 0; n < 40; n++) await put(`pump ${n}`, 0);
    const few = [...(await poll()).all].length;
    expect(few).toBeGreaterThan(0);
    expect(few).toBeLessThan(40);
    await beginGeneration(scene.engine, scene.pipeline, 64);
    scene.ports.clock.set(at(2));
    await expect(poll()).rejects.toThrow(
      'Cannot go on as the query API must answer api/keys: it answers 409',
    );
    for (let page = 0; page < 4; page++) await poll();
    expect([...(await poll()).all]).toHaveLength(40);
  });

  it('asks whether the API is there where it has nothing else to ask', async () => {
    const { poll, paths } = await asked();
    await poll();
    paths.length = 0;
    await poll();
    expect(paths).toEqual(['api/health']);
  });

  it('asks for no panes of a pipeline without rows, and shows its keys', async () => {
    const { sinks: _, ...bare } = measured;
    const { poller, poll, put, paths } = await asked({ ...bare, sinks: [bucket()] } as unknown as Pipeline);
    await put('pump', 0);
    poller.watch(MINUTE, 'pump');
    expect([...(await poll()).all].map(({ key }) => key)).toEqual(['pump']);
    expect(paths).toEqual(['api/keys']);
  });

  it('drops an answer about a series that is no longer watched', async () => {
    const { poller, poll, put } = await asked();
    await put('pump', 0);
    await put('pump', 2);
    await poll();
    poller.watch(MINUTE, 'pump');
    const asking = poll();
    expect(poller.watch(MINUTE, 'lathe')).toBe(true);
    expect(poller.watch(MINUTE, 'lathe')).toBe(false);
    expect(shown(await asking, MINUTE, 'pump')).toEqual([]);
    poller.watch(MINUTE, 'pump');
    expect(shown(await poll(), MINUTE, 'pump')).toHaveLength(1);
  });
});
