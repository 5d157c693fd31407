import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { OpenSource } from './source.ts';

type SourceKind = Pipeline['source']['kind'];

/**
 * Loads what opens each kind of source on this machine. The module of a kind is loaded only for a run of that
 * kind, as some bring large libraries.
 */
const OPENERS: { readonly [Kind in SourceKind]: (() => Promise<OpenSource>) | undefined } = {
  kinesis: async () => (await import('./kinesis.ts')).openKinesis,
  sqs: async () => (await import('./sqs.ts')).openStandardQueue,
  fifo: async () => (await import('./sqs.ts')).openFifoQueue,
  kafka: async () => (await import('./kafka.ts')).openKafka,
  rabbitmq: async () => (await import('./rabbitmq.ts')).openRabbitmq,
  dynamodb: undefined,
  // A run also runs the pipeline whose panes are read: see `LocalRuntime.stages`.
  panes: undefined,
};

/** The kinds of source that run on this machine. */
export const LOCAL_KINDS = (Object.keys(OPENERS) as SourceKind[]).filter(
  (kind) => OPENERS[kind] !== undefined,
);

/**
 * Returns what opens a pipeline's source on this machine.
 *
 * @throws RangeError when no source of its kind runs on this machine
 */
export function localSourceOf({ name, source }: Pipeline): OpenSource {
  const load = OPENERS[source.kind];
  if (load === undefined) {
    throw new RangeError(
      `Cannot run "${name}" on this machine as its source must be of a kind that runs here (${LOCAL_KINDS.join(', ')}): it is ${source.kind}`,
    );
  }
  return async (settings) => (await load())(settings);
}
