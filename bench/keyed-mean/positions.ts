import { enter } from '../contender.ts';
import { freshPositions } from '../data.ts';
import { Comparison } from '../expected.ts';

enter(() => {
  let last = '';
  let after = 0;
  return {
    prepare: freshPositions,
    run: (positions) => {
      for (const position of positions) {
        if (position.length === last.length ? position <= last : position.length < last.length) continue;
        last = position;
        after++;
      }
    },
    check: (to) => {
      const comparison = new Comparison(0);
      comparison.number(after, to, () => 'records after the one before');
      return comparison.check();
    },
  };
});
