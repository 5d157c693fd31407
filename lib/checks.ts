import type { Pipeline } from '../src/index.ts';
import { byKind } from '../src/pipeline/kinds.ts';
import { serviceOf } from '../src/pipeline/services.ts';
import { type Sink, sinkName } from '../src/pipeline/sinks.ts';
import type { SinkTarget } from './constructs/message-sink.ts';
import type { ExistingResources, Names, Overrides } from './constructs/settings.ts';

/** @throws RangeError when a key is to be made beside one that is brought, or the choice is none that there is */
export function checkKey({ name }: Pipeline, encryption: string | undefined, key: object | undefined): void {
  if (encryption === undefined) return;
  const state =
    encryption !== 'customer-managed'
      ? `encryption is ${JSON.stringify(encryption)}`
      : key && 'existing.key is given, too';
  if (!state) return;
  throw new RangeError(
    `Cannot deploy "${name}" as encryption must be 'customer-managed', without a key that is brought, or left out: ${state}`,
  );
}

/** @throws RangeError when there is a target for a sink that the pipeline does not have, or that sends no messages */
export function checkTargets(
  { name, sinks }: Pipeline,
  targets: { readonly [sink: string]: SinkTarget },
): void {
  const sending = sinks.filter((sink) => serviceOf(sink) !== undefined).map(sinkName);
  const unknown = Object.keys(targets).find((target) => !sending.includes(target));
  if (unknown === undefined) return;
  throw new RangeError(
    `Cannot deploy "${name}" with a target for the sink "${unknown}" as it must be one that sends messages: they are ${sending.join(', ') || 'none'}`,
  );
}

/** What is made, by what is brought in its place, and by what overrides and names it. */
const MADE = [
  { existing: 'stream', overrides: ['stream'], name: 'stream' },
  { existing: 'queue', overrides: ['queue', 'deadLetters'], name: 'queue' },
  { existing: 'stateTable', overrides: ['state'], name: 'stateTable' },
  { existing: 'rowsTable', overrides: ['rows'], name: 'rowsTable' },
  { existing: 'resultsBucket', overrides: ['results'], name: 'resultsBucket' },
  { existing: 'failuresBucket', overrides: ['failures'], name: 'failuresBucket' },
] as const satisfies readonly {
  readonly existing: keyof ExistingResources;
  readonly overrides: readonly (keyof Overrides)[];
  readonly name: keyof Names;
}[];

/**
 * Checks that everything is made or brought, and never both, and that nothing is brought in vain.
 *
 * @throws RangeError when it is not so
 */
export function checkBrought(
  { name, source, sinks }: Pipeline,
  existing: ExistingResources,
  overrides: Overrides,
  names: Names,
): void {
  const none = (): readonly string[] => [];
  const ofSource = byKind<Pipeline['source'], readonly string[]>(source, {
    kinesis: () => ['stream'],
    sqs: () => ['queue'],
    fifo: () => ['queue'],
    kafka: none,
    rabbitmq: none,
    dynamodb: none,
    panes: none,
  });
  const ofSinks = sinks.flatMap((sink) =>
    byKind<Sink, readonly string[]>(sink, {
      table: () => ['rowsTable'],
      bucket: none,
      notify: none,
      stream: none,
      push: none,
      sink: none,
    }),
  );
  const used = [...ofSource, ...ofSinks, 'stateTable', 'resultsBucket', 'failuresBucket'];
  for (const made of MADE) {
    const brought = existing[made.existing] !== undefined;
    const overridden = made.overrides.find((one) => overrides[one] !== undefined);
    const said = [
      ...(brought ? [`existing.${made.existing}`] : []),
      ...(overridden ? [`overrides.${overridden}`] : []),
      ...(names[made.name] === undefined ? [] : [`names.${made.name}`]),
    ];
    if (said.length > 0 && !used.includes(made.existing)) {
      throw new RangeError(
        `Cannot deploy "${name}" with ${said.join(', ')} as what is said of a resource must be of one that it has: it has ${used.join(', ')}`,
      );
    }
    if (brought && said.length > 1) {
      throw new RangeError(
        `Cannot deploy "${name}" as what is brought must be used as it is: there are ${said.join(' and ')}`,
      );
    }
  }
}
