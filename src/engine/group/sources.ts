import { loggable } from '../../core/loggable.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';

/** Which sources a pipeline's records have come from. */
export interface Sources {
  /** By their ARNs or servers, the present one last. Positions of all of them may be in the groups. */
  readonly names: readonly string[];
  /** The version of the definition whose records last were the first to come from the present one. */
  readonly version: number;
}

/**
 * The sources of a pipeline once it takes in records of one of them.
 *
 * A group knows which records are in by their positions within a shard, a partition or a message group. Those of another source of
 * the same name would be taken for records that came before, and be dropped in silence: so they are refused, whatever the
 * version. Another source of another name may be a mistake, too: so it needs a higher version than the one that reads the present
 * source.
 *
 * @returns the same object where nothing is to be written down
 * @throws RangeError for a source that the pipeline must not read
 */
export function sourcesWith(
  { name, version, source }: Pick<Pipeline, 'name' | 'version' | 'source'>,
  before: Sources | undefined,
  next: string,
): Sources {
  if (before === undefined) return { names: [next], version };
  const { names } = before;
  const present = names.at(-1) as string;
  if (present === next && version <= before.version) return before;
  const refused = (rule: string): RangeError =>
    loggable(
      new RangeError(`Cannot take records of ${next} in as pipeline "${name}" reads ${present}: ${rule}`),
    );
  const others = names.filter((one) => !isSameSource(one, next));
  if (source.lineage.ordered && others.some((one) => lastNameOf(one) === lastNameOf(next))) {
    throw refused(
      'positions in two sources of one name cannot be told apart, so give the pipeline, or the source, another name',
    );
  }
  if (!isSameSource(present, next) && version <= before.version) {
    throw refused(`to read another source on purpose, give the definition version: ${before.version + 1}`);
  }
  return { names: [...others, next], version: Math.max(version, before.version) };
}

/** What lineages of the source begin with: the name of a stream, a queue or a topic. */
const lastNameOf = (source: string): string => source.slice(source.search(/[^/:]*$/));

/** Clusters without an ARN are the same where they have a server in common: servers come and go. */
function isSameSource(one: string, other: string): boolean {
  if (one === other) return true;
  if (lastNameOf(one) !== lastNameOf(other)) return false;
  const servers = serversOf(one);
  return serversOf(other).some((server) => servers.includes(server));
}

const serversOf = (source: string): readonly string[] =>
  source.startsWith('arn:') ? [] : source.slice(0, source.lastIndexOf('/')).split(',');
