import { readFileSync } from 'node:fs';
import type { Plain } from '../core/plain.ts';
import { positionOf, unorderedPositionOf } from '../core/position.ts';
import type { EpochMillis } from '../core/time.ts';
import { decodeAll, placedParts } from '../engine/intake/decode.ts';
import { reasonOf, shownPath } from '../local/failure.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BillLine } from '../plan/bill.ts';
import type { LoadOptions } from '../plan/load.ts';
import { type Plan, planOf, total } from '../plan/plan.ts';
import { LIST, type PriceList, pricesOf } from '../plan/prices.ts';
import type { SourceRecord } from '../ports/source.ts';
import { plural, tableText, thousands } from './text.ts';

export interface PlanCommandOptions extends LoadOptions {
  readonly prices?: string | undefined;
  readonly sample?: string | undefined;
  readonly json?: boolean | undefined;
}

/**
 * Says on standard output what a pipeline needs and costs.
 *
 * @returns the exit code
 * @throws Error when the prices or the sample cannot be read; RangeError when the load is out of its bounds
 */
export async function planCommand(
  pipeline: Pipeline,
  { prices, sample, json = false, ...load }: PlanCommandOptions,
): Promise<number> {
  const list = prices === undefined || prices === 'show' ? LIST : readPrices(prices);
  if (prices === 'show') {
    process.stdout.write(json ? `${JSON.stringify(list, null, 2)}\n` : `${pricesText(list)}\n`);
    return 0;
  }
  const values = sample === undefined ? undefined : readSample(pipeline, sample);
  const plan = planOf(pipeline, { load, prices: list, ...(values && { values }) });
  process.stdout.write(json ? `${JSON.stringify(plan, asJson, 2)}\n` : `${planText(plan)}\n`);
  return 0;
}

const asJson = (_name: string, value: unknown): unknown =>
  value instanceof Map ? Object.fromEntries(value) : value;

function readPrices(file: string): PriceList {
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Error(`Cannot read ${shownPath(file)} as prices must be a file of JSON: ${reasonOf(cause)}`, {
      cause,
    });
  }
  return pricesOf(read);
}

/** Returns what the windows of a pipeline read of the records of a file, one a line. */
function readSample(pipeline: Pipeline, file: string): readonly (readonly Plain[])[] {
  let lines: readonly string[];
  try {
    lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch (cause) {
    throw new Error(
      `Cannot read ${shownPath(file)} as a sample must be a file of records: ${reasonOf(cause)}`,
      { cause },
    );
  }
  const { ordered } = pipeline.source.lineage;
  const records = lines.map(
    (line, at): SourceRecord => ({
      lineage: 'sample',
      position: ordered ? positionOf(String(at + 1)) : unorderedPositionOf(`r${at + 1}`),
      // Records of any time are looked at, however old they are.
      arrival: LATEST,
      partitionKey: '',
      data: Buffer.from(line),
    }),
  );
  const taken: (readonly Plain[])[] = [];
  let at = 0;
  for (const chunk of decodeAll({ ...pipeline, maxPast: undefined }, records)) {
    for (const decoded of chunk) {
      const source = records[at++] as SourceRecord;
      for (const { part } of placedParts(source, decoded))
        if (part.outcome === 'record') taken.push(part.record.values);
    }
  }
  if (taken.length > 0) return taken;
  throw new Error(
    `Cannot use ${shownPath(file)} as a sample must hold records that the pipeline takes in, one a line: of ${plural(lines.length, 'line')} it takes none`,
  );
}

/** The last instant of the year 9999, before which all records have come. */
const LATEST = 253_402_300_799_999 as EpochMillis;

/** Says what a plan says, so that it fits a screen. */
function planText(plan: Plan): string {
  const { load, resources, limits, bill, dollars, hostile, beside, prices, memory, doubts } = plan;
  const services = [...new Set([...bill.idle, ...bill.load].map(({ service }) => service))];
  const of = (lines: readonly BillLine[], service: string) =>
    total(lines.filter((line) => line.service === service));
  const nearest = limits.toSorted((a, b) => b.uses / b.most - a.uses / a.most).slice(0, 4);
  const floors = Object.entries(memory).flatMap(([name, megabytes]) =>
    megabytes === undefined ? [] : `${name} ${megabytes}`,
  );
  return [
    `Plan of "${plan.pipeline}" for ${thousands(load.recordsPerSecond)} records a second of ${thousands(load.bytes)} B, ${thousands(load.keys)} keys; batches of ${load.batchingWindow / 1_000} s, delivery every ${load.deliveryWindow / 1_000} s`,
    `Makes: ${resources.map(({ what, size }) => `${what} (${size})`).join(' · ')}`,
    '',
    tableText(
      ['dollars a month', 'idle', 'at load'],
      [
        ...services.map((service) => [service, money(of(bill.idle, service)), money(of(bill.load, service))]),
        ['in all', money(dollars.idle), money(dollars.load)],
      ],
    ),
    '',
    `A million records add ${money(dollars.perMillion)}. At worst: ${hostile
      .map(({ records, perMillion }) => `${money(perMillion)} ${records}`)
      .join(', ')}.`,
    `Beside it: ${beside.map(({ way, dollars }) => `${money(dollars)} ${way}`).join('; ')}.`,
    '',
    tableText(
      ['nearest limits', 'uses', 'of', '', 'more by'],
      nearest.map(({ name, uses, most, unit, remedy }) => [name, figure(uses), figure(most), unit, remedy]),
    ),
    '',
    `Least memory, in MB: ${floors.join(', ')}.`,
    `List prices of ${prices.region} as of ${prices.asOf}; ${prices.from}. millrace plan --prices show lists them.`,
    ...doubts.map((doubt) => `Note: ${doubt}.`),
  ].join('\n');
}

const money = (dollars: number): string =>
  `$${dollars.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;

const figure = (value: number): string =>
  value >= 100 ? thousands(Math.round(value)) : String(Number(value.toPrecision(2)));

/** Lists prices, each with its unit and the page that has it. */
function pricesText({ region, asOf, from, prices }: PriceList): string {
  const rows = Object.entries(prices).map(([name, { dollars, per, unit, page, known }]) => [
    name,
    `$${dollars}`,
    `${per === 1 ? '' : `${thousands(per)} `}${unit}`,
    page,
    known,
  ]);
  return [
    `List prices of ${region} as of ${asOf}; ${from}`,
    '',
    tableText(['price', 'dollars', 'for', 'public page', 'how known'], rows),
  ].join('\n');
}
