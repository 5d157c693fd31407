import type { BillLine } from './bill.ts';
import { writeUnits } from './items.ts';
import type { Load } from './load.ts';
import { costOf, type PriceList } from './prices.ts';
import type { Rehearsal } from './rehearsal.ts';

/** Another way to do the same, and what it costs a month under the same load. */
export interface Beside {
  readonly way: string;
  readonly dollars: number;
}

const HOURS = 730;
const SECONDS = HOURS * 3_600;
/** Records a second of one KPU, a common rule of thumb, and the storage that comes with it, in GB. */
const UNIT_RECORDS = 10_000;
const UNIT_STORAGE = 50;

/**
 * Prices other ways to keep the same windows. They leave out what is the same on all ways: the source, and the sinks.
 *
 * - one item a key: an UpdateItem for each record, of an item as large as a key's state here, in the same functions
 * - Managed Flink: a KPU for each 10,000 records a second, and one more that manages them
 */
export function besideOf(
  { recordsPerSecond, keys }: Load,
  { stateBytes, keysOfGroup }: Rehearsal,
  dollars: number,
  lines: readonly BillLine[],
  list: PriceList,
): readonly Beside[] {
  const of = (services: readonly BillLine['service'][]) =>
    lines.filter(({ service }) => services.includes(service)).reduce((sum, line) => sum + line.dollars, 0);
  const same = of(['source', 'sinks']);
  const item = 100 + stateBytes / Math.max(1, Math.min(keys, keysOfGroup));
  const units = Math.ceil(recordsPerSecond / UNIT_RECORDS);
  const flink =
    costOf(list, 'flinkUnitHour', (units + 1) * HOURS) + costOf(list, 'flinkStorage', units * UNIT_STORAGE);
  return [
    { way: 'this pipeline, without source and sinks', dollars: dollars - same },
    {
      way: 'one item a key, updated by each record, rows not counted',
      dollars:
        costOf(list, 'dynamodbWriteUnit', SECONDS * recordsPerSecond * writeUnits(item)) + of(['Lambda']),
    },
    { way: `Managed Flink, ${units + 1} KPU`, dollars: flink },
  ];
}
