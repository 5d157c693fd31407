import type { Pipeline } from '../pipeline/pipeline.ts';
import { LIMITS } from '../ports/limits.ts';
import { puttingOf } from './bill.ts';
import { batchingOf, type Intake } from './lineages.ts';
import type { Load } from './load.ts';
import { costOf, type PriceList } from './prices.ts';

/** What records cost that somebody sends to make them cost much. */
export interface Hostile {
  readonly records: string;
  /** Dollars for a million of them, with a month of what they leave behind in storage. */
  readonly perMillion: number;
}

const MILLION = 1_000_000;
const GIB = 2 ** 30;
const LARGEST = 1_048_576;
/** What is written of a refused record beside its bytes: where it was, and why it was refused. */
const KEPT_FRAME = 300;

/**
 * Says what a million of the worst records cost, kind by kind. They come at the rate of the load.
 *
 * @param newKeys what a million records cost that hardly ever have a key that was there before
 */
export function hostileOf(
  pipeline: Pipeline,
  load: Load,
  intake: Intake,
  newKeys: number,
  list: PriceList,
): readonly Hostile[] {
  const largest: Load = { ...load, bytes: LARGEST };
  return [
    { records: 'each of a new key', perMillion: newKeys },
    { records: 'each refused, or late for all windows', perMillion: refused(pipeline, load, intake, list) },
    {
      records: 'each refused, of 1 MB',
      perMillion: refused(pipeline, largest, batchingOf(pipeline, largest), list),
    },
  ];
}

/**
 * A refused record makes no pane. It costs its way in, an entry and an object for each group of a batch, and the
 * object's storage, of which this is the first month.
 */
function refused(
  pipeline: Pipeline,
  { bytes, memory }: Load,
  { batch, groups }: Intake,
  list: PriceList,
): number {
  const batches = MILLION / batch;
  const touched = groups * (1 - (1 - 1 / groups) ** batch);
  const commits = batches * touched;
  const stored = MILLION * (bytes + KEPT_FRAME);
  const objects = Math.max(commits, stored / LIMITS.poison);
  const milliseconds = 20 + 0.02 * (bytes / 1_024) * batch + 30;
  return (
    puttingOf(pipeline, bytes, list) +
    costOf(list, 'lambdaRequest', batches) +
    costOf(list, 'lambdaGigabyteSecond', (batches * milliseconds * memory) / 1_024 / 1_000) +
    costOf(
      list,
      'dynamodbWriteUnit',
      commits * Math.max(1, Math.ceil((60 * batch) / touched / 1_024)) + batches,
    ) +
    costOf(list, 'dynamodbReadUnit', commits) +
    costOf(list, 's3Put', objects) +
    costOf(list, 's3Storage', stored / GIB)
  );
}
