import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { refusedLines } from '../../src/commands/screen.ts';
import { positionOf } from '../../src/core/position.ts';
import type { EpochMillis } from '../../src/core/time.ts';
import { decodeRecord, placedParts } from '../../src/engine/intake/decode.ts';
import {
  definePipeline,
  jsonLines,
  kinesis,
  last,
  max,
  mean,
  type Pipeline,
  tumbling,
} from '../../src/index.ts';
import {
  addRefused,
  beginningOf,
  eitherRefused,
  type Refused,
  refusedLine,
  withLines,
} from '../../src/local/refused.ts';
import type { Source } from '../../src/pipeline/source.ts';

interface Trade {
  readonly symbol: string;
  readonly time: string;
  readonly price: number;
  readonly venue?: { readonly name: string };
}

const rules = { key: (one: Trade) => one.symbol, eventTime: (one: Trade) => one.time };

const tradesOf = <One extends Trade>(source: Source<One>, more: object = {}): Pipeline =>
  definePipeline('trades', source as Source<Trade>, {
    ...rules,
    windows: { minute: tumbling({ size: '1m' }, { mean: mean('price') }) },
    ...more,
  });

const trades = tradesOf(kinesis<Trade>());

const good: Trade = { symbol: 'A', time: '2026-01-05T12:00:00Z', price: 1 };

/** What a pipeline's screen says of a record on line 7, of which it is the first part that is refused. */
function shownOf(pipeline: Pipeline, record: unknown) {
  const data = Buffer.from(typeof record === 'string' ? record : JSON.stringify(record));
  const arrival = Date.UTC(2026, 0, 5, 12) as EpochMillis;
  const source = { lineage: '', position: positionOf('0'), arrival, partitionKey: '', data };
  const parts = placedParts(source, decodeRecord(pipeline, source));
  for (const placed of parts) {
    const { part } = placed;
    if (part.outcome === 'poison')
      return refusedLine(pipeline, { line: 7, data, length: data.length }, source, placed, part.poison);
  }
  return parts[0]?.part.outcome ?? 'nothing';
}

const reasonOf = (pipeline: Pipeline, record: unknown): string => {
  const shown = shownOf(pipeline, record);
  return typeof shown === 'string' ? shown : shown.reason;
};

/** The good record with a field under another name. */
const renamed = (from: keyof Trade, to: string): object =>
  Object.fromEntries(Object.entries(good).map(([name, value]) => [name === from ? to : name, value]));

describe('the name that was perhaps meant', () => {
  it.each(['Price', 'PRICE', 'pirce', 'prices', 'pric', '_price'])('is told of a value: %s', (name) => {
    expect(reasonOf(trades, renamed('price', name))).toBe(
      `field "price" is undefined, not a finite number; the record has no "price": did you mean ${name}?`,
    );
  });

  it.each(['p', 'cost', 'pr', 'priceInCents', 'quote'])(
    'is not guessed from one that is another: %s',
    (name) => {
      expect(reasonOf(trades, renamed('price', name))).toBe(
        'field "price" is undefined, not a finite number',
      );
    },
  );

  it('is told of whatever the definition asks the record for', () => {
    expect(reasonOf(trades, renamed('symbol', 'Symbol'))).toMatch(/^the key is undefined.*mean Symbol\?$/);
    expect(reasonOf(trades, renamed('time', 'tiem'))).toMatch(/^the event time undefined.*mean tiem\?$/);
    const filtering = tradesOf(kinesis<Trade>(), { filter: (one: Trade) => one.symbol.length > 0 });
    expect(reasonOf(filtering, renamed('symbol', 'symbl'))).toMatch(/has no "symbol": did you mean symbl\?$/);
    const selecting = definePipeline('trades', kinesis<Trade>(), {
      ...rules,
      windows: { minute: tumbling({ size: '1m' }, { high: max(({ price }: Trade) => price) }) },
    });
    expect(reasonOf(selecting, renamed('price', 'Price'))).toMatch(/did you mean Price\?$/);
  });

  it('is told within nested objects, and after a map', () => {
    const nested = definePipeline('trades', kinesis<Trade>(), {
      ...rules,
      windows: { minute: tumbling({ size: '1m' }, { venue: last('venue.name') }) },
    });
    expect(reasonOf(nested, { ...good, venue: { Name: 'X' } })).toMatch(/no "name": did you mean Name\?$/);
    const source = kinesis<{ trade: Trade }>().map(({ trade }) => ({ ...trade, at: new Date(trade.time) }));
    const mapped = tradesOf(source, { eventTime: ({ at }: { at: Date }) => at });
    expect(reasonOf(mapped, { trade: good })).toBe('record');
    expect(reasonOf(mapped, { Trade: good })).toMatch(/has no "trade": did you mean Trade\?$/);
    expect(reasonOf(mapped, { trade: renamed('price', 'Price') })).toMatch(/did you mean Price\?$/);
  });

  it('is one of the part that is refused, not of another part of the record', () => {
    const nameless = renamed('price', 'quote');
    const misspelt = renamed('price', 'Price');
    const lines = tradesOf(kinesis<Trade>({ decode: jsonLines }));
    const linesOf = (...trades: object[]) => trades.map((trade) => JSON.stringify(trade)).join('\n');
    expect(reasonOf(lines, linesOf(nameless, misspelt))).not.toContain('did you mean');
    expect(reasonOf(lines, linesOf(good, misspelt, nameless))).toMatch(/did you mean Price\?$/);
    const expanded = tradesOf(kinesis<{ of: Trade[] }>().expand(({ of }) => of));
    expect(reasonOf(expanded, { of: [nameless, misspelt] })).not.toContain('did you mean');
    expect(reasonOf(expanded, { of: [good, misspelt, nameless] })).toMatch(/did you mean Price\?$/);
    expect(reasonOf(expanded, { Of: [good] })).toMatch(/has no "of": did you mean Of\?$/);
  });

  it('is told by a schema, too', () => {
    const fields = { symbol: 'A', time: '2026-01-05T12:00:00Z', Price: 1 };
    for (const schema of [
      z.object({ symbol: z.string(), time: z.string(), price: z.number() }),
      v.object({ symbol: v.string(), time: v.string(), price: v.number() }),
    ]) {
      expect(reasonOf(tradesOf(kinesis<Trade>({ schema })), fields)).toMatch(
        /^price: Invalid.*; the record has no "price": did you mean Price\?$/,
      );
    }
  });

  it('is not one that the definition asks for as well, nor told where nothing is missing', () => {
    const either = definePipeline('trades', kinesis<Trade & { Price?: number }>(), {
      ...rules,
      windows: { minute: tumbling({ size: '1m' }, { high: max(({ Price, price }) => Price ?? price) }) },
    });
    const text = { ...good, price: 'n/a' };
    expect(reasonOf(either, text)).toBe('the selected value is string, not a finite number');
    expect(reasonOf(trades, text)).toBe('field "price" is string, not a finite number');
    expect(reasonOf(trades, 'null')).not.toContain('did you mean');
    expect(reasonOf(trades, '{')).not.toContain('did you mean');
  });

  it('is looked for in any record', () => {
    fc.assert(
      fc.property(fc.json(), (record) => {
        expect(() => shownOf(trades, record)).not.toThrow();
      }),
    );
  });
});

describe('what is shown of refused records', () => {
  const line = (at: number, reason: string, text = '{}') => ({ line: at, reason, data: Buffer.from(text) });

  it('is the line, and how it begins, without what a terminal would obey', () => {
    const shown = (text: string) => beginningOf(Buffer.from(text));
    expect(shown(`{"a":1}\u001b[2J\u202e\u2028${'x'.repeat(100)}`)).toBe(`{"a":1}·[2J··${'x'.repeat(67)}…`);
    expect(shown('\u001b[2J\r\n\u{1f600}')).toBe('·[2J··\u{1f600}');
    expect(shown('\u{1f600}'.repeat(81))).toBe(`${'\u{1f600}'.repeat(80)}…`);
    expect(shownOf(trades, '{')).toMatchObject({ line: 7, data: Buffer.from('{') });
  });

  it('is how many there are of a code, the first few, and what else is wrong with these', () => {
    const read = new Map<string, Refused>();
    for (let at = 2; at < 7; at++)
      addRefused(read, 'not-json', () => line(at, at === 3 ? 'other' : 'short', `a,${at}`));
    addRefused(read, 'select', () => line(9, 'no \u001bnumber'));
    const committed = new Map<string, Refused>();
    for (let at = 0; at < 1_500; at++)
      addRefused(committed, 'not-json', () => ({ reason: 'no JSON', data: Buffer.from('a') }));
    addRefused(committed, 'fold', () => ({ reason: 'melted', data: Buffer.from('{"v":9}') }));
    expect(refusedLines(eitherRefused(read, committed))).toEqual([
      '  1,500 × poison, not-json: short',
      '    line 2: a,2',
      '    line 3: a,3 (other)',
      '    line 4: a,4',
      '    and 1,497 others',
      '  1 × poison, select: no ·number',
      '    line 9: {}',
      '  1 × poison, fold: melted',
      '    a record: {"v":9}',
    ]);
    const child = new Map([['key', { times: 1, first: [{ ...line(4, 'no key', 'a'), child: 2 }] }]]);
    expect(refusedLines(child)).toEqual(['  1 × poison, key: no key', '    line 4, child 2: a']);
    expect(refusedLines(new Map())).toEqual([]);
  });

  it('has the lines of what was refused only as it was folded, from the input, read once more', async () => {
    const records = ['{"v":1}', '{"v":9}', '{"v":2}', '{"v":9}', '{"v":8}'].map((text) => Buffer.from(text));
    let times = 0;
    async function* input() {
      times++;
      for (const [at, data] of records.entries()) yield { line: at + 1, data, length: data.length };
    }
    const refused = new Map<string, Refused>();
    addRefused(refused, 'select', () => ({ line: 3, reason: 'no number', data: records[2] as Buffer }));
    expect(await withLines(refused, input)).toEqual(refused);
    expect(times).toBe(0);
    for (const text of ['{"v":9}', '{"v":9}', '{"v":7}'])
      addRefused(refused, 'fold', () => ({ reason: 'melted', data: Buffer.from(text) }));
    expect(refusedLines(await withLines(refused, input))).toEqual([
      '  1 × poison, select: no number',
      '    line 3: {"v":2}',
      '  3 × poison, fold: melted',
      '    line 2: {"v":9}',
      '    line 4: {"v":9}',
      '    a record: {"v":7}',
    ]);
  });
});
