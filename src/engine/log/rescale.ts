import { checkGroups, type Pipeline } from '../../pipeline/pipeline.ts';
import { FEW, inParallel } from '../../ports/in-parallel.ts';
import type { EnginePorts } from '../../ports/index.ts';
import { LIMITS } from '../../ports/limits.ts';
import { definitionLog } from '../../wiring/names.ts';
import { present } from '../group/deployment.ts';
import { stateWeight } from '../group/room.ts';
import { addGeneration, definitionIn, holdDeployment } from './definition-log.ts';
import { GroupLogs } from './group-logs.ts';

/**
 * Begins a generation with another number of key groups. What is in the groups of the one before moves as they are next
 * visited.
 *
 * @returns false where the number is that already
 * @throws RangeError when it is no power of two up to 4,096, or so few groups would be too large; and as `holdDeployment` does
 */
export async function beginGeneration(
  ports: Pick<EnginePorts, 'log' | 'clock' | 'limits'>,
  pipeline: Pipeline,
  groups: number,
): Promise<boolean> {
  checkGroups(groups);
  const { limits = LIMITS } = ports;
  const deployment = await holdDeployment(ports, pipeline);
  const { groups: before } = present(deployment);
  const logs = new GroupLogs(ports, deployment);
  const joined = before / groups;
  if (joined > 1) {
    const indexes = Array.from({ length: before }, (_, index) => index);
    const sizes = await inParallel(indexes, async (index) => stateWeight(await logs.load(index)), FEW);
    const largest = Math.max(
      ...Array.from({ length: groups }, (_, at) =>
        sizes.slice(at * joined, (at + 1) * joined).reduce((total, size) => total + size, 0),
      ),
    );
    const { newKeys } = limits;
    if (largest > newKeys) {
      throw new RangeError(
        `Cannot make ${groups} groups of ${before} as the state of one must weigh <= ${newKeys} bytes, so that it has room for new keys: it would weigh ${largest}`,
      );
    }
  }
  return addGeneration(ports, deployment, groups);
}

/** What a change of the number of key groups came to. */
export interface Rescaled {
  /** Whether the generation was begun by this call; false where there were so many groups already. */
  readonly isNew: boolean;
  readonly generation: number;
  readonly groups: number;
  /** Keys of all groups. */
  readonly keys: number;
}

/**
 * Changes the number of key groups of a pipeline that runs, and moves all of its keys at once. Safe to do again: what an
 * earlier call left is finished.
 *
 * @param onGroup called as each group has begun
 * @throws RangeError when there cannot be so many, or the definition is not the one at work; Error when none is; as
 * `holdDeployment` does; OutdatedError when another generation begins meanwhile
 */
export async function rescale(
  ports: Pick<EnginePorts, 'log' | 'clock'>,
  pipeline: Pipeline,
  groups: number,
  onGroup: () => void,
): Promise<Rescaled> {
  const { name } = pipeline;
  const last = await ports.log.latest(definitionLog(name));
  if (last === undefined)
    throw new Error(`Cannot rescale "${name}" as it must have begun: there are no logs of it`);
  const { version } = definitionIn(last);
  // It would be put to work by this, before its code is.
  if (pipeline.version > version) {
    throw new RangeError(
      `Cannot rescale "${name}" as its definition must be the one at work: that is version ${version}, this is version ${pipeline.version}`,
    );
  }
  const isNew = await beginGeneration(ports, pipeline, groups);
  const deployment = await holdDeployment(ports, pipeline);
  const generation = present(deployment);
  const logs = new GroupLogs(ports, deployment);
  const indexes = Array.from({ length: generation.groups }, (_, index) => index);
  const keys = await inParallel(
    indexes,
    async (index) => {
      const group = await logs.load(index);
      onGroup();
      return group.keys.size;
    },
    FEW,
  );
  return {
    isNew,
    generation: generation.number,
    groups: generation.groups,
    keys: keys.reduce((total, own) => total + own, 0),
  };
}
