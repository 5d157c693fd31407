import fc from 'fast-check';
import { expect, it } from 'vitest';
import { at, Scene } from '../engine/scene.ts';
import { asking, measured } from './asked.ts';

interface Shown {
  readonly id: string;
  readonly start: string;
  readonly revision: number;
  readonly settled: boolean;
  readonly results: object | null;
}

const { MILLRACE_QUERY_CASES = '60' } = process.env;

const reading = fc.record({
  second: fc.integer({ min: -150, max: 90 }),
  celsius: fc.integer({ min: 0, max: 9 }),
});
/** What happens between two pages: records are committed, and rows are written. */
const happening = fc.record({ records: fc.array(reading, { maxLength: 4 }), projects: fc.boolean() });

/** The identity of a pane's window within its key, which all of its revisions share. */
const windowOf = ({ id }: Pick<Shown, 'id'>): string => id.split('/').slice(0, -1).join('/');

it('shows every pane once, page by page, while others are committed and written as rows', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(reading, { minLength: 4, maxLength: 40 }),
      fc.array(happening, { minLength: 1, maxLength: 6 }),
      fc.constantFrom('minute', 'twoMinutes', 'visits'),
      fc.constantFrom('asc', 'desc'),
      fc.integer({ min: 1, max: 4 }),
      async (before, between, window, order, limit) => {
        const scene = await new Scene(measured).under(measured);
        let second = 0;
        const commit = (records: typeof before) =>
          scene.process(
            records.map((record) => {
              second = Math.max(0, second + record.second);
              return scene.put('pump', at(0, second), record.celsius);
            }),
          );
        await commit(before);
        const { ask } = asking(scene);
        const whole = async (): Promise<readonly Shown[]> =>
          (await ask('panes', { key: 'pump', window, order, limit: '1000' })).body.panes;
        const first = await whole();
        const paged: Shown[] = [];
        let page: string | undefined;
        for (let turn = 0; turn === 0 || page !== undefined; turn++) {
          const { status, body } = await ask('panes', {
            key: 'pump',
            window,
            order,
            limit: String(limit),
            ...(page && { page }),
          });
          expect(status).toBe(200);
          // A page that came again would be followed by itself.
          expect(turn).toBeLessThan(500);
          expect(body.panes.length).toBeLessThanOrEqual(limit);
          paged.push(...body.panes);
          page = body.next;
          const { records, projects } = between[turn % between.length] as (typeof between)[number];
          if (turn < 20) await commit(records);
          if (projects) await scene.project();
        }
        const last = await whole();
        const names = paged.map(windowOf);
        expect(new Set(names).size).toBe(names.length);
        expect(names.toSorted()).toEqual(order === 'asc' ? names : names.toReversed());
        // What was there at first is there; what is there came from somewhere, and is not newer than the last.
        for (const pane of first) expect(names).toContain(windowOf(pane));
        const newest = new Map(last.map((pane) => [windowOf(pane), pane]));
        for (const pane of paged) {
          const now = newest.get(windowOf(pane)) as Shown;
          expect(now.revision).toBeGreaterThanOrEqual(pane.revision);
          if (pane.settled) expect(now).toEqual(pane);
        }
        // Rows and logs together say what rows alone say once they are written.
        await scene.project();
        expect(await whole()).toEqual(last);
      },
    ),
    { numRuns: Number(MILLRACE_QUERY_CASES) },
  );
});
