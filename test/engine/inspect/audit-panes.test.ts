import { describe, expect, it } from 'vitest';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { type Millis, millis } from '../../../src/core/time.ts';
import { auditPanes } from '../../../src/engine/inspect/audit-panes.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { enginePorts } from '../../../src/engine/log/spill.ts';
import { count, definePipeline, type Pipeline, panesOf, tumbling } from '../../../src/index.ts';
import type { StoredEntry } from '../../../src/ports/commit-log.ts';
import type { UpstreamStores } from '../../../src/ports/index.ts';
import { groupLogPrefix, readsLog } from '../../../src/wiring/names.ts';
import { Chain, forget, readings, sent } from '../chain.ts';

const auditOf = ({ ports, withUpstream, pipeline }: Chain, patience?: Millis) =>
  auditPanes(
    { ...ports, reading: memoryReading(ports) },
    withUpstream.upstream as UpstreamStores,
    pipeline,
    patience === undefined ? {} : { patience },
  );

describe('the audit of the panes that a pipeline reads', () => {
  it('finds nothing where each pane is in', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.sweepFirst(30);
    await chain.read();
    expect(await auditOf(chain)).toEqual({
      upstream: 'readings',
      panes: 9,
      read: 9,
      ageMillis: undefined,
      findings: [],
    });
  });

  it('finds nothing where nothing has begun, and tells of what waits too long', async () => {
    const chain = new Chain();
    expect(await auditOf(chain)).toMatchObject({ panes: 0, read: 0, findings: [] });
    await chain.send(...sent);
    await chain.sweepFirst(30);
    expect(await auditOf(chain)).toMatchObject({
      panes: 9,
      read: 0,
      findings: [{ kind: 'trailing-projector', log: 'reads/lines', entries: 9 }],
    });
    expect((await auditOf(chain, millis('1h'))).findings).toEqual([]);
  });

  it('finds a pane that was read and is not in', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.sweepFirst(30);
    await chain.read();
    for (const [name, entries] of chain.ports.log.logs)
      if (name.startsWith(groupLogPrefix('lines'))) (entries as StoredEntry[]).length = 1;
    const [group] = [...chain.ports.log.logs.keys()].filter((name) =>
      name.startsWith(groupLogPrefix('lines')),
    );
    forget(chain.ports, group as string);
    const { findings } = await auditOf(chain);
    expect(findings.filter(({ kind }) => kind === 'unread-pane').length).toBeGreaterThan(0);
    expect(findings.at(-1)).toMatchObject({ kind: 'pane-count', log: 'reads/lines', expected: 9 });
  });

  it('finds a pane without a group where the pipeline itself is gone', async () => {
    const chain = new Chain();
    await chain.send(...sent);
    await chain.read();
    const reads = readsLog('lines');
    forget(chain.ports, ...[...chain.ports.log.logs.keys()].filter((name) => name !== reads));
    const { findings } = await auditOf(chain);
    expect(findings[0]).toMatchObject({ kind: 'unread-pane', log: reads });
  });

  it('leaves groups that have yet to begin alone, follows those that took keys over, and what is filtered', async () => {
    const some = definePipeline('lines', panesOf(readings(), 'minute'), {
      filter: ({ key }) => key !== 'b1',
      key: ({ key }) => key,
      eventTime: ({ start }) => start,
      groups: 2,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    });
    const chain = new Chain(some as Pipeline);
    await chain.send(...sent);
    await chain.read();
    await beginGeneration(enginePorts(chain.ports), chain.pipeline, 1);
    await chain.sweepFirst(30);
    // What waits has not waited for long.
    expect(await auditOf(chain)).toMatchObject({ panes: 9, read: 6, findings: [] });
    await chain.read();
    expect((await auditOf(chain)).findings).toEqual([]);
    await beginGeneration(enginePorts(chain.ports), chain.pipeline, 4);
    const last = [...chain.ports.log.logs.keys()].filter((name) => name.startsWith('lines/3/'));
    forget(chain.ports, ...last.slice(0, 1));
    expect((await auditOf(chain)).findings).toEqual([]);
  });
});
