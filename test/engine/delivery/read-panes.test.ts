import { describe, expect, it } from 'vitest';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { after, type EpochMillis, millis } from '../../../src/core/time.ts';
import { decodeRead } from '../../../src/engine/delivery/read-panes.ts';
import { restore } from '../../../src/engine/delivery/restore.ts';
import { resumeReads } from '../../../src/engine/delivery/resume.ts';
import { decodePanes } from '../../../src/engine/format/entry.ts';
import { addIncarnation, holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { sweepHandler } from '../../../src/handlers.ts';
import {
  collect,
  count,
  definePipeline,
  kinesis,
  type Pipeline,
  panesOf,
  rolling,
  running,
  session,
  tumbling,
} from '../../../src/index.ts';
import type { StoredEntry } from '../../../src/ports/commit-log.ts';
import type { UpstreamStores } from '../../../src/ports/index.ts';
import { sweptIn } from '../../../src/ports/swept.ts';
import { wakeUpOf } from '../../../src/simulation/shapes.ts';
import { groupLogPrefix, readsLog } from '../../../src/wiring/names.ts';
import { byLine, Chain, forget, invocation, readings, sent } from '../chain.ts';
import { at, NOON, type Reading } from '../scene.ts';

const MINUTES = [
  ['a', 0, { n: 3, of: ['a1', 'a2'] }],
  ['a', 1, { n: 2, of: ['a1', 'a2'] }],
  ['b', 0, { n: 1, of: ['b1'] }],
  ['b', 1, { n: 1, of: ['b1'] }],
];

const sorted = (panes: readonly unknown[]) =>
  panes
    .map((pane) => {
      const [key, minute, results] = pane as [string, number, { n: number; of: string[] }];
      return [key, minute, { ...results, of: results.of.toSorted() }] as const;
    })
    .sort((a, b) => `${a[0]}${a[1]}`.localeCompare(`${b[0]}${b[1]}`));

describe('a pipeline that reads the panes of another', () => {
  it('takes in each settled pane once, however often it is woken', async () => {
    const chain = new Chain();
    for (const record of sent) {
      await chain.send(record);
      await chain.read();
      await chain.read(chain.withUpstream, wakeUpOf([{ log: chain.first.logOf('a1'), ordinal: 1 }]));
    }
    await chain.sweepFirst(30);
    await chain.read();
    await chain.sweep(60);
    expect(sorted(chain.emitted()).filter(([, minute]) => minute < 2)).toEqual(MINUTES);
    expect(chain.ports.telemetry.faults).toEqual([]);
  });

  it('takes in nothing twice where nothing says how far it had read', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.sweepFirst(30);
    await chain.read();
    forget(chain.ports, readsLog('lines'));
    await chain.read();
    await chain.sweep(60);
    expect(sorted(chain.emitted()).filter(([, minute]) => minute < 2)).toEqual(MINUTES);
  });

  it('reads on where a group could not commit, and covers no more than is taken in', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.sweepFirst(30);
    const { log } = chain.ports;
    const failing = {
      ...chain.withUpstream,
      log: {
        ...log,
        append: (name: string, entry: Parameters<typeof log.append>[1]) =>
          name.startsWith(groupLogPrefix('lines'))
            ? Promise.reject(new Error('no'))
            : log.append(name, entry),
      },
    };
    await expect(chain.read(failing)).rejects.toThrow(
      /^Cannot go on reading the panes for "lines" as those that are read must be taken in: \d+ are not$/,
    );
    await chain.read();
    await chain.sweep(60);
    expect(sorted(chain.emitted()).filter(([, minute]) => minute < 2)).toEqual(MINUTES);
  });

  it('lets no time pass by a pane that is not read yet', async () => {
    const chain = new Chain();
    await chain.read();
    await chain.sweepAlone(1);
    expect(chain.emitted()).toEqual([]);
    await chain.send(['a1', 0, 20]);
    await chain.sweepFirst(3);
    await chain.read();
    await chain.send(['a1', 4, 20]);
    // The pane of minute 4 waits since minute 7.
    await chain.sweepFirst(7);
    await chain.sweepFirst(50);
    await chain.sweepAlone(50);
    expect(chain.emitted()).toEqual([]);
    await chain.read();
    await chain.sweepAlone(51);
    expect(chain.emitted()).toHaveLength(2);
  });

  it('lets no silence pass of which a pane is not read yet, though it was committed after that', async () => {
    const chain = new Chain();
    await chain.send(['a1', 0, 20]);
    await chain.sweepFirst(3);
    await chain.read();
    await chain.send(['a1', 4, 20]);
    // The window of minute 4 closes in the silence of an hour, and is committed at its end.
    await chain.sweepFirst(60);
    await chain.sweepAlone(60);
    expect(chain.emitted()).toEqual([]);
    await chain.sweep(90);
    expect(chain.emitted().map((pane) => (pane as unknown[])[1])).toEqual([0, 4]);
  });

  it('lets silence pass of which all is read by the next sweep, whatever has come since', async () => {
    const chain = new Chain();
    const keys = () => chain.emitted().map((pane) => (pane as unknown[])[0]);
    await chain.send(['a1', 0, 20], ['b1', 0, 20]);
    await chain.sweepFirst(3);
    await chain.read();
    await chain.send(['b1', 4, 20]);
    await chain.sweepFirst(60);
    const warm = chain.arrivals();
    await chain.sweepAlone(60, warm);
    await chain.read();
    await chain.send(['b1', 61, 20]);
    await chain.sweepFirst(70);
    await chain.sweepAlone(70);
    expect(keys()).toEqual([]);
    await chain.sweepAlone(70, warm);
    expect(keys()).toEqual(['a']);
  });

  it('lets no more time pass than the first pipeline has', async () => {
    const chain = new Chain();
    await chain.send(['a1', 0, 20]);
    await chain.sweepFirst(3);
    await chain.read();
    await chain.sweepAlone(60);
    expect(chain.emitted()).toEqual([]);
    await chain.sweepFirst(60);
    await chain.sweepAlone(60);
    expect(chain.emitted()).toHaveLength(1);
  });

  it('has nothing come late as the first pipeline lags', async () => {
    const chain = new Chain();
    await chain.send(['a1', 0, 20], ['a1', 1, 20]);
    await chain.read();
    // Its records of minute 1 to 3 wait for an hour.
    chain.ports.clock.set(at(60));
    await chain.sweepAlone(60);
    await chain.send(['a2', 0, 1], ['a2', 1, 1], ['a2', 5, 1]);
    await chain.sweep(90);
    await chain.sweep(120);
    const both = { n: 2, of: ['a1', 'a2'] };
    expect(sorted(chain.emitted()).slice(0, 2)).toEqual([
      ['a', 0, both],
      ['a', 1, both],
    ]);
    expect(chain.ports.telemetry.counted.late).toBe(0);
  });

  it('goes on over more groups and other windows of the pipeline that it reads', async () => {
    const chain = new Chain();
    await chain.send(...sent.slice(0, 5));
    await chain.read();
    await beginGeneration(chain.first.engine, chain.upstream, 8);
    await chain.send(...sent.slice(5, 6));
    chain.upstream = readings(2) as Pipeline;
    await chain.send(...sent.slice(6));
    await beginGeneration(enginePorts(chain.ports), chain.pipeline, 4);
    await chain.sweepFirst(30);
    await chain.read();
    await chain.sweep(60);
    expect(sorted(chain.emitted()).filter(([, minute]) => minute < 2)).toEqual(MINUTES);
    expect(chain.ports.telemetry.faults).toEqual([]);
  });

  it('takes panes in as they were committed, whichever logs they are of', async () => {
    // Twelve machines in four groups; the last minute of each is committed after the first of all.
    const machines = Array.from({ length: 12 }, (_, n) => `a${n}`);
    const line = definePipeline('lines', panesOf(readings(), 'minute'), {
      key: () => 'all',
      eventTime: ({ start }) => start,
      groups: 2,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    });
    const chain = new Chain(line as Pipeline);
    for (const minute of [0, 1, 2, 3])
      for (const machine of machines) await chain.send([machine, minute, 20]);
    await chain.read();
    expect(chain.ports.telemetry.counted).toMatchObject({ applied: 36, late: 0 });
  });

  it('is told of no silence by a sweep that left a group out', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    const { log, progress } = chain.first.ports;
    const notes = sweptIn(progress);
    chain.ports.clock.set(at(30));
    const arrivals = { frontier: async (now: EpochMillis) => now };
    const sweep = (append: typeof log.append) =>
      sweepHandler({ ...chain.first.ports, log: { ...log, append }, arrivals, swept: notes }, chain.upstream)(
        {},
        invocation,
      );
    await sweep(async () => 'conflict');
    expect(await notes.read()).toBeUndefined();
    await sweep(log.append);
    expect(await notes.read()).toBe(at(29, 50));
    const note = () => Promise.reject(new Error('no'));
    chain.ports.clock.set(at(31));
    await sweepHandler({ ...chain.first.ports, arrivals, swept: { note } }, chain.upstream)({}, invocation);
    expect(chain.first.ports.telemetry.faults.map(({ what }) => what)).toEqual([
      'note how far all groups are swept',
    ]);
  });

  it('reads every revision where it is told to', async () => {
    const all = definePipeline('lines', panesOf(readings(), undefined, { revisions: 'all' }), {
      key: () => 'all',
      eventTime: ({ start }) => start,
      windows: { all: running({}, { kinds: collect(({ window, kind }) => `${window} ${kind}`) }) },
    });
    const chain = new Chain(all as Pipeline);
    await chain.send(['a1', 0, 20], ['a1', 1, 20]);
    await chain.read();
    const last = chain.emitted().at(-1) as [string, number, { kinds: string[] }];
    expect(last[2].kinds.toSorted()).toEqual([
      'all running',
      'all running',
      'lastTwo rolling',
      'lastTwo rolling',
      'minute early',
      'minute early',
      'minute final',
    ]);
  });

  //  minute   0     1.5     3
  //          [------)                    -> early
  //                       [------)      -> early, then retracted
  //          [-----------------------)  -> early, then final
  it('reads no pane that says that its window is no more, where it reads settled ones', async () => {
    const visits = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      outOfOrderness: '5m',
      groups: 4,
      windows: { visit: session({ gap: '2m', emit: 'record' }, { n: count() }) },
    });
    const lines = definePipeline('lines', panesOf(visits), {
      key: () => 'all',
      eventTime: ({ start }) => start,
      windows: { all: rolling({ count: 9 }, { kinds: collect(({ kind, count }) => `${kind} of ${count}`) }) },
    });
    const chain = new Chain(lines as Pipeline, visits as Pipeline);
    await chain.send(['a1', 0, 20], ['a1', 3, 20], ['a1', 1.5, 20]);
    const { log } = chain.first.ports;
    const emitted = [...log.logs].flatMap(([name, entries]) =>
      name.startsWith(groupLogPrefix('readings'))
        ? entries.map(chain.first.whole).flatMap((entry) => decodePanes(entry))
        : [],
    );
    expect(emitted.map(({ kind }) => kind)).toContain('retracted');
    await chain.sweepFirst(60);
    await chain.read();
    expect(chain.emitted().map((pane) => (pane as [string, number, unknown])[2])).toEqual([
      { kinds: ['final of 3'] },
    ]);
  });

  it('refuses to begin once the first panes have expired, unless it is told to read those that are left', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    const [log] = [...chain.first.ports.log.logs.keys()].filter((name) => name.startsWith('readings/'));
    chain.ports.clock.set(after(NOON, millis('7d')));
    await chain.sweepFirst((7 * 24 + 2) * 60);
    await expect(chain.read()).rejects.toThrow(
      `Cannot begin to read the panes of "readings" for "lines" as its first ones must be there: they have expired, or are about to; to read those that are left, say begin: 'kept'`,
    );
    expect(log).toBeDefined();
    chain.pipeline = byLine(readings(), 'kept') as Pipeline;
    await chain.read();
    await chain.sweep(9 * 24 * 60);
    expect(chain.ports.telemetry.faults).toHaveLength(1);
  });

  it('refuses to go on over logs that were taken back to an earlier time', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.read();
    await addIncarnation(chain.first.engine, await holdDeployment(chain.first.engine, chain.upstream));
    await expect(chain.read()).rejects.toThrow(
      /^Cannot go on reading the panes of "readings" for "lines" as its logs must hold what was read of them: they were taken back at 2026-/,
    );
  });

  it('goes on once its own logs were taken back, too, with each pane once', async () => {
    const chain = new Chain();
    const back = () => {
      const kept = [chain.first.ports, chain.ports].map(({ log }) => {
        const logs = log.logs as Map<string, StoredEntry[]>;
        return { logs, entries: [...logs].map(([name, entries]) => [name, [...entries]] as const) };
      });
      return () => {
        for (const { logs, entries } of kept) {
          logs.clear();
          for (const [name, all] of entries) logs.set(name, [...all]);
        }
      };
    };
    await chain.send(...sent.slice(0, 5));
    await chain.read();
    chain.ports.clock.set(at(5));
    await chain.send(...sent.slice(5, 7));
    await chain.read();
    const takeBack = back();
    await chain.send(...sent.slice(7));
    await chain.read();
    takeBack();
    const { log } = chain.ports;
    const listing = memoryReading(chain.ports).objects;
    const remover = { remove: async () => {} };
    for (const [ports, pipeline] of [
      [chain.first.ports, chain.upstream],
      [chain.ports, chain.pipeline],
    ] as const)
      await restore(
        { ...enginePorts(ports), progress: ports.progress, listing, remover },
        pipeline,
        () => {},
      );
    const noted = log.logs.get(readsLog('lines')) ?? [];
    const [rewound, before] = [noted.at(-1), noted.at(-3)].map((entry) =>
      decodeRead(chain.first.whole(entry as StoredEntry)),
    );
    expect(rewound).toEqual({ ...before, incarnation: undefined });
    chain.ports.clock.set(at(12));
    await chain.send(...sent.slice(7));
    await chain.sweepFirst(30);
    await chain.read();
    await chain.sweep(60);
    expect(sorted(chain.emitted()).filter(([, minute]) => minute < 2)).toEqual(MINUTES);
  });

  it('refuses panes in the place of others, though nothing says that the logs were taken back', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.read();
    forget(chain.first.ports, ...chain.first.ports.log.logs.keys());
    forget(chain.ports, readsLog('lines'));
    chain.ports.clock.set(at(20));
    await chain.send(...sent);
    await expect(chain.read()).rejects.toThrow();
    expect(chain.ports.telemetry.faults.map(({ cause }) => String(cause)).join()).toContain(
      'the source was made again under its name',
    );
  });

  it('reports a log that has lost what was not read, and goes on with the others', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.read();
    await chain.sweepFirst(20);
    await chain.sweepFirst(40);
    const lost = chain.first.ports.log.logs.get(chain.first.logOf('a1')) as StoredEntry[];
    await chain.send(['a1', 50, 1], ['a1', 52, 1]);
    await chain.send(['a1', 54, 1]);
    lost.splice(lost.length - 2, 1);
    await chain.read();
    expect(chain.ports.telemetry.counted.gaps).toBe(1);

    const engine = enginePorts(chain.ports);
    const upstream = chain.withUpstream.upstream as UpstreamStores;
    const append = async () => 'conflict' as const;
    await expect(
      resumeReads({ ...engine, log: { ...engine.log, append } }, upstream, chain.pipeline),
    ).rejects.toThrow('Cannot resume "lines" as its reader is at work: do it again');
    expect(await resumeReads(engine, upstream, chain.pipeline)).toMatchObject([
      { log: chain.first.logOf('a1') },
    ]);
    expect(await resumeReads(engine, upstream, chain.pipeline)).toEqual([]);
    await chain.read();
    expect(chain.ports.telemetry.counted.gaps).toBe(1);
  });

  it('is resumed once all that it noted has expired, and has nothing to resume where nothing was read', async () => {
    const chain = new Chain();
    const resumed = () =>
      resumeReads(enginePorts(chain.ports), chain.withUpstream.upstream as UpstreamStores, chain.pipeline);
    expect(await resumed()).toEqual([]);
    await chain.send(...sent);
    await chain.read();
    (chain.ports.log.logs as Map<string, StoredEntry[]>).set(readsLog('lines'), []);
    await expect(chain.read()).rejects.toThrow(
      'Cannot read log reads/lines as all of its entries have expired',
    );
    expect(await resumed()).toEqual([]);
    await chain.read();
    await chain.sweepFirst(30);
    await chain.sweep(60);
    expect(sorted(chain.emitted()).filter(([, minute]) => minute < 2)).toEqual(MINUTES);
  });
});
