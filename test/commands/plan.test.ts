import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { planCommand } from '../../src/commands/plan.ts';
import { collect, definePipeline, kinesis, table, tumbling } from '../../src/index.ts';
import { LIST } from '../../src/plan/prices.ts';

interface Note {
  readonly user: string;
  readonly at: number;
  readonly text: string;
}

const notes = definePipeline('notes', kinesis<Note>(), {
  key: ({ user }) => user,
  eventTime: ({ at }) => at,
  windows: { minute: tumbling({ size: '1m' }, { texts: collect('text') }) },
}).to(table());

const scratch = mkdtempSync(join(tmpdir(), 'millrace-plan-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const fileOf = (name: string, text: string): string => {
  const file = join(scratch, name);
  writeFileSync(file, text);
  return file;
};

/** Returns what the command prints. */
async function printed(options: Parameters<typeof planCommand>[1]): Promise<string> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect(await planCommand(notes, options)).toBe(0);
  const text = write.mock.calls.map(([text]) => String(text)).join('');
  write.mockRestore();
  return text;
}

describe('millrace plan', () => {
  it('fits a screen, with the load, the dollars, the limits and the prices that it goes by', async () => {
    const text = await printed({ keys: 20 });
    expect(text.split('\n').length).toBeLessThan(40);
    for (const said of [
      'Plan of "notes" for 10 records a second of 200 B, 20 keys',
      /^in all +\$\d+\.\d\d +\$\d+\.\d\d$/m,
      /^nearest limits/m,
      /each of a new key/,
      /Managed Flink/,
      `List prices of us-east-1 as of ${LIST.asOf}`,
      'values are made up',
    ]) {
      expect(text).toMatch(said);
    }
  });

  it('is JSON where that is asked for, maps included', async () => {
    const plan = JSON.parse(await printed({ keys: 20, json: true }));
    expect(plan).toMatchObject({ pipeline: 'notes', load: { keys: 20 }, counts: { load: { messages: {} } } });
    expect(plan.dollars.load).toBeGreaterThan(plan.dollars.idle);
  });

  it('lists the prices', async () => {
    const text = await printed({ prices: 'show' });
    expect(text).toMatch(/^dynamodbWriteUnit +\$0.625 +1,000,000 write request units/m);
    expect(JSON.parse(await printed({ prices: 'show', json: true }))).toEqual(
      JSON.parse(JSON.stringify(LIST)),
    );
  });

  it('goes by the prices of a file', async () => {
    const prices = fileOf(
      'prices.json',
      JSON.stringify({ region: 'moon-1', asOf: '2027-01-31', prices: {} }),
    );
    expect(await printed({ keys: 20, prices })).toContain('List prices of moon-1 as of 2027-01-31');
  });

  it('goes by the values of records that it is given', async () => {
    const record = (n: number) => JSON.stringify({ user: 'u', at: n, text: `${n} ${'long '.repeat(40)}` });
    const sample = fileOf('sample.ndjson', Array.from({ length: 50 }, (_, n) => record(n)).join('\n'));
    const weightOf = async (options: Parameters<typeof planCommand>[1]): Promise<number> =>
      JSON.parse(await printed({ ...options, keys: 20, json: true })).group.weight;
    expect(await weightOf({ sample })).toBeGreaterThan(3 * (await weightOf({})));
  });

  it.each([
    [{ sample: join(scratch, 'none') }, /Cannot read .*none as a sample must be a file of records/],
    [{ sample: fileOf('other.ndjson', '{"a":1}\n') }, /of 1 line it takes none/],
    [{ prices: fileOf('broken.json', '{') }, /Cannot read .*broken.json as prices must be a file of JSON/],
    [{ prices: fileOf('wrong.json', '{}') }, /asOf must be a day/],
  ])('says what is wrong with %j', async (options, why) => {
    await expect(planCommand(notes, options)).rejects.toThrow(why);
  });
});
