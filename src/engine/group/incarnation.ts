/**
 * What the names of a pipeline's objects are told apart by once its logs were taken back to an earlier time: the ordinals
 * after it are used again, for other panes. 0 is the first; a later one is the time at which it began, so that it is new
 * even where the logs have forgotten others.
 */
export interface Incarnation {
  readonly number: number;
  /** The last intent that holds of those before it: what later ones named was taken back. */
  readonly follows: number;
}

/** The last is the present one. */
export type Incarnations = readonly [Incarnation, ...Incarnation[]];

/** Of logs that were never taken back. */
export const FIRST: Incarnations = [{ number: 0, follows: 0 }];

export const presentOf = (incarnations: Incarnations): Incarnation => incarnations.at(-1) as Incarnation;

/** The same, and another after intent `follows`, unless that has begun already. */
export const withIncarnation = (
  incarnations: Incarnations,
  { number, follows }: Incarnation,
): Incarnations =>
  number <= presentOf(incarnations).number ? incarnations : [...incarnations, { number, follows }];

/** By what an object was named: the ordinal of its intent, and the incarnation in which that was decided. */
export interface ObjectPlace {
  readonly incarnation: number;
  readonly ordinal: number;
}

/** How a place stands in a name. */
export const placeText = ({ incarnation, ordinal }: ObjectPlace): string =>
  `${incarnation === 0 ? '' : `${incarnation}-`}${String(ordinal).padStart(12, '0')}`;

/** The place of an object of the pipeline's own bucket; undefined where the projector gives no such names. */
export function objectPlaceOf(name: string): ObjectPlace | undefined {
  const [, incarnation = '0', ordinal] = /\/part-(?:(\d+)-)?(\d{12,})\.[^/]+$/.exec(name) ?? [];
  return ordinal === undefined ? undefined : { incarnation: Number(incarnation), ordinal: Number(ordinal) };
}

/** Whether an intent of that place holds: it was not taken back with what followed the point that logs were restored to. */
export function holds(incarnations: Incarnations, { incarnation, ordinal }: ObjectPlace): boolean {
  const at = incarnations.findIndex(({ number }) => number === incarnation);
  const [own, next] = [incarnations[at], incarnations[at + 1]];
  return own !== undefined && ordinal > own.follows && (next === undefined || ordinal <= next.follows);
}
