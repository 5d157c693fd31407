import { type EpochMillis, isoTime } from '../core/time.ts';
import type { DrawnReading, Form } from './draw-source.ts';
import type { Random } from './random.ts';

/** Makes the JSON text of a record. It leaves members out that are undefined. */
export type Write = (
  reading: { readonly [Name in keyof DrawnReading]?: unknown } & Pick<DrawnReading, 'more'>,
) => string;

/** How one producer writes records: which members they have, in which order, and what stands between them. */
interface Style {
  readonly members: readonly string[];
  readonly blank: string;
  /** Whether the letters of names are written as escapes. */
  readonly isEscaped: boolean;
  /** Whether there is a field whose name is the path `more.second`. */
  readonly isFlat: boolean;
}

/** Members that no definition of named fields reads. */
const OTHERS: { readonly [name: string]: (random: Random) => string } = {
  note: (random) => random.pick(['"as usual"', '""', '"\\"quoted\\" \\u00e9"', '"größer"', '7', 'null']),
  flag: (random) => random.pick(['true', 'false', 'null']),
  list: (random) => random.pick(['[]', '[1, "two", {"three": null}]', '[-0.5, 2]']),
};

/**
 * Draws how the producers of one source write records: in one or several styles, more than the engine knows forms at a
 * time, and the same values in more than one spelling.
 */
export function drawWriter(random: Random, { isLines }: Form): Write {
  const styles = Array.from({ length: random.pick([1, 2, 6]) }, () => drawStyle(random, isLines));
  return (reading) => {
    const { members, blank, isEscaped, isFlat } = random.pick(styles);
    const { more, ...rest } = reading;
    const given: { readonly [name: string]: unknown } = {
      ...rest,
      ...(isFlat ? { 'more.second': more?.second } : { more }),
    };
    const texts = members.flatMap((name, at) => {
      const text = OTHERS[name]?.(random) ?? textOf(random, name, given[name]);
      if (text === undefined) return [];
      // What stands there twice counts as it stands there last.
      const told = members.includes(name, at + 1) ? '7' : text;
      return `${isEscaped ? escaped(name) : `"${name}"`}${blank}:${blank}${told}`;
    });
    return `{${blank}${texts.join(`,${blank}`)}${blank}}`;
  };
}

function drawStyle(random: Random, isLines: boolean): Style {
  const others = [...Object.keys(OTHERS), 'tag'].filter(() => random.chance(0.3));
  const twice = random.chance(0.1) ? ['value'] : [];
  return {
    members: random.shuffled(['key', 'at', 'value', 'more', 'more.second', 'id', ...others, ...twice]),
    blank: random.pick(['', '', ' ', isLines ? '\t' : '\r\n  ']),
    isEscaped: random.chance(0.1),
    isFlat: random.chance(0.2),
  };
}

function textOf(random: Random, name: string, value: unknown): string | undefined {
  if (typeof value === 'number') {
    const isTime = name === 'at' && Number.isInteger(value) && random.chance(0.3);
    return isTime ? `"${spelledTime(random, value as EpochMillis)}"` : spelled(random, value);
  }
  if (typeof value === 'string' && random.chance(0.03)) return escaped(value);
  if (typeof value === 'object' && value !== null && 'second' in value)
    return `{"second":${textOf(random, 'second', value.second)}}`;
  return JSON.stringify(value);
}

const escaped = (text: string): string =>
  `"${[...text].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`;

const spelledTime = (random: Random, at: EpochMillis): string =>
  random.pick([
    (time: string) => time,
    (time: string) => time.replace('.000Z', 'Z'),
    (time: string) => time.replace('Z', '+00:00'),
  ])(isoTime(at));

/** Spells a number in one of the ways in which JSON can. */
function spelled(random: Random, value: number): string {
  const usual = Object.is(value, -0) ? '-0' : String(value);
  if (usual.includes('e') || random.chance(0.85)) return usual;
  const ways = [`${usual}e0`, `${usual}E+0`, usual.includes('.') ? `${usual}0` : `${usual}.0`];
  return random.pick(value === 0 ? ways : [...ways, value.toExponential()]);
}
