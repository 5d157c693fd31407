import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dynamoRowReader } from '../../src/adapters/dynamodb/row-reader.ts';
import { dynamoRows } from '../../src/adapters/dynamodb/rows.ts';
import { memoryObjects } from '../../src/adapters/memory/objects.ts';
import { memoryReading } from '../../src/adapters/memory/reading.ts';
import { memoryRows } from '../../src/adapters/memory/rows.ts';
import { s3ObjectReader } from '../../src/adapters/s3/object-reader.ts';
import { s3Objects } from '../../src/adapters/s3/objects.ts';
import { canonicalJson } from '../../src/core/hash.ts';
import type { Plain } from '../../src/core/plain.ts';
import { count, definePipeline, kinesis, rolling } from '../../src/index.ts';
import {
  type Clients,
  connect,
  createResources,
  disconnect,
  type ResourceNames,
  resourceNames,
} from '../../src/local/resources.ts';
import { type LocalServers, startServers } from '../../src/local/servers/servers.ts';
import type { ObjectReader, RowRange, RowReader } from '../../src/ports/reading.ts';
import type { ObjectStore, Row, RowStore } from '../../src/ports/stores.ts';

const pipeline = definePipeline('reading', kinesis<{ id: string }>(), {
  key: ({ id }) => id,
  eventTime: () => 0,
  windows: { last: rolling({ count: 1 }, { n: count() }) },
});

let servers: LocalServers;
let clients: Clients;
let names: ResourceNames;
beforeAll(async () => {
  servers = await startServers({});
  clients = connect(servers.endpoints);
  names = resourceNames(pipeline);
  await createResources(names, clients);
});
afterAll(async () => {
  disconnect(clients);
  await servers.close();
});

const row = (sort: string, results: Record<string, unknown>, key = 'a key'): Row => ({
  partition: `reading#${key}`,
  sort,
  order: 1_700_000_000_000,
  settled: true,
  pane: {
    id: `reading/${key}/${sort}/0`,
    pipeline: 'reading',
    key,
    window: 'last',
    start: '2026-01-01T00:00:00.000Z',
    end: '2026-01-01T00:00:00.001Z',
    revision: 0,
    kind: 'rolling',
    index: 7,
    results,
    count: 1,
    watermark: '2026-01-01T00:00:00.000Z',
  },
});

const ROWS = [
  row('last#1', {
    n: 1,
    nothing: null,
    yes: true,
    text: 'ä ✓',
    list: [1, 'a', [null]],
    nested: { b: 1, a: -2.5 },
  }),
  row('last#2', { huge: 1e200, tiny: 1e-200, exact: 0.1 + 0.2, most: Number.MAX_SAFE_INTEGER, zero: -0 }),
  row('last#3', { much: 'x'.repeat(130_000) }),
  row('last#latest', {}),
];

describe.each<{ adapter: string; open: () => { rows: RowStore; reader: RowReader } }>([
  {
    adapter: 'memory',
    open() {
      const rows = memoryRows();
      return { rows, reader: memoryReading({ rows, objects: memoryObjects() }).rows };
    },
  },
  {
    adapter: 'DynamoDB',
    open: () => ({
      rows: dynamoRows(clients.dynamodb, names.rowsTable),
      reader: dynamoRowReader(clients.dynamodb, names.rowsTable),
    }),
  },
])('a reader of rows in $adapter', ({ open }) => {
  it('gives the rows of a partition in order, each as it says that it is stored', async () => {
    const { rows, reader } = open();
    await rows.put([...ROWS].reverse());
    await rows.put([row('last#1', {}, 'a key more')]);
    const found: string[] = [];
    for await (const stored of reader.ofPartition('reading#a key'))
      found.push(canonicalJson(stored as unknown as Plain));
    expect(found).toEqual(ROWS.map((one) => canonicalJson(reader.asStored(one) as unknown as Plain)));
  });

  it('gives all rows of a partition that takes many answers', async () => {
    const { rows, reader } = open();
    const many = Array.from({ length: 60 }, (_, n) =>
      row(`last#${String(n).padStart(3, '0')}`, { text: 'x'.repeat(50_000) }, 'many'),
    );
    await rows.put(many);
    const sorts: string[] = [];
    for await (const { sort } of reader.ofPartition('reading#many')) sorts.push(sort);
    expect(sorts).toEqual(many.map(({ sort }) => sort));
  });

  it('gives the rows of a range in either order, from any row on, however many it fetches at once', async () => {
    const { rows, reader } = open();
    const names = ['a#0', 'b#1', 'b#2', 'b#3', 'b#4', 'b#latest', 'c#1'];
    await rows.put(names.map((name) => row(name, {}, 'ranged')));
    const sorts = async (range: RowRange) => {
      const found: string[] = [];
      for await (const { sort } of reader.ofPartition('reading#ranged', range)) found.push(sort);
      return found;
    };
    const [from, to] = ['b#0', 'b#:'];
    for (const about of [undefined, 1, 3]) {
      expect(await sorts({ from, to, about })).toEqual(['b#1', 'b#2', 'b#3', 'b#4']);
      expect(await sorts({ from, to, about, descending: true })).toEqual(['b#4', 'b#3', 'b#2', 'b#1']);
      expect(await sorts({ from, to, about, after: 'b#2' })).toEqual(['b#3', 'b#4']);
      expect(await sorts({ from, to, about, after: 'b#25' })).toEqual(['b#3', 'b#4']);
      expect(await sorts({ from, to, about, after: 'b#3', descending: true })).toEqual(['b#2', 'b#1']);
      expect(await sorts({ from: 'b#2', to: 'b#3', about })).toEqual(['b#2', 'b#3']);
      expect(await sorts({ from: 'b#latest', to: 'b#latest', about })).toEqual(['b#latest']);
    }
  });

  it('gives nothing of a partition that there is not', async () => {
    for await (const found of open().reader.ofPartition('reading#nobody')) expect(found).toBeUndefined();
  });
});

describe.each<{ adapter: string; open: () => { objects: ObjectStore; reader: ObjectReader } }>([
  {
    adapter: 'memory',
    open() {
      const objects = memoryObjects();
      return { objects, reader: memoryReading({ objects, rows: memoryRows() }).objects };
    },
  },
  {
    adapter: 'S3',
    open: () => ({
      objects: s3Objects(clients.s3, names.bucket),
      reader: s3ObjectReader(clients.s3, names.bucket),
    }),
  },
])('a reader of objects in $adapter', ({ open }) => {
  const create = (objects: ObjectStore, name: string, body = Buffer.of(1)) =>
    objects.create(name, { body, contentType: 'application/octet-stream' });

  it('lists the names under a prefix in order, more than one answer holds', async () => {
    const { objects, reader } = open();
    const all = Array.from({ length: 1_005 }, (_, n) => `many/${String(n).padStart(5, '0')}`);
    await Promise.all([...all].reverse().map((name) => create(objects, name)));
    await create(objects, 'other/1');
    const listed: string[] = [];
    for await (const name of reader.list('many/')) listed.push(name);
    expect(listed).toEqual(all);
  });

  it('reads an object, and nothing where there is none', async () => {
    const { objects, reader } = open();
    await create(objects, 'read/one', Buffer.of(0, 255, 10));
    expect([...((await reader.read('read/one')) ?? [])]).toEqual([0, 255, 10]);
    expect(await reader.read('read/none')).toBeUndefined();
  });
});
