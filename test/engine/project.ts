import type { EpochMillis } from '../../src/core/time.ts';
import { objectsProjector, ownTarget } from '../../src/engine/delivery/project-objects.ts';
import { rowsProjector } from '../../src/engine/delivery/project-rows.ts';
import { deliver } from '../../src/engine/delivery/projector.ts';
import type { Deployment } from '../../src/engine/group/deployment.ts';
import type { BucketSink } from '../../src/pipeline/sinks.ts';
import type { EnginePorts } from '../../src/ports/index.ts';
import { rowsLog } from '../../src/wiring/names.ts';

/** Brings the rows up to the logs of some groups, as the handler does. */
export function projectRows(
  ports: EnginePorts,
  deployment: Deployment,
  groupLogs: readonly string[],
  deadline: EpochMillis,
): Promise<unknown> {
  const target = { log: rowsLog(deployment.pipeline.name), groupLogs };
  return deliver(ports, rowsProjector(ports, deployment, target, deadline), deadline, 'table', true);
}

/** Brings the objects of the pipeline's own bucket up to the logs of all groups, as the handler does. */
export function projectObjects(
  ports: EnginePorts,
  deployment: Deployment,
  sink: BucketSink,
  deadline: EpochMillis,
): Promise<unknown> {
  const target = ownTarget(deployment, ports.objects, sink);
  return deliver(ports, objectsProjector(ports, deployment, target, deadline), deadline, 'bucket', true);
}
