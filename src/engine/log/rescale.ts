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
 * Begins a generation with another number of key groups. The keys of the generation before move when the
 * new groups are next visited.
 *
 * @returns false where there are so many groups already
 * @throws RangeError when the number is not a power of two up to 4,096, or when so few groups would be too
 * large; and as `holdDeployment` does
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

/** The result of a change of the number of key groups. */
export interface Rescaled {
  /** Whether this call began the generation; false where there were so many groups already. */
  readonly isNew: boolean;
  readonly generation: number;
  readonly groups: number;
  /** The number of keys in all groups. */
  readonly keys: number;
}

/**
 * Changes the number of key groups of a running pipeline, and moves all of its keys at once. It is safe to
 * call again: it finishes what an earlier call left undone.
 *
 * @param onGroup called each time that a group has begun
 * @throws RangeError when there cannot be so many groups, or when the definition is not the one at work;
 * Error when no definition is at work; as `holdDeployment` does; OutdatedError when another generation
 * begins meanwhile
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
  // To go on would put this definition to work before its code is deployed.
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
    keys: keys.reduce((total, count) => total + count, 0),
  };
}
