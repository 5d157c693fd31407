import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Table } from '../../src/core/table.ts';
import { contentsOf } from './codec-columns.ts';

const row = fc.array(fc.constantFrom(0, 1, -0, 0.5, Number.NaN, Number.NEGATIVE_INFINITY), {
  minLength: 3,
  maxLength: 3,
});
const step = fc.oneof(
  fc.record({ push: row }),
  fc.record({ insert: row, at: fc.nat() }),
  fc.record({ remove: fc.nat(), to: fc.nat() }),
  fc.record({ copy: fc.constant(true) }),
);

describe('a table', () => {
  it('holds the rows that a list of rows would', () => {
    fc.assert(
      fc.property(fc.nat(3), fc.array(step, { maxLength: 40 }), (capacity, steps) => {
        let table = new Table(3, 0, capacity);
        const model: number[][] = [];
        const within = (place: number) => place % (model.length + 1);
        for (const step of steps) {
          if ('push' in step) {
            table.pushNumbers(...step.push);
            model.push(step.push);
          } else if ('insert' in step) {
            table.insert(within(step.at));
            for (const [at, number] of step.insert.entries())
              table.numbers[3 * within(step.at) + at] = number;
            model.splice(within(step.at), 0, step.insert);
          } else if ('remove' in step) {
            const [from, to] = [within(step.remove), within(step.to)];
            table.remove(from, to);
            if (from < to) model.splice(from, to - from);
          } else {
            const before = table;
            table = table.copy();
            before.numbers.fill(7);
          }
          expect(contentsOf(table).numbers).toEqual(model.flat());
        }
      }),
    );
  });
});
