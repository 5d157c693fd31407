import { loggable } from './loggable.ts';
import { invariant } from './plain.ts';

/**
 * Where a record stands in its lineage: a whole number in decimal, of up to 186 bits. A larger position is
 * later. A source without order has the record's id instead, which only tells whether two records are the
 * same.
 */
export type Position = string & { readonly [position]: true };
declare const position: unique symbol;

/** @throws RangeError when the text is not a whole number without leading zeros */
export function positionOf(text: string): Position {
  if (text.length > MAX_LENGTH || !isWholeNumber(text)) {
    throw loggable(new RangeError('Cannot use a position that is not a whole number of at most 100 digits'));
  }
  return text as Position;
}

const MAX_LENGTH = 100;

const isWholeNumber = (text: string): boolean =>
  text !== '' && (text.length === 1 || !text.startsWith('0')) && !NO_DIGIT.test(text);

/** To look for another character takes a regular expression half as long as to match them all, or as a loop. */
const NO_DIGIT = /[^0-9]/;
const NO_ID = /[^\w-]/;

/**
 * Makes a position of the id of a record, for a source without order.
 *
 * @throws RangeError when the text is not 1 to 100 letters, digits, hyphens and underscores
 */
export function unorderedPositionOf(id: string): Position {
  if (id === '' || id.length > MAX_LENGTH || NO_ID.test(id)) {
    throw loggable(
      new RangeError(
        'Cannot use an id that is not 1 to 100 letters, digits, hyphens and underscores as a position',
      ),
    );
  }
  return id as Position;
}

/**
 * Where a part of a source's record stands in its lineage. A producer may pack several members into a record,
 * and `expand` may make several children of each member. A group takes the children in one by one, and
 * identifies each by its sub-position.
 *
 * In an ordered lineage it is position × 10^12 + member × 10^6 + child, in decimal, also where both are 0, so
 * that every sub-position compares with every other. Without order it is `<id>.<member>.<child>`.
 */
export type SubPosition = string & { readonly [subPosition]: true };
declare const subPosition: unique symbol;

/** How many members a record may have, and how many children a member. */
export const MAX_PARTS = 1_000_000;

const PART_DIGITS = 6;
const PARTS_DIGITS = 2 * PART_DIGITS;
const FIRST_OF_ALL = '0'.repeat(PARTS_DIGITS);

/**
 * Returns the sub-position of a part of a record.
 *
 * @param ordered whether the position is from an ordered lineage; otherwise it is an id
 * @param member from 0, counted before anything is made of the members
 * @param child from 0, counted before any is filtered
 */
export function subPositionOf(
  ordered: boolean,
  position: Position,
  member: number,
  child: number,
): SubPosition {
  invariant(
    member >= 0 && member < MAX_PARTS && child >= 0 && child < MAX_PARTS,
    'a record has no more parts than its position has room for',
  );
  if (!ordered) return `${position}.${member}.${child}` as SubPosition;
  if (position === '0') return String(member * MAX_PARTS + child) as SubPosition;
  const parts =
    member === 0 && child === 0
      ? FIRST_OF_ALL
      : String(member).padStart(PART_DIGITS, '0') + String(child).padStart(PART_DIGITS, '0');
  return `${position}${parts}` as SubPosition;
}

/** A sub-position taken apart: the record's own position, as its source knows it, and the place of the part in it. */
export interface SubPlace {
  readonly position: Position;
  readonly member: number;
  readonly child: number;
}

export function subPlaceOf(at: SubPosition): SubPlace {
  const [id, member, child] = at.split('.');
  if (member !== undefined) return { position: id as Position, member: Number(member), child: Number(child) };
  const digits = at.padStart(PARTS_DIGITS + 1, '0');
  return {
    position: digits.slice(0, -PARTS_DIGITS) as Position,
    member: Number(digits.slice(-PARTS_DIGITS, -PART_DIGITS)),
    child: Number(digits.slice(-PART_DIGITS)),
  };
}

/**
 * Says whether `a` stands after `b` in the same ordered lineage. It equals a comparison of both as BigInt, at
 * a fifth of the cost. Positions compare with positions, and sub-positions with sub-positions.
 */
export const isAfter = <At extends Position | SubPosition>(a: At, b: At): boolean =>
  a.length === b.length ? a > b : a.length > b.length;
