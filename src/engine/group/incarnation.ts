/**
 * One life of a pipeline's logs. A new incarnation begins when the logs are taken back to an earlier time.
 *
 * The ordinals after that time are then used again, for other panes, so the names of objects hold the
 * incarnation to differ from those before. The first incarnation is 0. A later one is the time at which it
 * began, so that its number is new even where the logs have forgotten other incarnations.
 */
export interface Incarnation {
  readonly number: number;
  /** The last intent of the incarnations before that still holds: what later intents named was taken back. */
  readonly follows: number;
}

/** The incarnations in order, of which the last is the present one. */
export type Incarnations = readonly [Incarnation, ...Incarnation[]];

/** The incarnations of logs that were never taken back. */
export const FIRST: Incarnations = [{ number: 0, follows: 0 }];

export const presentOf = (incarnations: Incarnations): Incarnation => incarnations.at(-1) as Incarnation;

/** Adds an incarnation that begins after intent `follows`, unless it has begun already. */
export const withIncarnation = (
  incarnations: Incarnations,
  { number, follows }: Incarnation,
): Incarnations =>
  number <= presentOf(incarnations).number ? incarnations : [...incarnations, { number, follows }];

/** What names an object: the ordinal of its intent, and the incarnation in which that intent was appended. */
export interface ObjectPlace {
  readonly incarnation: number;
  readonly ordinal: number;
}

/** Writes a place as the names of objects hold it. */
export const placeText = ({ incarnation, ordinal }: ObjectPlace): string =>
  `${incarnation === 0 ? '' : `${incarnation}-`}${String(ordinal).padStart(12, '0')}`;

/**
 * Reads the place from the name of an object in the pipeline's own bucket. Undefined for a name that no
 * projector gives.
 */
export function objectPlaceOf(name: string): ObjectPlace | undefined {
  const [, incarnation = '0', ordinal] = /\/part-(?:(\d+)-)?(\d{12,})\.[^/]+$/.exec(name) ?? [];
  return ordinal === undefined ? undefined : { incarnation: Number(incarnation), ordinal: Number(ordinal) };
}

/**
 * Tells whether the intent of a place holds. It does not if it followed the point to which the logs were
 * taken back.
 */
export function holds(incarnations: Incarnations, { incarnation, ordinal }: ObjectPlace): boolean {
  const at = incarnations.findIndex(({ number }) => number === incarnation);
  const [begun, next] = [incarnations[at], incarnations[at + 1]];
  return begun !== undefined && ordinal > begun.follows && (next === undefined || ordinal <= next.follows);
}
