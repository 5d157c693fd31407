import { CodecError } from '../../core/codec.ts';

/** A record as an entry holds it: only its values, each at the place of its name among the names. */
export interface Placed<Fields> {
  readonly [placed]: Fields;
}
declare const placed: unique symbol;

/**
 * Writes records as lists of their values, and reads them back. Writers and readers use names, so that
 * neither can mistake the place of one value for another's.
 */
export interface Places<Fields> {
  /** The names in the order in which the values stand. */
  readonly names: readonly (keyof Fields & string)[];
  write(fields: Fields): Placed<Fields>;
  /** @throws CodecError for anything but a list of as many values as there are names */
  read(written: Placed<Fields>): Fields;
}

/**
 * Returns the places of all fields of a record, in order. A field that the names lack, or have twice, does
 * not compile.
 */
export const placesOf =
  <Fields extends object>() =>
  <const Names extends readonly (keyof Fields & string)[]>(
    ...names: Names & ([keyof Fields] extends [Names[number]] ? unknown : never)
  ): Places<Fields> => ({
    names,
    write: (fields) => names.map((name) => fields[name]) as unknown as Placed<Fields>,
    read(written) {
      if (!Array.isArray(written) || written.length !== names.length) {
        throw new CodecError(`Cannot read an entry as it must have a list of ${names.join(', ')}`);
      }
      return Object.fromEntries(names.map((name, place) => [name, written[place]])) as Fields;
    },
  });
