import { decodePanes } from '../../engine/format/entry.ts';
import { groupLogsOf } from '../../engine/group/deployment.ts';
import type { GroupPane } from '../../engine/group/group.ts';
import { readDeployment } from '../../engine/log/definition-log.ts';
import { enginePorts } from '../../engine/log/spill.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Ports } from '../../ports/index.ts';

/**
 * Tells of all panes in the logs of a pipeline, those of each key in order. A run that goes on in a directory
 * shows by it what the runs before it have committed.
 */
export async function tellHistory(
  ports: Ports,
  pipeline: Pipeline,
  tell: (panes: readonly GroupPane[]) => void,
): Promise<void> {
  const engine = enginePorts(ports);
  const deployment = await readDeployment(engine, pipeline);
  if (deployment === undefined) return;
  for (const log of groupLogsOf(deployment, ports.clock.now())) {
    let ordinal: number | undefined = 0;
    while (ordinal !== undefined) {
      const entries = await engine.log.after(log, ordinal);
      for (const entry of entries) tell(decodePanes(entry));
      ordinal = entries.at(-1)?.ordinal;
    }
  }
}
