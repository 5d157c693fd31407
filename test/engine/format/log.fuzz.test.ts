import { deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodecError,
  decode,
  decodeTables,
  encode,
  encodeTables,
  frame,
  unframe,
} from '../../../src/core/codec.ts';
import type { Plain } from '../../../src/core/plain.ts';
import { baseOf, decodeLedger, decodePanes } from '../../../src/engine/format/entry.ts';
import { nextEntry } from '../../../src/engine/format/next-entry.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import { type Deployment, firstDeployment, OutdatedError } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group } from '../../../src/engine/group/group.ts';
import { newsOf } from '../../../src/engine/group/taken.ts';
import { fold } from '../../../src/engine/intake/fold.ts';
import { type LogEntry, LogLostError } from '../../../src/ports/commit-log.ts';
import { plain } from '../../core/plain.ts';
import { cutsOf, groupContents, pipelines, recordsOf } from '../batches.ts';

/** A group's log: entries as they were written, and each group as of the entry before. */
interface Written {
  readonly deployment: Deployment;
  readonly entries: readonly LogEntry[];
  readonly befores: readonly Group[];
}

const logs: fc.Arbitrary<Written> = pipelines.chain((pipeline) =>
  recordsOf(pipeline, 24)
    .chain((records) => cutsOf(records, 5))
    .map((parts) => {
      const deployment = firstDeployment(pipeline);
      const entries: LogEntry[] = [];
      const befores: Group[] = [];
      let group = EMPTY_GROUP;
      for (const part of parts) {
        const folded = fold(deployment, group, newsOf(pipeline, group, part));
        const next = nextEntry(deployment, group, folded, part[0]?.arrival ?? (0 as LogEntry['committedAt']));
        befores.push(group);
        entries.push(next.entry);
        group = next.group;
      }
      return { deployment, entries, befores };
    })
    .filter(({ entries }) => entries.length > 0),
);

/** Reads an entry in every way that there is; only these errors may come of it. */
function readAll({ deployment, befores }: Written, place: number, body: Uint8Array, from?: Group): void {
  const before = from ?? (befores[place] as Group);
  const entry: LogEntry = { ordinal: place + 1, committedAt: 0 as LogEntry['committedAt'], body };
  const ways = [
    () => readGroup(deployment, before, [entry]),
    () => readGroup(deployment, EMPTY_GROUP, [entry]),
    () => decodePanes(entry),
    () => decodeLedger(entry),
    () => baseOf(entry),
  ];
  for (const read of ways) {
    try {
      read();
    } catch (error) {
      const isKnown =
        error instanceof CodecError || error instanceof LogLostError || error instanceof OutdatedError;
      if (!isKnown) throw error;
    }
  }
}

const one = <Item>(items: readonly Item[], place: number): [Item, number] => {
  const at = place % items.length;
  return [items[at] as Item, at];
};

/** Some bytes in a body are others, some are left out, some more are put in. */
const edits = fc.array(fc.record({ at: fc.nat(), drop: fc.nat(4), bytes: fc.uint8Array({ maxLength: 4 }) }), {
  minLength: 1,
  maxLength: 4,
});
const edited = (
  body: Uint8Array,
  changes: readonly { at: number; drop: number; bytes: Uint8Array }[],
): Uint8Array =>
  changes.reduce((bytes, { at, drop, bytes: more }) => {
    const place = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, place), more, bytes.subarray(place + drop)]);
  }, body);

/** Both sections of a body, inflated: the plain part and the tables of the state, and those of the panes. */
function partsOf(body: Uint8Array): Uint8Array[] {
  return unframe(body.subarray(1)).flatMap((section) => {
    const both = inflateRawSync(section);
    const boundary = 4 + both.readUInt32LE(0);
    return [both.subarray(4, boundary), both.subarray(boundary)];
  });
}

/** A body of parts, with the checksum that it would have had. */
function bodyOf(parts: readonly Uint8Array[]): Uint8Array {
  const section = (first: Uint8Array, second: Uint8Array): Uint8Array => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(first.length);
    return deflateRawSync(Buffer.concat([length, first, second]));
  };
  const [state, tables, panes, columns] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  return Buffer.concat([Uint8Array.of(6), frame([section(state, tables), section(panes, columns)])]);
}

describe('a body of an entry', () => {
  it('of any bytes is refused', () => {
    fc.assert(
      fc.property(logs, fc.uint8Array({ maxLength: 200 }), fc.boolean(), (log, bytes, versioned) => {
        const body = versioned ? Uint8Array.of(4, 1, ...bytes) : bytes;
        const entry = { ordinal: 1, committedAt: 0 as LogEntry['committedAt'], body };
        expect(() => readGroup(log.deployment, EMPTY_GROUP, [entry])).toThrow(CodecError);
        expect(() => decodePanes(entry)).toThrow(CodecError);
        expect(() => decodeLedger(entry)).toThrow(CodecError);
      }),
    );
  });

  it('that was altered anywhere is refused', () => {
    fc.assert(
      fc.property(logs, fc.nat(), edits, (log, place, changes) => {
        const [entry, at] = one(log.entries, place);
        const body = edited(entry.body, changes);
        fc.pre(Buffer.compare(body, entry.body) !== 0);
        const altered = { ...entry, body };
        expect(() => readGroup(log.deployment, log.befores[at] as Group, [altered])).toThrow(CodecError);
        expect(() => decodePanes(altered)).toThrow(CodecError);
        expect(() => baseOf(altered)).toThrow(CodecError);
      }),
      { numRuns: 500 },
    );
  });

  it('is put together here as it was written', () => {
    fc.assert(
      fc.property(logs, fc.nat(), (log, place) => {
        const [entry, at] = one(log.entries, place);
        const before = log.befores[at] as Group;
        const again = { ...entry, body: bodyOf(partsOf(entry.body)) };
        const { base: _, ...read } = groupContents(readGroup(log.deployment, before, [again]));
        const { base: __, ...written } = groupContents(readGroup(log.deployment, before, [entry]));
        expect(read).toEqual(written);
      }),
      { numRuns: 20 },
    );
  });

  it('whose contents are others, under a checksum of theirs, is refused or read, and nothing else', () => {
    fc.assert(
      fc.property(logs, fc.nat(), fc.nat(3), edits, (log, place, which, changes) => {
        const [entry, at] = one(log.entries, place);
        const parts = partsOf(entry.body);
        parts[which] = edited(parts[which] as Uint8Array, changes);
        readAll(log, at, bodyOf(parts));
      }),
      { numRuns: 1_000 },
    );
  });

  it('whose plain data is any other is refused or read, and nothing else', () => {
    fc.assert(
      fc.property(
        logs,
        fc.nat(),
        fc.constantFrom(0, 2),
        fc.array(fc.nat(12), { maxLength: 3 }),
        plain,
        (log, place, which, path, value) => {
          const [entry, at] = one(log.entries, place);
          const parts = partsOf(entry.body);
          parts[which] = encode(withAt(decode(parts[which] as Uint8Array), path, value));
          readAll(log, at, bodyOf(parts));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('that keeps what is no number of rows is refused or read, and nothing else', () => {
    const odd = fc.constantFrom(-1, -2, 0.5, 1.5, 3, 1e9, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, -0);
    fc.assert(
      fc.property(logs, fc.nat(), fc.nat(), odd, (log, place, which, value) => {
        const deltas = log.entries.filter((entry) => baseOf(entry) !== entry.ordinal);
        fc.pre(deltas.length > 0);
        const [entry] = one(deltas, place);
        const parts = partsOf(entry.body);
        const tables = decodeTables(parts[1] as Uint8Array);
        const [cuts] = tables[0] ?? [];
        fc.pre(cuts !== undefined && cuts.numbers.length > 0);
        cuts.numbers[which % cuts.numbers.length] = value;
        parts[1] = encodeTables(tables);
        readAll(log, entry.ordinal - 1, bodyOf(parts));
      }),
      { numRuns: 500 },
    );
  });

  it('of another group, or out of place, is refused or read, and nothing else', () => {
    fc.assert(
      fc.property(logs, logs, fc.nat(), fc.nat(), (log, other, place, from) => {
        const [entry] = one(other.entries, place);
        const [before] = one(log.befores, from);
        readAll(log, entry.ordinal - 1, entry.body, before);
        // The panes of one behind the state of another.
        const [own] = one(log.entries, from);
        const [state, tables] = partsOf(own.body) as [Uint8Array, Uint8Array];
        const [, , panes, columns] = partsOf(entry.body) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
        readAll(log, own.ordinal - 1, bodyOf([state, tables, panes, columns]));
        readAll(log, own.ordinal - 1, bodyOf([panes, columns, state, tables]));
      }),
      { numRuns: 300 },
    );
  });
});

/** The same data, another value at a place inside of it. */
function withAt(data: Plain, [at, ...path]: readonly number[], value: Plain): Plain {
  if (at === undefined || !Array.isArray(data) || data.length === 0) return value;
  return data.with(at % data.length, withAt(data[at % data.length] as Plain, path, value)) as Plain;
}
