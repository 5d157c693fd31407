import { type EpochMillis, isoTime } from '../core/time.ts';
import { type Restored, restore } from '../engine/delivery/restore.ts';
import { byKind } from '../pipeline/kinds.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { SUPERSEDED_PREFIX } from '../wiring/names.ts';
import { type DeploymentOptions, withKept } from './kept.ts';
import { plural, progressOn } from './text.ts';

/**
 * Lets a pipeline continue from a state table that was restored to an earlier time, and says on standard
 * output from where its source must be read again.
 *
 * @returns the exit code, 0
 * @throws Error when it cannot be done; the same call does all of it
 */
export async function restoreCommand(pipeline: Pipeline, where: DeploymentOptions): Promise<number> {
  const progress = progressOn(process.stderr);
  let looked = 0;
  const restored = await withKept(pipeline, where, ({ ports, engine, progress: noted, remover }) =>
    restore({ ...engine, listing: ports.reading.objects, progress: noted, remover }, pipeline, () =>
      progress.tell(`${plural(++looked, 'object')} looked at`),
    ),
  ).finally(progress.end);
  const lines = [
    `"${pipeline.name}" goes on from what its state table holds, as incarnation ${restored.incarnation}: ${plural(restored.setAside, 'object')} set aside under ${SUPERSEDED_PREFIX}`,
    ...readAgain(pipeline, restored.from),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

/** Says in words what must be read again. */
function readAgain({ source }: Pipeline, from: Restored['from']): readonly string[] {
  const sendAgain = () => [
    'Messages that were deleted from the queue since then cannot be read again: send again what its senders still have',
  ];
  return byKind(source, {
    kinesis: () => readFrom('sequence number', from),
    sqs: sendAgain,
    fifo: sendAgain,
    kafka: () => readFrom('offset', from),
    rabbitmq: sendAgain,
    panes: ({ of }) => [
      `Its next wake-up reads the panes of "${of.name}" again, from a minute before the time to which it was taken back`,
    ],
    dynamodb: () => [
      "Its source must be read again: make the handler's event source mapping anew, with the starting position TRIM_HORIZON. A table's stream keeps its changes for a day: what is older cannot be read again",
    ],
  });
}

/** @param position the name of a position in the source */
function readFrom(position: string, from: Restored['from']): readonly string[] {
  const times = from.map(({ from }) => from?.arrival);
  const earliest = times.includes(undefined) ? undefined : Math.min(...(times as EpochMillis[]));
  const start =
    earliest === undefined || from.length === 0
      ? 'TRIM_HORIZON'
      : `AT_TIMESTAMP ${isoTime(earliest as EpochMillis)}`;
  return [
    `Its source must be read again: make the handler's event source mapping anew, with the starting position ${start}. Earlier is never wrong`,
    ...from.map(({ lineage, from }) =>
      from === undefined
        ? `${lineage}: from its beginning`
        : `${lineage}: from ${position} ${from.position} on, or from ${isoTime(from.arrival)} on`,
    ),
  ];
}
