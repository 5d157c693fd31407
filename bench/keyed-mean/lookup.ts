import { enter, Results } from '../contender.ts';
import { freshKeys, keyName } from '../data.ts';
import { Comparison } from '../expected.ts';

enter((stream, { fresh = 1, hashed = 0 }) => {
  const { keys } = stream.settings;
  const slots = new Map(Array.from({ length: keys }, (_, key) => [keyName(key), key]));
  const same = [...slots.keys()];
  const seen = new Set(same);
  const found = new Results(stream);
  return {
    prepare: (from, to) => {
      const names = fresh
        ? freshKeys(stream, from, to)
        : Array.from(stream.key.subarray(from, to), (key) => same[key] as string);
      if (hashed) for (const name of names) seen.has(name);
      return { names, out: found.of(to - from) };
    },
    run: ({ names, out }) => {
      for (let at = 0; at < names.length; at++) out[at] = slots.get(names[at] as string) as number;
    },
    keep: (from, to) => found.keep(from, to),
    check: (to) => {
      const comparison = new Comparison(0);
      for (let record = 0; record < to; record++) {
        comparison.number(found.all[record], stream.key[record] as number, () => `record ${record}`);
      }
      return comparison.check();
    },
  };
});
