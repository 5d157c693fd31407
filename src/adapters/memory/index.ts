import type { EpochMillis } from '../../core/time.ts';
import type { Ports } from '../../ports/index.ts';
import { type MemoryClock, memoryClock } from './clock.ts';
import { type MemoryCommitLog, memoryCommitLog } from './commit-log.ts';
import { type MemoryObjects, memoryObjects } from './objects.ts';
import { memoryProgress } from './progress.ts';
import { type MemoryRows, memoryRows } from './rows.ts';
import { type MemorySource, memoryArrivals, memorySource } from './source.ts';
import { type MemoryTelemetry, memoryTelemetry } from './telemetry.ts';

export { type MemorySource, memorySource };

/** The ports in the memory of one process, open to inspection. */
export interface MemoryPorts extends Ports {
  readonly log: MemoryCommitLog;
  readonly objects: MemoryObjects;
  readonly rows: MemoryRows;
  readonly clock: MemoryClock;
  readonly telemetry: MemoryTelemetry;
}

export function memoryPorts({
  source = memorySource('memory'),
  start,
  answerEntries,
}: {
  readonly source?: MemorySource;
  readonly start: EpochMillis;
  readonly answerEntries?: number;
}): MemoryPorts {
  const progress = memoryProgress();
  return {
    log: memoryCommitLog(answerEntries === undefined ? {} : { answerEntries }),
    objects: memoryObjects(),
    rows: memoryRows(),
    progress,
    arrivals: memoryArrivals(source, progress),
    clock: memoryClock(start),
    telemetry: memoryTelemetry(),
  };
}
