import { CodecError } from '../../core/codec.ts';

/** A record as it stands in an entry: its values alone, each at the place that its name has among the names. */
export interface Placed<Fields> {
  readonly [placed]: Fields;
}
declare const placed: unique symbol;

/**
 * Writes records as lists of their values, and reads them back. Writers and readers say names, so that none of them can mistake
 * the place of a value for another's.
 */
export interface Places<Fields> {
  /** In the order in which the values stand. */
  readonly names: readonly (keyof Fields & string)[];
  write(fields: Fields): Placed<Fields>;
  /** @throws CodecError for what is not a list of as many values as there are names */
  read(written: Placed<Fields>): Fields;
}

/** The places of all fields of a record, in order; a field that is left out of the names, or twice among them, does not compile. */
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
