import type { DynamoDBStreamEvent } from 'aws-lambda';
import { expect, it } from 'vitest';
import { startWakeUps } from '../../src/local/wake-ups.ts';
import { STATE_KEY } from '../../src/wiring/names.ts';

/** The entries that an event names. */
const namedIn = ({ Records = [] }: Partial<DynamoDBStreamEvent>): string[] =>
  Records.map(({ dynamodb }) => {
    const { [STATE_KEY.partition]: log, [STATE_KEY.sort]: ordinal } = dynamodb?.Keys ?? {};
    return `${log?.S} ${ordinal?.N}`;
  });

it('names every commit in an event, also one that comes while the schedule waits', async () => {
  const events: Partial<DynamoDBStreamEvent>[] = [];
  const wakeUps = startWakeUps(
    async (event) => {
      events.push(event);
      if (events.length === 2) throw new Error('the sink is down');
    },
    () => undefined,
  );
  wakeUps.schedule();
  wakeUps.insert('group/0', 1);
  wakeUps.insert('group/1', 7);
  await wakeUps.settled();
  await wakeUps.stop();
  const both = ['group/0 1', 'group/1 7'];
  // The second is delivered again, as it failed.
  expect(events.map(namedIn)).toEqual([[], both, both]);
});
