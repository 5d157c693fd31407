import { memoryReading } from '../../src/adapters/memory/reading.ts';
import {
  batches,
  count,
  definePipeline,
  kinesis,
  mean,
  rolling,
  running,
  session,
  sliding,
  sum,
  table,
  trailing,
  tumbling,
} from '../../src/index.ts';
import { queryApp } from '../../src/query/app.ts';
import type { Reading, Scene } from '../engine/scene.ts';

const SECRET = 'a secret of tests';

export const measured = definePipeline('measured', kinesis<Reading>({ shards: 1 }), {
  key: ({ machine }) => machine,
  eventTime: (reading) => reading.at,
  allowedLateness: '2m',
  groups: 4,
  windows: {
    minute: tumbling({ size: '1m' }, { mean: mean('celsius'), n: count() }),
    twoMinutes: sliding({ size: '2m', slide: '1m' }, { total: sum('celsius') }),
    visits: session({ gap: '30s' }, { n: count() }),
    byThree: batches({ count: 3 }, { n: count() }),
    lastThree: rolling({ count: 3 }, { total: sum('celsius') }),
    near: trailing({ size: '1m' }, { n: count() }),
    all: running({}, { n: count() }),
  },
}).to(table());

/** What a question of a scene is answered with. */
export function asking(scene: Scene, secret = SECRET) {
  const { rows } = memoryReading(scene.ports);
  const app = queryApp({ ...scene.ports, rows }, scene.pipeline, { secret });
  const ask = async (path: string, parameters: Readonly<Record<string, string>> = {}, init?: RequestInit) => {
    const query = new URLSearchParams(parameters);
    const response = await app.request(`/api/${path}${query.size === 0 ? '' : `?${query}`}`, init);
    return {
      status: response.status,
      headers: response.headers,
      body: JSON.parse(await response.text()),
    };
  };
  return { app, ask };
}
