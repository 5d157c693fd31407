/**
 * How much a group may hold. All of it is counted in bytes at worst, so that what is let in can be written
 * whenever that is due: no writer of an entry ever finds it too large.
 */
export interface Limits {
  /** What the state of a group may weigh for a record to be taken in that makes it larger. */
  readonly state: number;
  /** From this weight on no record of a new key is taken in: the rest is for the keys that are there. */
  readonly newKeys: number;
  /** From this weight on a group is said to be crowded. */
  readonly crowded: number;
  /** What the panes of one entry may weigh; results of a single pane that weighs more are left out. */
  readonly panes: number;
  /** What the panes of one step of a projector may weigh: it has them in memory, as they are and as they are written. */
  readonly step: number;
  /** How many panes one step of rows takes: some seconds of conditional puts, were each a row of its own. */
  readonly rowsStep: number;
  /** How many panes one step of objects takes, and how many objects it writes, about: some seconds of puts. */
  readonly objectsStep: number;
  readonly stepObjects: number;
  /** What the groups that a function works on side by side may take up in memory, about, before another is read. */
  readonly held: number;
  /** What the groups that an environment keeps from one invocation to the next may take up; without it, what its handler may. */
  readonly kept?: number;
  /** What an entry's lists of late and of refused records may weigh. */
  readonly lists: number;
  /** Ids of late and of refused records that a group keeps, of a source without order: the oldest go first. */
  readonly refusedIds: number;
  /** The largest body, in bytes, that stands in its log: a larger one stands as an object, and its entry names that. */
  readonly inline: number;
  /** What the refused records of one commit may take up as an object; a single one that takes up more is alone in its. */
  readonly poison: number;
  /** So many lineages no stream or topic has; where a source has more, new ones are let in as new keys are. */
  readonly lineages: number;
}

const MIB = 1_048_576;

/** A state within its bound leaves room in its section for the lists, and for what the passing of time adds. */
export const LIMITS: Limits = {
  state: 58 * MIB,
  newKeys: 32 * MIB,
  crowded: 16 * MIB,
  panes: 16 * MIB,
  step: 16 * MIB,
  rowsStep: 16_000,
  objectsStep: 20_000,
  stepObjects: 2_000,
  held: 96 * MIB,
  lists: 3 * MIB,
  refusedIds: 65_536,
  // To create an object costs as much as eight write units of a kilobyte each: from about here on it is the cheaper, and the later,
  // as it takes tens of milliseconds.
  inline: 12_000,
  poison: 4 * MIB,
  lineages: 10_000,
};
