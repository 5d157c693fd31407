import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  decode,
  decodeTables,
  encode,
  encodeTables,
  FORMAT_VERSION,
  frame,
  unframe,
} from '../../src/core/codec.ts';
import { contentsOf } from './codec-columns.ts';
import { LISTS, PLAIN, SECTIONS, TABLES } from './codec-golden.ts';
import { expectIdentical } from './plain.ts';

/** What version 1 wrote, and so what must be read for as long as it is: hexadecimal, 32 bytes a line. */
const FOLDER = new URL('golden/v1/', import.meta.url);

const written = (name: string): Uint8Array =>
  Uint8Array.from(
    Buffer.from(readFileSync(new URL(`${name}.hex`, FOLDER), 'utf8').replaceAll('\n', ''), 'hex'),
  );

const expectSameBytes = (actual: Uint8Array, expected: Uint8Array): void =>
  expect(Buffer.from(actual).toString('hex')).toBe(Buffer.from(expected).toString('hex'));

describe('version 1', () => {
  it('is the version that is written', () => {
    expect(FORMAT_VERSION).toBe(1);
  });

  it('writes and reads plain data as it always did', () => {
    expectIdentical(decode(written('plain')), PLAIN);
    expectSameBytes(encode(PLAIN), written('plain'));
  });

  it.each(Object.entries(LISTS))(
    'writes and reads a list of numbers as it always did: %s',
    (name, { kind, values }) => {
      const bytes = written(`list-${name}`);
      expectIdentical(decode(bytes), values);
      expectSameBytes(encode(values), bytes);
      // A tag and the length come before the kind.
      expect(bytes[values.length < 128 ? 2 : 3]).toBe(kind);
    },
  );

  it('writes and reads tables as it always did', () => {
    expectIdentical(
      decodeTables(written('tables')).map((tables) => tables.map(contentsOf)),
      TABLES.map((tables) => tables.map(contentsOf)),
    );
    expectSameBytes(encodeTables(TABLES), written('tables'));
  });

  it('writes and reads frames as it always did', () => {
    expect(unframe(written('frame'))).toEqual(SECTIONS);
    expectSameBytes(frame(SECTIONS), written('frame'));
  });

  it('has no file that nothing reads', () => {
    const names = ['plain', 'tables', 'frame', ...Object.keys(LISTS).map((name) => `list-${name}`)];
    expect(readdirSync(FOLDER).sort()).toEqual(names.map((name) => `${name}.hex`).sort());
  });
});
