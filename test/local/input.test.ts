import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_RECORD_BYTES } from '../../src/engine/intake/json-bytes.ts';
import { type InputOptions, readInput } from '../../src/local/input.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The records of a file of that name and content, with their lines. */
async function recordsOf(name: string, content: string | Uint8Array, options?: InputOptions) {
  const path = join(folder, name);
  await writeFile(path, content);
  const records: [line: number, text: string, fault?: string][] = [];
  for await (const { line, data, fault } of readInput(path, options)) {
    const text = Buffer.from(data).toString('latin1');
    records.push(fault === undefined ? [line, text] : [line, text, fault]);
  }
  return records;
}

const textsOf = async (name: string, content: string | Uint8Array, options?: InputOptions) =>
  (await recordsOf(name, content, options)).map(([, text]) => text);

const MARK = '\ufeff';

describe('lines of JSON', () => {
  it('are cut at line feeds alone, and are the bytes that the file has', async () => {
    const latin1 = Buffer.from('{"k":"caf\xe9"}', 'latin1');
    const separators = Buffer.from('{"k":"one\u2028two\u2029three\u0085four\rfive"}');
    const content = Buffer.concat([latin1, Buffer.from('\r\n'), separators]);
    expect(await recordsOf('a.ndjson', content)).toEqual([
      [1, latin1.toString('latin1')],
      [2, separators.toString('latin1')],
    ]);
  });

  it('are passed over where they are blank, and counted as lines', async () => {
    expect(await recordsOf('a.ndjson', '\n{}\n \t \r\n\r\n  [1] \n\n')).toEqual([
      [2, '{}'],
      [5, '[1]'],
    ]);
    expect(await recordsOf('a.ndjson', '')).toEqual([]);
  });

  it('come out the same wherever the file is cut into chunks', async () => {
    const line = fc.stringMatching(/^[^\s][^\n]{0,40}[^\s]$/);
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 5 }), fc.nat(140_000), async (some, padding) => {
        const long = 'x'.repeat(padding + 1);
        const right = [long, ...some].map((text) => Buffer.from(text).toString('latin1'));
        expect(await textsOf('a.ndjson', [long, ...some].join('\n'))).toEqual(right);
      }),
      { numRuns: 25 },
    );
  });

  it('without an end are counted whole, and kept no further than to be refused for their size', async () => {
    const path = join(folder, 'endless.ndjson');
    await writeFile(path, `{}\n${'x'.repeat(20 * MAX_RECORD_BYTES)}\n[]`);
    const sizes: number[][] = [];
    for await (const { line, data, length } of readInput(path)) sizes.push([line, data.length, length]);
    expect(sizes).toEqual([
      [1, 2, 2],
      [2, MAX_RECORD_BYTES + 1, 20 * MAX_RECORD_BYTES],
      [3, 2, 2],
    ]);
  });
});

describe('whatever the kind of input', () => {
  const kinds = [
    ['a.ndjson', '{"k":1}\n{"k":2}\n'],
    ['a.json', '[{"k":1},{"k":2}]'],
    ['b.json', '{"k":1}\n{"k":2}\n'],
    ['a.csv', 'k\n1\n2\n'],
    ['a.tsv', 'k\n1\n2\n'],
  ] as const;

  it.each(kinds)(
    'a byte order mark is dropped, and lines may end as on Windows: %s',
    async (name, content) => {
      const right = ['{"k":1}', '{"k":2}'];
      expect(await textsOf(name, content)).toEqual(right);
      expect(await textsOf(name, MARK + content.replaceAll('\n', '\r\n'))).toEqual(right);
    },
  );

  it.each(kinds)(
    'what is gzipped is unpacked, whether or not its name says so: %s',
    async (name, content) => {
      const right = ['{"k":1}', '{"k":2}'];
      expect(await textsOf(`${name}.gz`, gzipSync(MARK + content))).toEqual(right);
      expect(await textsOf(`${name}.GZ`, gzipSync(content))).toEqual(right);
      expect(await textsOf(name, gzipSync(content))).toEqual(right);
      const members = Buffer.concat([gzipSync(content.slice(0, 7)), gzipSync(content.slice(7))]);
      expect(await textsOf(`${name}.gz`, members)).toEqual(right);
    },
  );

  it.each(kinds)('UTF-16 is refused, as is what is no text: %s', async (name, content) => {
    for (const [bytes, kind] of [
      [Buffer.from(MARK + content, 'utf16le'), 'UTF-16 text'],
      [Buffer.from(MARK + content, 'utf16le').swap16(), 'UTF-16 text'],
      [Buffer.from('PK\x03\x04 and more'), 'a zip archive or a spreadsheet'],
      [Buffer.from('PAR1 and more'), 'Parquet'],
      [gzipSync(Buffer.from(MARK, 'utf16le')), 'UTF-16 text'],
    ] as const) {
      await expect(recordsOf(name, bytes)).rejects.toThrow(
        `Cannot read ${join(folder, name)}, after 0 records: an input must be text in UTF-8, gzipped or not: this is ${kind}`,
      );
    }
  });

  it.each(kinds)('a file that is missing, or is a directory, is an error: %s', async (name) => {
    const read = async (path: string) => {
      for await (const _ of readInput(path));
    };
    const missing = join(folder, `no-such-${name}`);
    await expect(read(missing)).rejects.toThrow(`Cannot read ${missing}, after 0 records: ENOENT`);
    await expect(read(folder)).rejects.toThrow(`Cannot read ${folder}, after 0 records: EISDIR`);
  });

  it('what is broken off says after how many records', async () => {
    const records = Array.from({ length: 20_000 }, (_, n) => `{"n":${n},"noise":${Math.sin(n)}}\n`).join('');
    const packed = gzipSync(records);
    await expect(recordsOf('a.ndjson.gz', packed.subarray(0, packed.length / 2))).rejects.toThrow(
      /^Cannot read .*a.ndjson.gz, after \d{4,5} records: unexpected end of file$/,
    );
  });
});

describe('a .json file', () => {
  it('is a list, whose records keep their bytes', async () => {
    const content = `${MARK}
      [ {"id": 1234567890123456789, "v": 1.10},
        {"deep": [{"a": "],}\\"["}, [2]]}, null ,
        "text, with \\\\" ]
    `;
    expect(await recordsOf('a.json', content)).toEqual([
      [2, '{"id": 1234567890123456789, "v": 1.10}'],
      [3, '{"deep": [{"a": "],}\\"["}, [2]]}'],
      [3, 'null'],
      [4, '"text, with \\\\"'],
    ]);
    expect(await textsOf('a.json', ' [ ] ')).toEqual([]);
    expect(await textsOf('a.json', '')).toEqual([]);
  });

  it('gives the values of its list, whatever they are and however they are written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), fc.constantFrom(0, 1, '\t'), async (values, space) => {
        const texts = await textsOf('a.json', JSON.stringify(values, null, space));
        expect(
          texts.map((text) => Buffer.from(text, 'latin1').toString()).map((text) => JSON.parse(text)),
        ).toEqual(values.map((value) => JSON.parse(JSON.stringify(value))));
      }),
      { numRuns: 50 },
    );
  });

  it('may be lines of JSON, one object on a line, or one on several', async () => {
    expect(await recordsOf('a.json', '{"a":"{"}\n\n{"a":\n{"a":3}\n')).toEqual([
      [1, '{"a":"{"}'],
      [3, '{"a":'],
      [4, '{"a":3}'],
    ]);
    expect(await textsOf('a.json', '{"a":[1]}')).toEqual(['{"a":[1]}']);
    expect(await recordsOf('a.json', '\n{\n  "a": 1\n}\n')).toEqual([[2, '{\n  "a": 1\n}']]);
  });

  it('with a record that is malformed gives it as it is, between its neighbours', async () => {
    expect(await textsOf('a.json', '[{"a":1},{a:2},{"a":3} {"a":4},{"a":5}]')).toEqual([
      '{"a":1}',
      '{a:2}',
      '{"a":3} {"a":4}',
      '{"a":5}',
    ]);
  });

  it.each([
    [
      '[{"a":1},\n{"a":2},\n{"a":3',
      2,
      'the list must be closed: it ends within the record that begins on line 3',
    ],
    ['[1,\n,2]', 1, 'a list must have a record beside each comma: on line 2 there is none'],
    ['[1,\n]', 1, 'a list must have a record beside each comma: on line 2 there is none'],
    ['[1]\n{"a":1}', 1, 'there must be nothing but a list of records: on line 2 there is more'],
    ['[1]\n\nmore', 1, 'there must be nothing but a list of records: on line 3 there is more'],
  ])('says where its list is malformed: %j', async (content, after, message) => {
    await expect(recordsOf('a.json', content)).rejects.toThrow(
      `Cannot read ${join(folder, 'a.json')}, after ${after} records: ${message}`,
    );
  });
});

describe('CSV', () => {
  it('gives objects, whose numbers are as they are written', async () => {
    const content = 'id,name,v\n007, a b ,1.10\n"x","say ""hi"", you",-2\n,,\n';
    expect(await textsOf('a.csv', content)).toEqual([
      '{"id":"007","name":"a b","v":1.10}',
      '{"id":"x","name":"say \\"hi\\", you","v":-2}',
      '{"id":"","name":"","v":""}',
    ]);
  });

  it.each([
    '0',
    '-0',
    '12',
    '-7',
    '0.5',
    '1.10',
    '9007199254740991',
    '1e-7',
    '1e+20',
    '1.5E7',
    '12345678901234567.5',
  ])('takes %s as a number', async (cell) => {
    expect(await textsOf('a.csv', `v\n${cell}\n`)).toEqual([`{"v":${cell}}`]);
  });

  it.each([
    '9007199254740992',
    '-9007199254740993',
    '1234567890123456789',
    '12e4',
    '1E5',
    '1.0e999',
    '007',
    '+1',
    '.5',
    '5.',
    '0x10',
    '1,5',
    '1_000',
    'NaN',
    'Infinity',
    '2026-01-05',
    'e5',
    '-',
  ])('leaves %s a text', async (cell) => {
    expect(await textsOf('a.csv', `v;w\n${cell};1\n`)).toEqual([`{"v":"${cell}","w":1}`]);
  });

  it('gives each row its line in the file, also after quoted line breaks and blank lines', async () => {
    const content = '\r\nk,note\r\n\r\na,"one\r\ntwo"\r\n  \r\nb,"""\r\n"\r\nc,d';
    expect(await recordsOf('a.csv', content)).toEqual([
      [4, '{"k":"a","note":"one\\r\\ntwo"}'],
      [7, '{"k":"b","note":"\\"\\r\\n"}'],
      [9, '{"k":"c","note":"d"}'],
    ]);
  });

  it('goes on after a row that is too short, too long, or no CSV', async () => {
    const content = 'k,t,v\na,1,2\na,3\na,4,5,6\na,"b"c,7\na,5" pipe,8\ncaf\xe9,9,10\na,11,12\n';
    const quotes = 'a quote that a cell begins with must be closed, at the end of the cell';
    expect(await recordsOf('a.csv', Buffer.from(content, 'latin1'))).toEqual([
      [2, '{"k":"a","t":1,"v":2}'],
      [3, 'a,3', 'the row has 2 cells, and the header 3'],
      [4, 'a,4,5,6', 'the row has 4 cells, and the header 3'],
      [5, 'a,"b"c,7', quotes],
      [6, '{"k":"a","t":"5\\" pipe","v":8}'],
      [7, 'caf\xe9,9,10', 'the row is not in UTF-8'],
      [8, '{"k":"a","t":11,"v":12}'],
    ]);
    expect(await recordsOf('a.csv', 'k,v\na,1\nb,"2\nc,3\n')).toEqual([
      [2, '{"k":"a","v":1}'],
      [3, 'b,"2\nc,3', quotes],
    ]);
  });

  it.each([
    ['a.csv', ','],
    ['a.csv', ';'],
    ['a.csv', '\t'],
    ['a.csv', '|'],
    ['a.tsv', '\t'],
  ])('finds in the header of %s that cells are parted by %j', async (name, separator) => {
    const rows = ['k "a,b" "c;d"'.replaceAll(' ', separator), '1 "2;3,4" '.replaceAll(' ', separator)];
    expect(await textsOf(name, rows.join('\n'))).toEqual(['{"k":1,"a,b":"2;3,4","c;d":""}']);
  });

  it('is parted as it is told, whatever the name', async () => {
    const content = 'a,b:c\n1,2:3\n';
    expect(await textsOf('a.csv', content, { separator: ':' })).toEqual(['{"a,b":"1,2","c":3}']);
    expect(await textsOf('a.txt', content, { separator: ':' })).toEqual(['{"a,b":"1,2","c":3}']);
  });

  it('keeps empty cells at either end of a row of tabs', async () => {
    expect(await textsOf('a.tsv', 'a\tb\tc\n\t1\t\n\t\t\n')).toEqual([
      '{"a":"","b":1,"c":""}',
      '{"a":"","b":"","c":""}',
    ]);
  });

  it('gives back whatever texts are written as CSV', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '😀') });
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), async (rows) => {
        const content = ['x,y', ...rows.map((row) => row.map(quoted).join())].join('\n');
        const texts = await textsOf('a.csv', content);
        const read = texts.map((text) => JSON.parse(Buffer.from(text, 'latin1').toString()));
        expect(read).toEqual(rows.map(([x, y]) => ({ x, y })));
      }),
      { numRuns: 50 },
    );
  });

  it('of a header alone, or of nothing, has no records; of a header that is malformed it says so', async () => {
    expect(await textsOf('a.csv', 'k,t,v\n')).toEqual([]);
    expect(await textsOf('a.csv', '')).toEqual([]);
    await expect(recordsOf('a.csv', 'k,"t"x,v\n1,2,3\n')).rejects.toThrow(
      'after 0 records: its header must be a row of CSV: a quote that a cell begins with must be closed',
    );
  });
});

it('says how much of a file has been read, and of all inputs when they are', async () => {
  const path = join(folder, 'shares.ndjson');
  await writeFile(path, '{"a":1}\n'.repeat(50_000));
  const shares: number[] = [];
  for await (const _ of readInput(path, { onRead: (share) => shares.push(share) }));
  expect(shares[0]).toBeLessThan(0.5);
  expect(shares).toEqual(shares.toSorted((one, other) => one - other));
  expect(shares.at(-1)).toBe(1);
});
