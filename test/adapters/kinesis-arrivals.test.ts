import {
  ExpiredIteratorException,
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { describe, expect, it } from 'vitest';
import { kinesisArrivals } from '../../src/adapters/kinesis/arrivals.ts';
import { memoryProgress } from '../../src/adapters/memory/progress.ts';
import { positionOf } from '../../src/core/position.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { at, NOON } from '../engine/scene.ts';

const SHARD = 'shardId-000000000000';

/** A page is empty, or has the record of that position, or is past the end of what the shard holds, or of the shard. */
type Page = 'empty' | 'end' | 'closed' | number;

/** A stream of one shard, read page by page; an iterator tells when it was given, and its page. */
function sparse(pages: readonly Page[]) {
  const asked: string[] = [];
  let pauses = 0;
  let given = 0;
  const iterator = (place: number) => `${given} ${place}`;
  const answers = {
    [ListShardsCommand.name]: () => ({ Shards: [{ ShardId: SHARD }] }),
    [GetShardIteratorCommand.name]: ({
      StartingSequenceNumber: after,
    }: {
      StartingSequenceNumber?: string;
    }) => {
      asked.push(`after ${after ?? 'nothing'}`);
      return { ShardIterator: iterator(after === undefined ? 0 : pages.indexOf(Number(after)) + 1) };
    },
    [GetRecordsCommand.name]: ({ ShardIterator = '' }: { ShardIterator?: string }) => {
      const [time, place] = ShardIterator.split(' ').map(Number) as [number, number];
      if (time < given) throw new ExpiredIteratorException({ message: 'expired', $metadata: {} });
      const page = pages[place] ?? 'end';
      asked.push(String(page));
      return {
        Records:
          typeof page === 'number'
            ? [{ SequenceNumber: String(page), ApproximateArrivalTimestamp: new Date(at(page)) }]
            : [],
        MillisBehindLatest: page === 'end' ? 0 : 60_000,
        NextShardIterator: page === 'closed' ? undefined : iterator(place + 1),
      };
    },
  };
  const client = {
    send: async (command: { readonly input: object }) => answers[command.constructor.name]?.(command.input),
  };
  const clock: Clock = {
    now: () => NOON,
    alarm(time, ring) {
      expect(time).toBe(NOON + 250);
      pauses++;
      queueMicrotask(ring);
      return () => {};
    },
    turn: async () => {},
  };
  const progress = memoryProgress();
  const arrivals = kinesisArrivals(client as unknown as KinesisClient, 'readings', progress, clock);
  return {
    asked,
    pauses: () => pauses,
    frontier: () => arrivals.frontier(at(1_000)),
    commit: (position: number) => progress.note(`readings/${SHARD}`, positionOf(String(position))),
    /** Lets the time of all iterators so far run out. */
    expire() {
      given++;
    },
  };
}

const empty = (pages: number): Page[] => Array.from({ length: pages }, () => 'empty');

describe('what waits on a sparse shard', () => {
  it('is the first record, though empty pages come before it', async () => {
    const { frontier, pauses } = sparse([...empty(39), 7]);
    expect(await frontier()).toBe(at(7));
    // So many pages a second are Lambda's to read as well.
    expect(pauses()).toBe(39);
  });

  it('is found again while it is not committed, and what follows it once it is', async () => {
    const { frontier, commit, asked } = sparse([...empty(2), 7, ...empty(2), 8]);
    expect([await frontier(), await frontier()]).toEqual([at(7), at(7)]);
    await commit(7);
    expect(await frontier()).toBe(at(8));
    expect(asked).toEqual(['after nothing', 'empty', 'empty', '7', '7', 'after 7', 'empty', 'empty', '8']);
  });

  it('is nothing once an empty page is the last of what the shard holds', async () => {
    expect(await sparse([...empty(3), 'end']).frontier()).toBe(at(1_000));
  });

  it('is nothing once an empty page is the last of a shard that was closed', async () => {
    expect(await sparse([...empty(3), 'closed']).frontier()).toBe(at(1_000));
  });

  it('cannot be told after 40 empty pages, from which the next search goes on', async () => {
    const { frontier, asked } = sparse([...empty(45), 7]);
    expect(await frontier()).toBeUndefined();
    expect(asked).toHaveLength(1 + 40);
    expect(await frontier()).toBe(at(7));
    expect(asked).toHaveLength(1 + 40 + 6);
  });

  it('is looked for anew where the iterator that would go on has expired', async () => {
    const { frontier, commit, expire, asked } = sparse([6, ...empty(41), 7]);
    await commit(6);
    expect(await frontier()).toBeUndefined();
    expire();
    expect(await frontier()).toBeUndefined();
    expect(asked.filter((one) => one.startsWith('after'))).toEqual(['after 6', 'after 6']);
    expect(await frontier()).toBe(at(7));
  });
});
