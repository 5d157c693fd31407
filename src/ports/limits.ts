/**
 * How much a group may hold. Everything is counted in bytes at worst, so that whatever is admitted can be
 * written when that is due: no writer of an entry ever finds it too large.
 */
export interface Limits {
  /** How large the state of a group may be for a record to be taken in that makes it larger. */
  readonly state: number;
  /** From this size on no record of a new key is taken in: the room above it is for the keys that exist. */
  readonly newKeys: number;
  /** From this size on a group counts as crowded. */
  readonly crowded: number;
  /** How large the panes of one entry may be. The results of a single pane that is larger are left out. */
  readonly panes: number;
  /**
   * How large the panes of one step of a projector may be, which holds them in memory both as they are and as
   * they are written.
   */
  readonly step: number;
  /**
   * How many panes one step of rows takes: a few seconds of conditional puts, if each were a row of its own.
   */
  readonly rowsStep: number;
  /** How many panes one step of messages takes: those that are sent again where the step is cut short. */
  readonly messagesStep: number;
  /**
   * How many panes one step of objects takes, and about how many objects it writes: a few seconds of puts.
   */
  readonly objectsStep: number;
  readonly stepObjects: number;
  /**
   * About how much memory the groups that a function works on side by side may take up before it reads
   * another.
   */
  readonly held: number;
  /**
   * How much the groups that an environment caches between invocations may take up. Without it, it is the share
   * of a function of the default memory.
   */
  readonly kept?: number;
  /** How large an entry's lists of late and of refused records may be. */
  readonly lists: number;
  /**
   * How many ids of late and of refused records a group keeps, for a source without order. The oldest are
   * dropped first.
   */
  readonly refusedIds: number;
  /**
   * The largest body, in bytes, that stands in its log. A larger body is an object, which the entry names.
   */
  readonly inline: number;
  /**
   * How large the object of one commit's refused records may be, and that of its late records. A single record
   * that is larger has an object to itself.
   */
  readonly poison: number;
  /**
   * More lineages than any stream or topic has. Where a source has more, new lineages are admitted as new
   * keys are.
   */
  readonly lineages: number;
}

const MIB = 1_048_576;

/** The bound on the state leaves room in its section for the lists, and for what the passing of time adds. */
export const LIMITS: Limits = {
  state: 58 * MIB,
  newKeys: 32 * MIB,
  crowded: 16 * MIB,
  panes: 16 * MIB,
  step: 16 * MIB,
  rowsStep: 16_000,
  messagesStep: 2_000,
  objectsStep: 20_000,
  stepObjects: 2_000,
  held: 96 * MIB,
  lists: 3 * MIB,
  refusedIds: 65_536,
  // To create an object costs as much as eight write units of a kilobyte each. From about this size on it is
  // cheaper, and it is also slower, as it takes tens of milliseconds.
  inline: 12_000,
  poison: 4 * MIB,
  lineages: 10_000,
};
