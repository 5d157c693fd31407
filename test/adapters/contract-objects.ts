import { describe, expect, it } from 'vitest';
import type { ObjectStore, StoredObject } from '../../src/ports/stores.ts';
import { fresher, type Gaps, itUnless, ODD_NAMES } from './contract-titles.ts';

export interface ObjectsHarness {
  readonly objects: ObjectStore;
  readonly read: (name: string) => Promise<StoredObject | undefined>;
}

const fresh = fresher();
const object = (text: string): StoredObject => ({ body: Buffer.from(text), contentType: 'text/plain' });

export function objectStoreContract(open: () => ObjectsHarness, { names, races }: Gaps = {}): void {
  const textOf = async (name: string) => Buffer.from((await open().read(name))?.body ?? []).toString();

  describe('an object store', () => {
    it.each<[string, Uint8Array]>([
      ['nothing', new Uint8Array()],
      ['every byte', Uint8Array.from({ length: 256 }, (_, byte) => byte)],
      ['a part of a larger buffer', Buffer.from('--part--').subarray(2, 6)],
      ['five megabytes', new Uint8Array(5_000_000).fill(0xf3)],
    ])('creates an object of %s, with its type', async (_, body) => {
      const { objects, read } = open();
      const name = `${fresh('poison')}/pipeline=flights/date=2026-01-05/0123456789abcdef0123456789abcdef.ndjson`;
      const given = { contentType: 'application/x-ndjson' };
      expect(await objects.create(name, { body, ...given })).toBe('created');
      const stored = await read(name);
      expect(stored).toMatchObject(given);
      expect(Buffer.compare(stored?.body ?? Buffer.of(), body)).toBe(0);
    });

    it('keeps what it was given, whatever becomes of the buffer', async () => {
      const { objects } = open();
      const name = fresh('object');
      const body = Buffer.from('given');
      await objects.create(name, { body, contentType: 'text/plain' });
      body.fill(0);
      expect(await textOf(name)).toBe('given');
    });

    it('never changes an object that exists', async () => {
      const { objects } = open();
      const name = `${fresh('panes')}/pipeline=flights/date=2026-01-05/hour=12/1-000000000001.ndjson.gz`;
      expect(await objects.create(name, object('first'))).toBe('created');
      expect(await objects.create(name, object('second'))).toBe('exists');
      expect(await objects.create(name, object('first'))).toBe('exists');
      expect(await textOf(name)).toBe('first');
    });

    itUnless(races)(
      'lets exactly one of many racing writers create an object, and keeps its bytes',
      async () => {
        const { objects } = open();
        const name = fresh('object');
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, (_, writer) => objects.create(name, object(String(writer)))),
        );
        const winner = Number(await textOf(name));
        expect(outcomes).toEqual(outcomes.map((_, at) => (at === winner ? 'created' : 'exists')));
      },
    );

    it('knows which objects exist, of which the names alone tell nothing', async () => {
      const { objects } = open();
      const name = fresh('object');
      expect(await objects.exists(name)).toBe(false);
      await objects.create(`${name}/below`, object('here'));
      expect(await objects.exists(name)).toBe(false);
      expect(await objects.exists(`${name}/`)).toBe(false);
      expect(await objects.exists(`${name}/below`)).toBe(true);
      expect(await objects.exists(`${name}/below/not-this`)).toBe(false);
    });

    it('keeps objects apart, whatever they are called', async () => {
      const { objects } = open();
      const folder = fresh('panes');
      const names = ODD_NAMES.map((name) => `${folder}/key=${name}/1`);
      for (const name of names) {
        expect(await objects.exists(name)).toBe(false);
        expect(await objects.create(name, object(name))).toBe('created');
      }
      for (const name of names) {
        expect(await objects.exists(name)).toBe(true);
        expect(await objects.create(name, object('another'))).toBe('exists');
        expect(await textOf(name)).toBe(name);
      }
    });

    it('takes a name of 1,024 bytes', async () => {
      const { objects } = open();
      const name = fresh('object').padEnd(1_024, 'n');
      expect(await objects.create(name, object('here'))).toBe('created');
      expect(await textOf(name)).toBe('here');
    });

    itUnless(names)('refuses a longer name', async () => {
      const { objects } = open();
      const long = fresh('object').padEnd(1_025, 'n');
      await expect(objects.create(long, object('refused'))).rejects.toThrow();
    });
  });
}
