import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EpochMillis } from '../../../src/core/time.ts';
import { nextEntry } from '../../../src/engine/format/next-entry.ts';
import { firstDeployment } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group, listPanes } from '../../../src/engine/group/group.ts';
import { PersistentMap } from '../../../src/engine/group/persistent-map.ts';
import { newsOf } from '../../../src/engine/group/taken.ts';
import { fold, foldIdle, type Passed } from '../../../src/engine/intake/fold.ts';
import { expectIdentical } from '../../core/plain.ts';
import { cutsOf, keptOf, pipelines, recordsOf } from '../batches.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

const contents = ({ changed, more, open, failed, panes, ...folded }: Passed) => ({
  ...{ changed, more, open, failed },
  panes: listPanes(panes).map((pane) => ({ ...pane })),
  ...keptOf(folded),
});

/** Nothing is known of the keys of such a group, so all of them are looked at. */
const unknown = (group: Group): Group => ({ ...group, keys: PersistentMap.of(group.keys) });

/** How much later than the latest record a sweep counts silence; now and then its source falls back. */
const later = fc.oneof(
  fc.integer({ min: -200, max: 400 }).map((seconds) => seconds * SECOND),
  fc.integer({ min: 0, max: 60 }).map((hours) => hours * HOUR),
);

const streams = pipelines.chain((pipeline) =>
  recordsOf(pipeline, 40).chain((records) =>
    fc.record({
      deployment: fc.constant(firstDeployment(pipeline)),
      parts: cutsOf(records, 6),
      sweeps: fc.infiniteStream(fc.array(later, { maxLength: 3 })),
      isCommitted: fc.infiniteStream(fc.boolean()),
      panes: fc.constantFrom(500, 5_000_000),
    }),
  ),
);

describe('a sweep', () => {
  it('of keys that were seen to rest does what a look at all keys would', () => {
    let drawn = 0;
    let rested = 0;
    fc.assert(
      fc.property(streams, ({ deployment, parts, sweeps, isCommitted, panes }) => {
        drawn++;
        let group = EMPTY_GROUP;
        for (const part of parts) {
          const arrival = part.at(-1)?.arrival as EpochMillis;
          const news = newsOf(deployment.pipeline, group, part);
          if (news.length > 0)
            group = nextEntry(deployment, group, fold(deployment, group, news), arrival).group;
          for (const length of sweeps.next().value as readonly number[]) {
            const now = (arrival + length) as EpochMillis;
            const notes = group.keys.notes(deployment.pipeline.rules, 2);
            for (let key = 0; key < notes.rows; key++) if ((notes.numbers[2 * key] as number) > now) rested++;
            const passed = foldIdle(deployment, group, now, { panes });
            expectIdentical(contents(passed), contents(foldIdle(deployment, unknown(group), now, { panes })));
            // Where another writer was first, the group stays as it was.
            if (passed.changed && isCommitted.next().value)
              group = nextEntry(deployment, group, passed, now).group;
          }
        }
      }),
      { numRuns: 100 },
    );
    expect(rested / drawn).toBeGreaterThan(3);
  });
});
