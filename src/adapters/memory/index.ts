import type { EpochMillis } from '../../core/time.ts';
import type { Ports } from '../../ports/index.ts';
import { type MemoryClock, memoryClock } from './clock.ts';
import { type MemoryCommitLog, memoryCommitLog } from './commit-log.ts';
import { type MemoryObjects, memoryObjects } from './objects.ts';
import { memoryProgress } from './progress.ts';
import { type MemoryRows, memoryRows } from './rows.ts';
import { type MemorySource, memoryArrivals } from './source.ts';
import { type MemoryTelemetry, memoryTelemetry } from './telemetry.ts';

export { type MemorySource, memorySource } from './source.ts';

/** A world in one process's memory, open to whoever looks. */
export interface MemoryPorts extends Ports {
  readonly log: MemoryCommitLog;
  readonly objects: MemoryObjects;
  readonly rows: MemoryRows;
  readonly clock: MemoryClock;
  readonly telemetry: MemoryTelemetry;
}

export function memoryPorts({
  source,
  start,
  answerBytes,
}: {
  readonly source: MemorySource;
  readonly start: EpochMillis;
  readonly answerBytes?: number;
}): MemoryPorts {
  const progress = memoryProgress();
  return {
    log: memoryCommitLog(answerBytes === undefined ? {} : { answerBytes }),
    objects: memoryObjects(),
    rows: memoryRows(),
    progress,
    arrivals: memoryArrivals(source, progress),
    clock: memoryClock(start),
    telemetry: memoryTelemetry(),
  };
}
