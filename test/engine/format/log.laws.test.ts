import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EpochMillis } from '../../../src/core/time.ts';
import { baseOf, decodePanes } from '../../../src/engine/format/entry.ts';
import { nextEntry } from '../../../src/engine/format/next-entry.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import { type Deployment, firstDeployment } from '../../../src/engine/group/deployment.ts';
import {
  EMPTY_GROUP,
  type Folded,
  type Group,
  type GroupPane,
  type GroupRecord,
  listPanes,
} from '../../../src/engine/group/group.ts';
import { newsOf } from '../../../src/engine/group/taken.ts';
import { fold, foldIdle } from '../../../src/engine/intake/fold.ts';
import type { LogEntry } from '../../../src/ports/commit-log.ts';
import { expectIdentical } from '../../core/plain.ts';
import { cutsOf, groupContents, keptOf, pipelines, recordsOf } from '../batches.ts';

const HOUR = 3_600_000;

/** A group's log, and the group as whoever wrote to it has it in memory. */
class Log {
  readonly deployment: Deployment;
  readonly entries: LogEntry[] = [];
  warm: Group = EMPTY_GROUP;

  constructor(deployment: Deployment) {
    this.deployment = deployment;
  }

  append(folded: Folded, committedAt: EpochMillis): void {
    const { entry, group } = nextEntry(this.deployment, this.warm, folded, committedAt);
    this.entries.push(entry);
    this.warm = group;
    // As an environment does that has no room for it.
    if (entry.ordinal % 3 === 0) group.keys.pack();
  }

  take(records: readonly GroupRecord[], committedAt: EpochMillis): void {
    const news = newsOf(this.deployment.pipeline, this.warm, records);
    if (news.length > 0) this.append(fold(this.deployment, this.warm, news), committedAt);
  }

  /** As whoever has nothing in memory reads it. */
  cold(): Group {
    const last = this.entries.at(-1);
    const from = last === undefined ? 0 : baseOf(last) - 1;
    return readGroup(this.deployment, EMPTY_GROUP, this.entries.slice(from));
  }

  deltas(): number {
    return this.entries.filter((entry) => baseOf(entry) !== entry.ordinal).length;
  }
}

const streams = (maxLength: number, maxBatch: number) =>
  pipelines.chain((pipeline) =>
    recordsOf(pipeline, maxLength).chain((records) =>
      fc.record({
        deployment: fc.constant(firstDeployment(pipeline)),
        records: fc.constant(records),
        parts: cutsOf(records, maxBatch),
      }),
    ),
  );

/** A pane as data, its names in one order. */
const told = ({ layout: { name, identity, ordered, epoch, results }, ...pane }: GroupPane) => ({
  ...Object.fromEntries(Object.entries(pane).sort(([a], [b]) => (a < b ? -1 : 1))),
  layout: [name, identity, ordered, epoch, results],
});

describe('a group', () => {
  it('read back from its log is the one that was written, to the bit, after every entry', () => {
    let drawn = 0;
    let deltas = 0;
    let snapshots = 0;
    const streamsInTime = fc.tuple(
      streams(60, 6),
      fc.infiniteStream(fc.constantFrom(0, 1, 30)),
      fc.infiniteStream(fc.boolean()),
    );
    fc.assert(
      fc.property(streamsInTime, ([{ deployment, parts }, hours, idles]) => {
        drawn++;
        const log = new Log(deployment);
        let passed = 0;
        for (const part of parts) {
          passed += (hours.next().value as number) * HOUR;
          const arrival = part.at(-1)?.arrival ?? 0;
          log.take(part, (arrival + passed) as EpochMillis);
          expectIdentical(groupContents(log.cold()), groupContents(log.warm));
          if (!idles.next().value) continue;
          // What silence emits and forgets, as far as some later hour.
          const idle = foldIdle(deployment, log.warm, (arrival + passed) as EpochMillis, { panes: 5_000 });
          if (idle.changed) log.append(idle, (arrival + passed) as EpochMillis);
          expectIdentical(groupContents(log.cold()), groupContents(log.warm));
        }
        deltas += log.deltas();
        snapshots += log.entries.length - log.deltas();
      }),
      { numRuns: 150 },
    );
    expect(Math.min(deltas, snapshots) / drawn).toBeGreaterThan(2 / 3);
  });

  it('is the same however its records come in batches, and so are its panes', () => {
    fc.assert(
      fc.property(streams(60, 6), ({ deployment, records, parts }) => {
        const log = new Log(deployment);
        for (const part of parts) log.take(part, part.at(-1)?.arrival as EpochMillis);
        const atOnce = fold(deployment, EMPTY_GROUP, newsOf(deployment.pipeline, EMPTY_GROUP, records));
        expectIdentical(keptOf(log.cold()), keptOf(atOnce));
        expectIdentical(log.entries.flatMap(decodePanes).map(told), listPanes(atOnce.panes).map(told));
      }),
      { numRuns: 150 },
    );
  });

  it('read on from any of its entries is the one that is read from the last snapshot', () => {
    const withPlace = fc.tuple(streams(60, 4), fc.nat());
    fc.assert(
      fc.property(withPlace, ([{ deployment, parts }, place]) => {
        const log = new Log(deployment);
        const groups = [EMPTY_GROUP];
        for (const part of parts) {
          log.take(part, part.at(-1)?.arrival as EpochMillis);
          groups.push(log.warm);
        }
        const from = groups[place % groups.length] as Group;
        const read = readGroup(deployment, from, log.entries.slice(from.ordinal));
        expectIdentical(groupContents(read), groupContents(log.warm));
      }),
      { numRuns: 100 },
    );
  });

  it('is left as it was by what is folded onto it, written after it or read on from it', () => {
    fc.assert(
      fc.property(streams(40, 8), ({ deployment, parts }) => {
        const log = new Log(deployment);
        for (const part of parts) {
          const before = log.warm;
          const contents = structuredClone(groupContents(before));
          log.take(part, part.at(-1)?.arrival as EpochMillis);
          readGroup(deployment, before, log.entries.slice(before.ordinal));
          expectIdentical(groupContents(before), contents);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('takes each record in once, however often and in whatever batches it comes', () => {
    const redelivered = streams(40, 5).chain(({ deployment, records, parts }) =>
      fc.record({
        deployment: fc.constant(deployment),
        records: fc.constant(records),
        parts: fc.constant(parts),
        // Batches of a source are tried again from anywhere before.
        again: fc.array(fc.nat(), { minLength: parts.length, maxLength: parts.length }),
      }),
    );
    fc.assert(
      fc.property(redelivered, ({ deployment, records, parts, again }) => {
        const log = new Log(deployment);
        let taken = 0;
        for (const [at, part] of parts.entries()) {
          const from = taken - ((again[at] as number) % (Math.min(taken, 8) + 1));
          taken += part.length;
          const time = part.at(-1)?.arrival as EpochMillis;
          log.take(records.slice(from, taken), time);
        }
        const atOnce = fold(deployment, EMPTY_GROUP, newsOf(deployment.pipeline, EMPTY_GROUP, records));
        if (deployment.pipeline.source.lineage.ordered) expectIdentical(keptOf(log.cold()), keptOf(atOnce));
        // What has no order is known by ids, which are gone once each window would refuse it: then it is late.
        const { applied, poison } = log.cold().counters;
        expect({ applied, poison }).toEqual({
          applied: atOnce.counters.applied,
          poison: atOnce.counters.poison,
        });
        expectIdentical(log.entries.flatMap(decodePanes).map(told), listPanes(atOnce.panes).map(told));
      }),
      { numRuns: 100 },
    );
  });
});
