/**
 * How long questions take over HTTP in a local run that holds 20,000 flights: the latest pane of an airport, its
 * panes by time, and its open windows. The servers, the API and the client share one machine.
 *
 * `npx tsx bench/query.ts [questions]`
 */
import { flights } from '../functions/flights/pipeline.ts';
import { createTally } from '../src/commands/tally.ts';
import { serveApp } from '../src/local/http/server.ts';
import { replay } from '../src/local/replay.ts';
import { startLocal } from '../src/local/runtime.ts';
import type { Pipeline } from '../src/pipeline/pipeline.ts';
import { readFlights } from '../test/e2e/flights.ts';
import { inputOf } from '../test/e2e/local.ts';

const questions = Number(process.argv[2] ?? 3_000);
const WARM_UP = 300;

const percentile = (sorted: readonly number[], share: number): string =>
  `${(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number).toFixed(1)} ms`;

const pipeline = flights as Pipeline;
const tally = createTally(pipeline);
const runtime = await startLocal({ pipeline, telemetry: tally, decorate: tally.watch });
const server = await serveApp(runtime.query());
try {
  await replay(runtime, { input: inputOf(readFlights().map((flight) => JSON.stringify(flight))) });
  const answer = await fetch(`${server.address}/api/keys?limit=1000`);
  const { keys } = JSON.parse(await answer.text());
  const names: string[] = keys.map(({ key }: { key: string }) => key);
  console.log(`${names.length} keys, ${questions} questions of each kind, one after the other`);
  for (const path of ['latest?window=hourly', 'panes?window=hourly&limit=20', 'open?']) {
    const millis: number[] = [];
    for (let n = 0; n < WARM_UP + questions; n++) {
      const key = encodeURIComponent(names[(n * 7919) % names.length] as string);
      const begun = performance.now();
      const response = await fetch(`${server.address}/api/${path}&key=${key}`);
      await response.json();
      if (!response.ok && response.status !== 404) throw new Error(`It answers with ${response.status}`);
      if (n >= WARM_UP) millis.push(performance.now() - begun);
    }
    millis.sort((a, b) => a - b);
    console.log(`${path.padEnd(30)} p50 ${percentile(millis, 0.5)}, p99 ${percentile(millis, 0.99)}`);
  }
} finally {
  await server.close();
  await runtime.close();
}
