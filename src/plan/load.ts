import { checkOptions } from '../core/options.ts';
import { type Duration, type Millis, millis } from '../core/time.ts';

/** What a pipeline is planned for. */
export interface LoadOptions {
  /** Records that the source brings a second, on average. Default 10. */
  readonly recordsPerSecond?: number;
  /** Keys that these records have, each as often as any other. Default 1,000. */
  readonly keys?: number;
  /** The bytes of a record. Default 200. */
  readonly bytes?: number;
  /** As of the stack: how long records gather before a commit. Default 5 s. */
  readonly batchingWindow?: Duration;
  /** As of the stack: how long commits gather before they are delivered. Default 10 s. */
  readonly deliveryWindow?: Duration;
  /** The memory of the handler, in MB. Default 1,024. */
  readonly memory?: number;
  /**
   * How many shards the stream of the state table has, each of which wakes the projector by itself. Default 4, as
   * many as a new table on demand is said to have.
   */
  readonly tableShards?: number;
  /** Alarms and dashboards that watch the pipeline. Default none. */
  readonly alarms?: number;
  readonly dashboards?: number;
  /** Whether the pipeline's data is encrypted by a key of one's own. Default false. */
  readonly ownKey?: boolean;
  /** In how many zones the pipeline's interface endpoints are, where it runs in a network of one's own. Default none. */
  readonly endpointZones?: number;
}

/** A load with all that was left out. */
export interface Load extends Required<Omit<LoadOptions, 'batchingWindow' | 'deliveryWindow'>> {
  readonly batchingWindow: Millis;
  readonly deliveryWindow: Millis;
}

const NAMES = [
  'recordsPerSecond',
  'keys',
  'bytes',
  'batchingWindow',
  'deliveryWindow',
  'memory',
  'tableShards',
  'alarms',
  'dashboards',
  'ownKey',
  'endpointZones',
] as const satisfies readonly (keyof LoadOptions)[];

/** The least and the most of each number. */
const BOUNDS = {
  recordsPerSecond: [0.001, 1_000_000],
  keys: [1, 100_000_000],
  bytes: [1, 1_048_576],
  memory: [128, 10_240],
  tableShards: [1, 10_000],
  alarms: [0, 1_000],
  dashboards: [0, 100],
  endpointZones: [0, 10],
} as const satisfies { readonly [Name in keyof LoadOptions]: readonly [least: number, most: number] };

const LONGEST_WINDOW = millis('5m');

/**
 * Returns a load with its defaults.
 *
 * @throws RangeError when a number is out of its bounds, or a window is longer than the 5 minutes that Lambda
 * gathers; TypeError for an unknown option
 */
export function loadOf(options: LoadOptions = {}): Load {
  checkOptions('plan a pipeline', options, NAMES);
  const {
    recordsPerSecond = 10,
    keys = 1_000,
    bytes = 200,
    memory = 1_024,
    tableShards = 4,
    alarms = 0,
    dashboards = 0,
    ownKey = false,
    endpointZones = 0,
  } = options;
  const numbers = { recordsPerSecond, keys, bytes, memory, tableShards, alarms, dashboards, endpointZones };
  for (const name of Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]) {
    const [least, most] = BOUNDS[name];
    const isOne = name === 'recordsPerSecond' || Number.isInteger(numbers[name]);
    if (isOne && numbers[name] >= least && numbers[name] <= most) continue;
    const what = name === 'recordsPerSecond' ? 'a number' : 'a whole number';
    throw new RangeError(
      `Cannot plan for ${name} ${numbers[name]} as it must be ${what} from ${least} to ${most.toLocaleString('en')}`,
    );
  }
  return {
    ...numbers,
    ownKey,
    batchingWindow: windowOf('batchingWindow', options.batchingWindow ?? '5s'),
    deliveryWindow: windowOf('deliveryWindow', options.deliveryWindow ?? '10s'),
  };
}

function windowOf(name: string, duration: Duration): Millis {
  const length = millis(duration);
  if (length <= LONGEST_WINDOW) return length;
  throw new RangeError(`Cannot plan for a ${name} of "${duration}" as Lambda gathers for at most 5m`);
}
