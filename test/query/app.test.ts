import { describe, expect, it } from 'vitest';
import { type EpochMillis, isoTime, millis } from '../../src/core/time.ts';
import { holdDeployment } from '../../src/engine/log/definition-log.ts';
import { beginGeneration } from '../../src/engine/log/rescale.ts';
import { bucket, type Pipeline } from '../../src/index.ts';
import { MAX_ANSWER_TIME } from '../../src/query/app.ts';
import { at, NOON, Scene } from '../engine/scene.ts';
import { asking, measured } from './asked.ts';

const PUMP = 'pump';

//  12:00   12:01   12:02   12:03
//   5s 10    70      130 (W = 12:02:10)
async function begun(pipeline: Pipeline = measured): Promise<Scene> {
  const scene = await new Scene(pipeline).under(pipeline);
  await scene.process([scene.put(PUMP, at(0, 5), 10), scene.put(PUMP, at(0, 10), 20)]);
  await scene.process([scene.put(PUMP, at(1, 10), 30), scene.put('lathe', at(1, 10), 1)]);
  await scene.process([scene.put(PUMP, at(2, 10), 40)]);
  return scene;
}

describe.each([
  ['before any of its panes is a row', async (_: Scene) => {}],
  ['when all of its panes are rows', (scene: Scene) => scene.project()],
])('a key, %s', (_, deliver) => {
  it('has a latest pane for each window, with revision, watermark and whether it is settled', async () => {
    const scene = await begun();
    await deliver(scene);
    const { ask } = asking(scene);
    const { status, body } = await ask('latest', { key: PUMP, window: 'minute' });
    expect(status).toBe(200);
    expect(body).toEqual({
      asOf: isoTime(at(2, 10)),
      token: expect.stringMatching(/^0-1-\d-3$/),
      watermark: isoTime(at(2, 10)),
      pane: {
        id: 'measured/pump/minute/2026-01-05T12:01:00.000Z/0',
        pipeline: 'measured',
        key: PUMP,
        window: 'minute',
        start: isoTime(at(1)),
        end: isoTime(at(2)),
        revision: 0,
        kind: 'final',
        results: { mean: 30, n: 1 },
        count: 1,
        watermark: isoTime(at(2, 10)),
        settled: false,
      },
    });
    const latest = async (window: string) => (await ask('latest', { key: PUMP, window })).body.pane;
    expect(await latest('lastThree')).toMatchObject({ index: 3, results: { total: 90 }, settled: true });
    expect(await latest('byThree')).toMatchObject({ index: 0, results: { n: 3 }, settled: true });
    expect(await latest('all')).toMatchObject({ revision: 3, results: { n: 4 }, settled: false });
    expect(await latest('near')).toMatchObject({ index: 2, results: { n: 1 }, settled: false });
  });

  it('has panes by time, in either order and within bounds, of which the old ones are settled', async () => {
    const scene = await begun();
    await scene.process([scene.put(PUMP, at(3, 0), 50)]);
    await deliver(scene);
    const { ask } = asking(scene);
    const starts = async (more: Record<string, string>) => {
      const { body } = await ask('panes', { key: PUMP, window: 'minute', ...more });
      return body.panes.map(({ start, settled }: { start: string; settled: boolean }) => [
        start.slice(14, 19),
        settled,
      ]);
    };
    expect(await starts({})).toEqual([
      ['00:00', true],
      ['01:00', false],
      ['02:00', false],
    ]);
    expect(await starts({ order: 'desc' })).toEqual([
      ['02:00', false],
      ['01:00', false],
      ['00:00', true],
    ]);
    expect(await starts({ from: isoTime(at(1)), to: isoTime(at(2)) })).toEqual([['01:00', false]]);
    expect(await starts({ from: isoTime(at(2)), to: isoTime(at(1)) })).toEqual([]);
  });

  it('has a late revision in the place of the pane that it corrects', async () => {
    const scene = await begun();
    await deliver(scene);
    await scene.process([scene.put(PUMP, at(0, 30), 60)]);
    const { body } = await asking(scene).ask('panes', { key: PUMP, window: 'minute' });
    expect(body.panes[0]).toMatchObject({ kind: 'late', revision: 1, results: { mean: 30, n: 3 } });
    expect(body.panes).toHaveLength(2);
  });
});

it('lists a late pane of a window without a row in its place among rows', async () => {
  const scene = await new Scene(measured).under(measured);
  await scene.process([scene.put(PUMP, at(1, 10)), scene.put(PUMP, at(2, 10))]);
  await scene.project();
  await scene.process([scene.put(PUMP, at(0, 30), 60, 0)]);
  const { body } = await asking(scene).ask('panes', { key: PUMP, window: 'minute' });
  expect(body.panes.map(({ kind, start }: Record<string, string>) => [kind, start])).toEqual([
    ['late', isoTime(at(0))],
    ['final', isoTime(at(1))],
  ]);
});

it('lists batches within bounds of time, though they are numbered', async () => {
  const scene = await new Scene(measured).under(measured);
  await scene.process(Array.from({ length: 9 }, (_, n) => scene.put(PUMP, at(n))));
  const { ask } = asking(scene);
  const indices = async (more: Record<string, string>) => {
    const { body } = await ask('panes', { key: PUMP, window: 'byThree', ...more });
    return body.panes.map(({ index }: { index: number }) => index);
  };
  expect(await indices({})).toEqual([0, 1, 2]);
  expect(await indices({ from: isoTime(at(3)) })).toEqual([1, 2]);
  expect(await indices({ to: isoTime(at(6)) })).toEqual([0, 1]);
  expect(await indices({ from: isoTime(at(1)), to: isoTime(at(4)), order: 'desc' })).toEqual([1]);
});

describe('the open windows of a key', () => {
  it('have results so far, of each kind of window', async () => {
    const scene = await begun();
    const { body } = await asking(scene).ask('open', { key: PUMP });
    const shown = body.windows.map(({ window, start, results }: Record<string, string>) => [
      window,
      start?.slice(14, 19),
      results,
    ]);
    expect(shown).toEqual([
      ['minute', '02:00', { mean: 40, n: 1 }],
      ['twoMinutes', '01:00', { total: 70 }],
      ['twoMinutes', '02:00', { total: 40 }],
      ['visits', '02:10', { n: 1 }],
      ['byThree', '02:10', { n: 1 }],
      ['lastThree', '01:10', { total: 70 }],
      ['near', '01:10', { n: 1 }],
      ['all', '00:05', { n: 4 }],
    ]);
    expect(body.windows[0]).toEqual({
      window: 'minute',
      start: isoTime(at(2)),
      end: isoTime(at(3)),
      revision: 0,
      results: { mean: 40, n: 1 },
      count: 1,
      settled: false,
    });
    expect(body).toMatchObject({ more: false, watermark: isoTime(at(2, 10)) });
  });

  it('are those of one window where one is named, and no more than asked for', async () => {
    const { ask } = asking(await begun());
    const { body } = await ask('open', { key: PUMP, window: 'twoMinutes', limit: '1' });
    expect(body.windows).toHaveLength(1);
    expect(body.more).toBe(true);
    expect((await ask('open', { key: PUMP, window: 'twoMinutes', limit: '2' })).body.more).toBe(false);
  });

  it('are none of a key that had no record, nor before any record came', async () => {
    expect((await asking(await begun()).ask('open', { key: 'mill' })).body).toMatchObject({
      watermark: null,
      windows: [],
      more: false,
    });
    const { body } = await asking(new Scene(measured)).ask('open', { key: 'mill' });
    expect(body).toMatchObject({ watermark: null, windows: [] });
  });
});

describe('keys', () => {
  it('are found by what they begin with, page by page, each once', async () => {
    const scene = await new Scene(measured).under(measured);
    const names = Array.from({ length: 25 }, (_, n) => `${n % 2 ? 'odd' : 'even'}/${n}`);
    await scene.process(names.map((name, n) => scene.put(name, at(0, n))));
    const { ask } = asking(scene);
    const found: string[] = [];
    for (let page: string | undefined; ; ) {
      const { body } = await ask('keys', { prefix: 'odd/', limit: '5', ...(page && { page }) });
      expect(body.keys.length).toBeLessThanOrEqual(5);
      found.push(...body.keys.map(({ key }: { key: string }) => key));
      page = body.next;
      if (page === undefined) break;
    }
    expect(found.sort()).toEqual(names.filter((name) => name.startsWith('odd')).sort());
    expect((await ask('keys')).body.keys).toContainEqual({ key: 'odd/1', watermark: isoTime(at(0, 1)) });
  });

  it('are those of the groups before until a new generation begins, and a page of before is refused then', async () => {
    const scene = await begun();
    const { ask } = asking(scene);
    const { body: first } = await ask('keys', { limit: '1' });
    await beginGeneration(scene.engine, measured, 8);
    scene.ports.clock.set(at(5));
    const { body } = await ask('keys');
    expect(body.keys.map(({ key }: { key: string }) => key).sort()).toEqual(['lathe', PUMP]);
    const next = await scene.under(measured);
    await next.process([next.put(PUMP, at(4), 70)]);
    expect((await ask('latest', { key: PUMP, window: 'lastThree' })).body.pane.results).toEqual({
      total: 140,
    });
    expect(await ask('keys', { limit: '1', page: first.next })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('begin anew') },
    });
  });
});

it('goes on with the groups of a new generation as soon as one of them has begun', async () => {
  const scene = await begun();
  const { ask } = asking(scene);
  expect((await ask('open', { key: PUMP, window: 'all' })).body.windows[0].count).toBe(4);
  await beginGeneration(scene.engine, measured, 8);
  const next = await scene.under(measured);
  await next.process([next.put(PUMP, at(2, 20))]);
  expect((await ask('open', { key: PUMP, window: 'all' })).body.windows[0].count).toBe(5);
});

it('reads no more than sixteen groups for a page of keys', async () => {
  const many = { ...measured, groups: 64 };
  const scene = await new Scene(many).under(many);
  await scene.process([scene.put(PUMP, at(0))]);
  const { ask } = asking(scene);
  const pages: number[] = [];
  let page: string | undefined;
  do {
    const { body } = await ask('keys', page === undefined ? {} : { page });
    pages.push(body.keys.length);
    page = body.next;
  } while (page !== undefined);
  expect(pages).toHaveLength(4);
  expect(pages.reduce((a, b) => a + b)).toBe(1);
});

describe('a key', () => {
  it.each([
    ['a slash', 'a/b'],
    ['a plus sign', 'a+b c'],
    ['an emoji', '🚰 ä'],
    ['percent signs', '100%2F'],
    ['separators', 'a&b=c#d?e@f'],
    ['dots', '..'],
    ['1,024 bytes', 'ü'.repeat(512)],
  ])('with %s is found', async (_, key) => {
    const scene = await new Scene(measured).under(measured);
    await scene.process([scene.put(key, at(0), 5)]);
    await scene.project();
    const { ask, app } = asking(scene);
    expect((await ask('latest', { key, window: 'lastThree' })).body.pane.key).toBe(key);
    const encoded = await app.request(`/api/latest?window=lastThree&key=${encodeURIComponent(key)}`);
    expect(encoded.status).toBe(200);
    expect((await ask('keys', { prefix: key })).body.keys).toHaveLength(1);
  });
});

describe('a question that is refused', () => {
  it.each([
    ['without a key', 'latest?window=minute', 'key must be given'],
    ['with an empty key', 'latest?key=&window=minute', 'it is 0 bytes'],
    ['with a key of 1,025 bytes', `latest?key=${'x'.repeat(1_025)}&window=minute`, 'it is 1025 bytes'],
    ['with a key that is no UTF-8', 'latest?key=%ff&window=minute', 'percent-encoded UTF-8'],
    ['with half an escape', 'latest?key=%2&window=minute', 'percent-encoded UTF-8'],
    ['with a prefix of 1,025 bytes', `keys?prefix=${'x'.repeat(1_025)}`, 'it is 1025 bytes'],
    ['of an unknown window', 'latest?key=a&window=hour', 'one of minute, twoMinutes'],
    ['with an unknown parameter', 'latest?key=a&window=minute&limit=3', 'it has key, window, atLeast'],
    ['with a parameter twice', 'latest?key=a&key=b&window=minute', 'given twice'],
    ['with a time without a zone', 'panes?key=a&window=minute&from=2026-01-05T12:00:00', 'with a zone'],
    ['with a limit of 0', 'panes?key=a&window=minute&limit=0', 'from 1 to 1000'],
    ['with a limit of 1,001', 'panes?key=a&window=minute&limit=1001', 'from 1 to 1000'],
    ['with an unknown order', 'panes?key=a&window=minute&order=up', 'asc or desc'],
    ['with a page of nobody', 'panes?key=a&window=minute&page=abc', 'must be the "next" of an answer'],
    ['with a page that is too long', `keys?page=${'x'.repeat(9_000)}`, 'longer'],
    [
      'of panes that are no rows',
      'panes?key=a&window=lastThree',
      'one of minute, twoMinutes, visits, byThree',
    ],
    ['with a token of nobody', 'open?key=a&atLeast=abc', 'the "token" of an answer'],
    ['with a record of nowhere', 'open?key=a&atLeast=@5', 'the "token" of an answer'],
    ['with a record of no position', 'open?key=a&atLeast=readings/0@x', 'the "token" of an answer'],
  ])('%s gets one sentence', async (_, path, sentence) => {
    const scene = await begun();
    const { app } = asking(scene);
    const response = await app.request(`/api/${path}`);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const { detail, ...problem } = JSON.parse(await response.text());
    expect(problem).toEqual({ type: 'about:blank', title: 'The request cannot be understood', status: 400 });
    expect(detail).toContain(sentence);
    expect(detail).toMatch(/^Cannot .* as .*must.*: /);
    expect(scene.ports.telemetry.faults).toEqual([]);
  });

  it('by another method, on another path, or of a key without a pane', async () => {
    const { ask, app } = asking(await begun());
    const posted = await ask('health', {}, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await app.request('/api/health', { method: 'HEAD' })).status).toBe(200);
    expect((await ask('nothing')).body.detail).toContain('/api/latest, /api/panes');
    expect((await app.request('/else')).status).toBe(404);
    expect(await ask('latest', { key: 'mill', window: 'minute' })).toMatchObject({ status: 404 });
  });
});

describe('a page token', () => {
  it('is refused where it was altered, is of another question, or of another secret', async () => {
    const scene = await begun();
    const { ask } = asking(scene);
    const asked = { key: PUMP, window: 'minute', limit: '1' };
    const { next } = (await ask('panes', asked)).body;
    expect((await ask('panes', { ...asked, page: next })).status).toBe(200);
    expect((await ask('panes', { ...asked, limit: '7', page: next })).status).toBe(200);
    const refused = async (question: Record<string, string>, path = 'panes', by = ask) =>
      (await by(path, { ...question, page: question['page'] ?? next })).status;
    expect(await refused({ ...asked, key: 'lathe' })).toBe(400);
    expect(await refused({ ...asked, window: 'twoMinutes' })).toBe(400);
    expect(await refused({ ...asked, order: 'desc' })).toBe(400);
    expect(await refused({ ...asked, from: isoTime(NOON) })).toBe(400);
    expect(await refused({}, 'keys')).toBe(400);
    const [payload, signature] = next.split('.');
    const forged = Buffer.from('"2026"').toString('base64url');
    for (const page of [
      `${forged}.${signature}`,
      `${payload}.`,
      payload,
      `${next}.x`,
      `${next}=`,
      `.${signature}`,
    ])
      expect(await refused({ ...asked, page })).toBe(400);
    expect(await refused(asked, 'panes', asking(scene, 'another').ask)).toBe(400);
  });
});

describe('atLeast', () => {
  it('takes the token of an earlier answer, and refuses one of another key or of what was taken back', async () => {
    const scene = await begun();
    const { ask } = asking(scene);
    const { token } = (await ask('open', { key: PUMP })).body;
    expect((await ask('open', { key: PUMP, atLeast: token })).status).toBe(200);
    const other = ['a', 'b', 'c', 'd'].find((key) => scene.logOf(key) !== scene.logOf(PUMP)) as string;
    expect(await ask('open', { key: other, atLeast: token })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('of another') },
    });
    const ahead = token.replace(/\d+$/, '999');
    expect(await ask('open', { key: PUMP, atLeast: ahead })).toMatchObject({ status: 409 });
    expect((await ask('open', { key: PUMP, atLeast: token.replace(/^0/, '7') })).status).toBe(409);
    expect((await ask('open', { key: PUMP, atLeast: token.replace(/^0-1/, '0-9') })).status).toBe(409);
    await beginGeneration(scene.engine, measured, 8);
    const later = await scene.under(measured);
    await later.process([later.put(PUMP, at(4))]);
    scene.ports.clock.set(at(10));
    expect((await ask('open', { key: PUMP, atLeast: token })).status).toBe(200);
  });

  it('waits until a record is taken in', async () => {
    const scene = await begun();
    const { ask } = asking(scene);
    const record = scene.put(PUMP, at(2, 20), 50);
    const atLeast = `${record.lineage}@${record.position}`;
    const answer = ask('latest', { key: PUMP, window: 'all', atLeast });
    // One alarm is that of the deadline, and one is set only by whoever waits.
    for (let turn = 0; turn < 100 && scene.ports.clock.alarms < 2; turn++) await scene.ports.clock.turn();
    expect(scene.ports.clock.alarms).toBe(2);
    await scene.process([record]);
    scene.ports.clock.pass(100 as never);
    expect((await answer).body.pane.results).toEqual({ n: 5 });
  });

  it('says so where the record is not taken in by the deadline', async () => {
    const scene = await begun();
    const { ask } = asking(scene);
    const record = scene.put(PUMP, at(2, 20), 50);
    const answer = ask('open', { key: PUMP, atLeast: `${record.lineage}@${record.position}` });
    let isAnswered = false;
    void answer.then(() => {
      isAnswered = true;
    });
    for (let passed = 0; !isAnswered && passed < 2 * MAX_ANSWER_TIME; passed += 100) {
      await scene.ports.clock.turn();
      scene.ports.clock.pass(100 as never);
    }
    const { status, headers, body } = await answer;
    expect([status, headers.get('retry-after')]).toEqual([503, '2']);
    expect(body.detail).toContain('must be taken in: it is not yet');
  });
});

describe('what fails', () => {
  it('is told without what it threw, and logged without a key', async () => {
    const scene = await begun();
    const failing = { ...scene.ports.log, latest: () => Promise.reject(new Error(`secret ${PUMP}`)) };
    const { ask } = asking({ ...scene, ports: { ...scene.ports, log: failing } } as unknown as Scene);
    const { status, body } = await ask('open', { key: PUMP });
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(scene.ports.telemetry.faults).toHaveLength(1);
  });

  it('is to be asked again where another definition is at work, or rows are far behind', async () => {
    const scene = await begun();
    const newer = { ...measured, version: 2 };
    await (await scene.under(newer)).process([scene.put(PUMP, at(3))]);
    expect((await asking(scene).ask('open', { key: PUMP })).status).toBe(503);

    const behind = await begun();
    const limits = { ...(await import('../../src/ports/limits.ts')).LIMITS, rowsStep: 2 };
    const { ask } = asking({ ...behind, ports: { ...behind.ports, limits } } as unknown as Scene);
    const { status, body } = await ask('latest', { key: PUMP, window: 'minute' });
    expect([status, body.detail]).toEqual([503, expect.stringContaining('far behind')]);
  });

  it('is to be asked again where entries expired before they were rows, but for what is in the state', async () => {
    const scene = await begun();
    const { clock, log, telemetry } = scene.ports;
    for (let days = 0; days < 10; days += 2) {
      clock.pass(millis('2d'));
      await holdDeployment(scene.engine, scene.pipeline);
      await scene.sweepAt(clock.now());
      await scene.process([scene.put(PUMP, clock.now())]);
      log.expire(clock.now());
    }
    expect(scene.entriesOf(PUMP)[0]?.ordinal).toBeGreaterThan(1);
    const { ask } = asking(scene);
    const { status, headers, body } = await ask('latest', { key: PUMP, window: 'minute' });
    expect([status, headers.get('retry-after'), body.detail]).toEqual([
      503,
      '2',
      expect.stringContaining('far behind'),
    ]);
    expect(telemetry.faults.map(({ cause }) => String(cause))).toEqual([
      expect.stringContaining('entries expired before they were'),
    ]);
    expect((await ask('open', { key: PUMP })).status).toBe(200);
  });

  it('is a time that is up', async () => {
    const scene = await begun();
    const hanging = { ...scene.ports.log, latest: () => new Promise<never>(() => {}) };
    const { ask } = asking({ ...scene, ports: { ...scene.ports, log: hanging } } as unknown as Scene);
    const answer = ask('health');
    for (let turn = 0; turn < 100 && scene.ports.clock.alarms < 1; turn++) await scene.ports.clock.turn();
    scene.ports.clock.pass(MAX_ANSWER_TIME);
    expect((await answer).status).toBe(503);
  });
});

describe('a pipeline without rows', () => {
  it('has open windows and keys, and neither panes nor a description of them', async () => {
    const scene = await begun({ ...measured, sinks: [bucket()] } as Pipeline);
    const { ask } = asking(scene);
    expect((await ask('latest', { key: PUMP, window: 'minute' })).status).toBe(404);
    expect((await ask('open', { key: PUMP })).status).toBe(200);
    expect(Object.keys((await ask('openapi.json')).body.paths)).toEqual([
      '/api/open',
      '/api/keys',
      '/api/health',
      '/api/openapi.json',
    ]);
  });
});

it('describes itself, with the windows and results of the pipeline', async () => {
  const { body } = await asking(await begun()).ask('openapi.json');
  expect(body.components.schemas.Pane.oneOf[0].properties).toMatchObject({
    window: { const: 'minute' },
    results: { properties: { mean: { type: ['number', 'string', 'null'] } } },
  });
  expect((body.paths['/api/latest'].get.parameters as { name: string }[]).map(({ name }) => name)).toEqual([
    'key',
    'window',
    'atLeast',
  ]);
});

it('is well', async () => {
  expect((await asking(await begun()).ask('health')).body).toEqual({
    asOf: isoTime(at(2, 10) as EpochMillis),
    pipeline: 'measured',
    version: 1,
    status: 'ok',
  });
});
