import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../src/core/codec/frame.ts';
import { decode } from '../../src/core/codec.ts';
import * as layout from '../../src/engine/format/layout.ts';
import { count, definePipeline, kinesis, type Pipeline, tumbling } from '../../src/index.ts';
import { at, type Reading, Scene } from '../engine/scene.ts';

const PAGE = readFileSync(new URL('../../docs/log-format.md', import.meta.url), 'utf8');

/** The names in each list of places of the page, by what the code calls it. */
const listed = new Map(
  [...PAGE.matchAll(/<!-- places (\w+) -->\n((?:\|.*\n)+)/g)].map(([, name = '', table = '']) => [
    name,
    [...table.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, place, field]) => [Number(place), field]),
  ]),
);

describe('the page on the format of logs', () => {
  it('lists the places of everything that has places, in their order', () => {
    const places = Object.entries(layout).map(([name, { names }]) => [
      name,
      names.map((field, place) => [place, field]),
    ]);
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(places));
  });

  it('says enough to take an entry apart', async () => {
    const pipeline = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      groups: 1,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    }) as Pipeline;
    const scene = new Scene(pipeline);
    await scene.process([
      scene.put('pump', at(0, 1)),
      scene.put('oven', at(1, 1)),
      scene.putText('?', at(1, 2)),
    ]);
    const [entry] = scene.entriesOf('pump');
    const body = Buffer.from(entry?.body ?? []);

    const [, format] = /format (\d+) of entries/.exec(PAGE) ?? [];
    expect(body[0]).toBe(Number(format));
    expect([body[1], body[2]]).toEqual([FORMAT_VERSION, 2]);
    let from = 3;
    const varint = (): number => {
      let value = 0;
      for (let bits = 0; ; bits += 7) {
        const byte = body[from++] as number;
        value += (byte % 128) * 2 ** bits;
        if (byte < 128) return value;
      }
    };
    const [state, panes] = [varint(), varint()];
    expect(from + state + panes + 4).toBe(body.length);
    expect(body.readUInt32LE(body.length - 4)).toBe(crc32c(body.subarray(1, -4)));
    const inflated = inflateRawSync(body.subarray(from, from + state));
    const plain = decode(inflated.subarray(4, 4 + inflated.readUInt32LE(0))) as readonly unknown[];
    const fields = Object.fromEntries(
      (listed.get('STATE') ?? []).map(([place, name]) => [name, plain[Number(place)]]),
    );
    expect(fields).toMatchObject({
      version: 1,
      base: 1,
      sealed: false,
      positions: [['readings/shardId-000000000000', '3000000000000', at(1, 2)]],
      keys: ['pump', 'oven'],
      counters: [2, 0, 1, []],
      poison: [['readings/shardId-000000000000', '3000000000000']],
    });
  });
});

/** As it is defined, bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffff_ffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0x82f6_3b78 : 0);
  }
  return ~remainder >>> 0;
}
