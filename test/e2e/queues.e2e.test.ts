import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { bucket, kinesis } from '../../src/index.ts';
import { pipelineOver } from '../../src/local/over.ts';
import { isAccountedFor } from '../../src/local/replay.ts';
import type { Handle } from '../../src/local/sources/source.ts';
import type { Pipeline } from '../../src/pipeline/pipeline.ts';
import { Random } from '../../src/simulation/random.ts';
import { readFlights } from './flights.ts';
import { patiently, runLocally } from './local.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-queues-'));
afterAll(() => rmSync(folder, { recursive: true }));

const toBucket: Pipeline = { ...flights, sinks: [bucket()] };
const linesOf = (records: readonly unknown[]) => records.map((record) => JSON.stringify(record));
const FLIGHTS = process.env['CI'] ? 1_000 : 400;

const windowOf = (pane: string): string => JSON.parse(pane).window;

describe('flights over a FIFO queue', () => {
  it('give the panes that they give over a stream, byte for byte', { timeout: 300_000 }, async () => {
    const lines = linesOf(readFlights(FLIGHTS));
    const stream = await runLocally(toBucket, lines);
    const queue = await runLocally(pipelineOver(toBucket, 'fifo').pipeline, lines);
    expect(isAccountedFor(queue.replayed)).toBe(true);
    expect(queue.panes).toEqual(stream.panes);
    expect(queue.rows).toEqual(stream.rows);
  });
});

describe('flights over a standard queue', () => {
  const patient = patiently(toBucket);

  it('give the panes of event time that they give over a stream, shuffled and each delivered twice', {
    timeout: 300_000,
  }, async () => {
    const random = new Random(7);
    const lines = linesOf(readFlights(FLIGHTS));
    const { pipeline, left } = pipelineOver(patient, 'sqs');
    expect(left).toEqual(['lastTen']);
    const stream = await runLocally(patient, lines);
    let deliveries = 0;
    /** Delivers what it is handed in two halves, and then as a whole, each in an order of its own. */
    const deliver =
      (handle: Handle): Handle =>
      async (event) => {
        const { Records } = event as { Records: readonly unknown[] };
        const shuffled = random.shuffled(Records);
        const half = Math.ceil(shuffled.length / 2);
        for (const part of [shuffled.slice(0, half), shuffled.slice(half)]) await handle({ Records: part });
        deliveries += 2;
        return handle({ Records: random.shuffled(Records) });
      };
    const queue = await runLocally(pipeline, random.shuffled(lines), { deliver });
    expect(deliveries).toBeGreaterThan(0);
    expect(queue.replayed).toMatchObject({ applied: lines.length, lateForAll: 0 });
    expect(queue.panes).toEqual(stream.panes.filter((pane) => windowOf(pane) !== 'lastTen'));
  });
});

describe('flights that their producer sent twice', () => {
  const source = kinesis({ shards: 2, id: ({ id }: { readonly id: string }) => id });
  const known = { ...toBucket, source } as unknown as Pipeline;
  const lines = linesOf(readFlights(FLIGHTS).map((flight, n) => ({ ...flight, id: `flight ${n}` })));
  // Each comes again beside others that are new, as another record of the source.
  const twice = [
    ...lines.flatMap((line, n) => (n < 7 ? [line] : [line, lines[n - 7] as string])),
    ...lines.slice(-7),
  ];

  it.each(['kinesis', 'fifo'] as const)(
    'give over %s the panes that they give when they are sent once, byte for byte',
    {
      timeout: 300_000,
    },
    async (kind) => {
      const { pipeline } = pipelineOver(known, kind);
      const once = await runLocally(pipeline, lines);
      const again = await runLocally(pipeline, twice);
      expect(again.replayed).toMatchObject({ read: 2 * lines.length, applied: lines.length });
      expect(again.panes).toEqual(once.panes);
      expect(again.rows).toEqual(once.rows);
    },
  );

  it('give over a standard queue the panes of event time, in whatever order', {
    timeout: 300_000,
  }, async () => {
    const patient = patiently(known);
    const stream = await runLocally(patient, lines);
    const { pipeline } = pipelineOver(patient, 'sqs');
    const again = await runLocally(pipeline, new Random(11).shuffled(twice));
    expect(again.replayed).toMatchObject({ read: 2 * lines.length, applied: lines.length });
    expect(again.panes).toEqual(stream.panes.filter((pane) => windowOf(pane) !== 'lastTen'));
  });
});

it('data of another source are refused at once, not tried again for ever', { timeout: 120_000 }, async () => {
  const lines = linesOf(readFlights(20));
  const dataDirectory = join(folder, 'of-a-stream');
  await runLocally(toBucket, lines, { dataDirectory });
  const { pipeline } = pipelineOver(toBucket, 'fifo');
  await expect(runLocally(pipeline, lines, { dataDirectory })).rejects.toThrow(
    'Cannot take records of arn:aws:sqs:us-east-1:000000000000:flights.fifo in as pipeline "flights" reads arn:aws:kinesis:us-east-1:000000000000:stream/flights',
  );
});

describe.each(['sqs', 'fifo'] as const)('a run over %s that is ended and begun again', (kind) => {
  it('goes on where it stopped: every record is in once', { timeout: 300_000 }, async () => {
    const lines = linesOf(readFlights(200));
    const { pipeline } = pipelineOver(toBucket, kind);
    const whole = await runLocally(pipeline, lines);
    const dataDirectory = join(folder, kind);
    const ended = new AbortController();
    const first = runLocally(pipeline, lines, {
      dataDirectory,
      signal: ended.signal,
      onSent: (sent) => sent === 120 && ended.abort(),
    });
    await expect(first).rejects.toThrow('aborted');
    const second = await runLocally(pipeline, lines, { dataDirectory });
    expect(second.replayed).toMatchObject({ applied: lines.length, others: 0 });
    expect(second.replayed.resumed).toBeGreaterThan(0);
    expect(second.panes).toEqual(whole.panes);

    const others = linesOf(readFlights(3).toReversed());
    await expect(runLocally(pipeline, others, { dataDirectory })).rejects.toThrow(
      `Cannot go on as the queue must have been sent what the input begins with: message 1 of flights${kind === 'fifo' ? '.fifo' : ''} is another`,
    );
  });
});
