import { loggable } from '../../core/loggable.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';

/** The sources that a pipeline's records have come from. */
export interface Sources {
  /** The sources' ARNs or servers, the present source last. The groups may hold positions of all of them. */
  readonly names: readonly string[];
  /**
   * The highest version of the definition that has taken in records. To read another source takes a higher
   * one.
   */
  readonly version: number;
}

/**
 * Returns the sources of a pipeline once it takes in records of the source `next`.
 *
 * A group tells which records it has taken in by their positions within a shard, a partition or a message
 * group. It would mistake records of another source of the same name for records that came before, and drop
 * them in silence: so such a source is refused, whatever the version. A source of another name may be a
 * mistake, too: so it needs a version above that which reads the present source.
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
  const earlier = names.filter((source) => !isSameSource(source, next));
  if (source.lineage.ordered && earlier.some((source) => lastNameOf(source) === lastNameOf(next))) {
    throw refused(
      'positions in two sources of one name cannot be told apart, so give the pipeline, or the source, another name',
    );
  }
  if (!isSameSource(present, next) && version <= before.version) {
    throw refused(`to read another source on purpose, give the definition version: ${before.version + 1}`);
  }
  return { names: [...earlier, next], version: Math.max(version, before.version) };
}

/**
 * Returns what the source's lineages begin with: the name of a stream, a queue or a topic. A table's stream is
 * named by the table and a label, so that another one of the table has another name.
 */
const lastNameOf = (source: string): string => source.slice(source.search(/[^/:]*(?:\/stream\/[^/]*)?$/));

/**
 * Compares two sources. Clusters without an ARN are the same where they share a server, as servers come and
 * go.
 */
function isSameSource(a: string, b: string): boolean {
  if (a === b) return true;
  if (lastNameOf(a) !== lastNameOf(b)) return false;
  const servers = serversOf(a);
  return serversOf(b).some((server) => servers.includes(server));
}

const serversOf = (source: string): readonly string[] =>
  source.startsWith('arn:') ? [] : source.slice(0, source.lastIndexOf('/')).split(',');
