import { positionOf } from '../../core/position.ts';
import { decodeRecord, placedParts } from '../../engine/intake/decode.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { RunClock } from '../clock.ts';
import { NO_KEY, partitionKeyOf } from '../replay.ts';
import type { LocalSource } from '../sources/source.ts';

/** What becomes of a record that somebody typed in, and what to say of it. */
export type Typed = { readonly outcome: 'sent' | 'refused'; readonly said: string };

const NOWHERE = positionOf('0');

/**
 * Sends a record to the source of a run, as any program would. A record that the pipeline would refuse is not
 * sent: whoever typed it is told why.
 */
export async function sendTyped(
  {
    source,
    clock,
  }: { readonly source: Pick<LocalSource, 'put' | 'place'>; readonly clock: Pick<RunClock, 'real'> },
  pipeline: Pipeline,
  text: string,
): Promise<Typed> {
  const data = new TextEncoder().encode(text);
  const typed = { lineage: '', position: NOWHERE, arrival: clock.real(), partitionKey: '', data };
  const parts = placedParts(typed, decodeRecord(pipeline, typed)).map(({ part }) => part);
  const poison = parts.find((part) => part.outcome === 'poison');
  if (poison?.outcome === 'poison') {
    const { code, reason } = poison.poison;
    return { outcome: 'refused', said: `Not sent, as the pipeline refuses it (${code}): ${reason}` };
  }
  const taken = parts.find((part) => part.outcome === 'record');
  const key = taken?.outcome === 'record' ? taken.key : undefined;
  await source.put(key === undefined ? NO_KEY : partitionKeyOf(key), data);
  const { service, resource } = source.place;
  return {
    outcome: 'sent',
    said:
      key === undefined
        ? `Sent to ${service}, ${resource}; the pipeline filters it out`
        : `Sent to ${service}, ${resource}, with key ${key}`,
  };
}
