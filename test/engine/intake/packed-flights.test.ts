import { expect, it } from 'vitest';
import { flights } from '../../../functions/flights/pipeline.ts';
import { Packer } from '../../../src/adapters/kinesis/kpl.ts';
import { positionOf } from '../../../src/core/position.ts';
import { processHandler } from '../../../src/handlers.ts';
import type { Pipeline } from '../../../src/index.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { type Flight, readFlights } from '../../e2e/flights.ts';
import { at, NOON, Scene } from '../scene.ts';

const FLIGHTS = 2_000;
const PACKED = 70;
const BATCH = 10;

const recordOf = (index: number, partitionKey: string, data: Uint8Array): SourceRecord => ({
  lineage: 'flights/shardId-000000000000',
  position: positionOf(String(index + 1)),
  arrival: NOON,
  partitionKey,
  data,
});

const dataOf = (flight: Flight): Uint8Array => Buffer.from(JSON.stringify(flight));

/** Packs flights in their order, several into one record. */
function packed(sent: readonly Flight[]): SourceRecord[] {
  const packer = new Packer();
  const records: SourceRecord[] = [];
  for (const [index, flight] of sent.entries()) {
    packer.add({ partitionKey: flight.origin, data: dataOf(flight) });
    if (packer.records === PACKED || index === sent.length - 1)
      records.push(recordOf(records.length, 'packed', packer.pack()));
  }
  return records;
}

/** All panes of the records, once silence has closed every window. */
async function panesOf(records: readonly SourceRecord[], each: number): Promise<readonly string[]> {
  const scene = new Scene(flights as Pipeline);
  const handle = processHandler(scene.ports, flights as Pipeline);
  for (let from = 0; from < records.length; from += each) {
    const event = kinesisEvent(records.slice(from, from + each));
    const answer = await handle(event, { getRemainingTimeInMillis: () => 60_000 });
    expect(answer.batchItemFailures).toEqual([]);
  }
  expect(scene.ports.telemetry.counted).toMatchObject({ applied: FLIGHTS, poison: 0 });
  const { open } = await scene.sweepAt(at(60 * 24 * 30));
  expect(open).toBe(0);
  return scene.emitted().toSorted();
}

it('flights that a producer packed give the panes of flights that it sent one by one', async () => {
  const sent = readFlights(FLIGHTS);
  const alone = sent.map((flight, index) => recordOf(index, flight.origin, dataOf(flight)));
  const panes = await panesOf(alone, BATCH * PACKED);
  expect(panes.length).toBeGreaterThan(FLIGHTS);
  expect(await panesOf(packed(sent), BATCH)).toEqual(panes);
});
