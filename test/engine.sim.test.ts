import { expect, it } from 'vitest';
import { after, type EpochMillis, millis } from '../src/core/time.ts';
import { processHandler, projectHandler, sweepHandler } from '../src/handlers.ts';
import { audit } from './support/engine-audit.ts';
import { kinesisEvent } from './support/engine-events.ts';
import { emptyTally, simulate, type Tally, type World } from './support/engine-sim.ts';

const MINUTE = { getRemainingTimeInMillis: () => 60_000 };

/** `MILLRACE_SIM_SEED=137 npx vitest run test/engine.sim.test.ts` runs one schedule again. */
const ONE_SEED = process.env['MILLRACE_SIM_SEED'];
const SCHEDULES = Number(process.env['MILLRACE_SIM_SCHEDULES'] ?? (ONE_SEED ? 1 : 400));
const FIRST_SEED = Number(ONE_SEED ?? 1);

async function runAll(
  first: number,
  schedules: number,
  then: (world: World) => Promise<void> = async () => {},
): Promise<Tally> {
  const tally = emptyTally();
  for (let seed = first; seed < first + schedules; seed++) {
    try {
      const world = await simulate(seed, tally);
      const { panes, corrections } = audit(world);
      tally.panes += panes;
      tally.corrections += corrections;
      await then(world);
    } catch (violation) {
      throw new Error(`Seed ${seed}: ${(violation as Error).message}`, { cause: violation });
    }
  }
  return tally;
}

it(`emits every pane exactly once, whatever fails: ${SCHEDULES} schedules`, {
  timeout: 300_000,
}, async () => {
  const tally = await runAll(FIRST_SEED, SCHEDULES);
  console.info(`${SCHEDULES} schedules, ${tally.faults} faults: ${JSON.stringify(tally)}`);
  if (SCHEDULES < 100) return;
  // That the schedules go where rules could break.
  for (const [what, times] of Object.entries(tally)) expect(times, what).toBeGreaterThan(SCHEDULES / 4);
});

it('takes nothing in twice after weeks in which entries expire', { timeout: 60_000 }, async () => {
  await runAll(FIRST_SEED, Math.min(SCHEDULES, 40), async ({ pipeline, ports, source }) => {
    const objects = ports.objects.stored.size;
    const expired = [...ports.log.logs.values()].flat();
    for (let week = 0; week < 3; week++) {
      for (let days = 0; days < 7; days += 2) {
        ports.clock.pass(millis('2d'));
        await sweepHandler(ports, pipeline)();
        await projectHandler(ports, pipeline)({}, MINUTE);
        ports.log.expire(after(ports.clock.now(), millis('1d')));
      }
    }
    const kept = new Set([...ports.log.logs.values()].flat());
    expect(expired.some((entry) => kept.has(entry))).toBe(false);

    const process = processHandler(ports, pipeline);
    for (const records of source.shards.values()) {
      const answer = await process(kinesisEvent(records), MINUTE);
      expect(answer).toEqual({ batchItemFailures: [] });
    }
    await sweepHandler({ ...ports, clock: { now: () => 8e12 as EpochMillis } }, pipeline)();
    await projectHandler(ports, pipeline)({}, MINUTE);
    expect(ports.objects.stored.size).toBe(objects);
    const { received, duplicate, filtered } = ports.telemetry.counted;
    expect(duplicate + filtered).toBe(received);
  });
});

it('runs the same schedule for the same seed', async () => {
  expect(await runAll(7, 3)).toEqual(await runAll(7, 3));
});
