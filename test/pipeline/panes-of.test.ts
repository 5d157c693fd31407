import { describe, expect, it } from 'vitest';
import {
  count,
  definePipeline,
  kinesis,
  panesOf,
  rolling,
  running,
  session,
  tumbling,
} from '../../src/index.ts';
import { chainOf, upstreamOf } from '../../src/pipeline/upstream.ts';
import { tryPipeline } from '../../src/testing.ts';

interface Reading {
  readonly machine: string;
  readonly at: number;
}

const readings = (allowedLateness: '0s' | '1m' = '0s') =>
  definePipeline('readings', kinesis<Reading>({ shards: 2 }), {
    key: ({ machine }) => machine,
    eventTime: ({ at }) => at,
    allowedLateness,
    windows: {
      minute: tumbling({ size: '1m' }, { n: count() }),
      session: session({ gap: '1m' }, { n: count() }),
      lastTwo: rolling({ count: 2 }, { n: count() }),
      all: running({}, { n: count() }),
    },
  });

describe('the panes of a pipeline as a source', () => {
  it('has its key groups, remembers its logs, and knows what it reads', () => {
    const source = panesOf(readings(), 'minute');
    expect(source).toMatchObject({
      kind: 'panes',
      groups: 8,
      window: 'minute',
      revisions: 'settled',
      begin: 'first',
    });
    const lines = definePipeline('lines', source, {
      key: ({ key }) => key,
      eventTime: ({ start }) => start,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    });
    expect(upstreamOf(lines)?.name).toBe('readings');
    expect(chainOf(lines).map(({ name }) => name)).toEqual(['readings', 'lines']);
    expect(upstreamOf(readings())).toBeUndefined();
  });

  it('is of panes as sinks write them, where a test tries what reads it', () => {
    const lines = definePipeline(
      'lines',
      panesOf(readings(), 'minute').map(({ start }) => ({ start })),
      {
        key: () => 'all',
        eventTime: ({ start }) => start,
        windows: { hour: tumbling({ size: '1h' }, { n: count() }) },
      },
    );
    const { panes } = tryPipeline(
      readings(),
      [0, 1, 2].map((minute) => ({ machine: 'pump', at: Date.UTC(2026, 0, 5, 12, minute) })),
    );
    const minutes = panes.filter(({ window }) => window === 'minute');
    expect(tryPipeline(lines, minutes).panes.map(({ results }) => results)).toEqual([{ n: 3 }]);
  });

  it('is refused where the pipeline has no such window', () => {
    expect(() => panesOf(readings(), 'hour' as never)).toThrow(
      new RangeError(
        'Cannot read the panes of window "hour" of "readings" as it must be one of its windows: they are minute, session, lastTwo, all',
      ),
    );
  });

  it.each(['minute', 'session'] as const)(
    'is refused where %s may be revised, unless all revisions are read',
    (window) => {
      expect(() => panesOf(readings('1m'), window)).toThrow(
        new RangeError(
          `Cannot read the settled panes of window "${window}" of "readings" as it must settle: its allowedLateness is 60000 ms, for which a pane may be revised; set that to 0, or say revisions: 'all'`,
        ),
      );
      expect(panesOf(readings('1m'), window, { revisions: 'all' }).revisions).toBe('all');
    },
  );

  it('is refused where a window never settles, also as one of all', () => {
    const refusal = new RangeError(
      `Cannot read the settled panes of window "all" of "readings" as it must settle: it is a running window, which never does; say revisions: 'all'`,
    );
    expect(() => panesOf(readings(), 'all')).toThrow(refusal);
    expect(() => panesOf(readings())).toThrow(refusal);
  });

  it('is of a rolling window whatever lateness is allowed, as no pane of it is revised', () => {
    expect(panesOf(readings('1m'), 'lastTwo').window).toBe('lastTwo');
  });

  it.each([
    [{ revisions: 'some' }, 'revisions "some" as it must be "settled" or "all"'],
    [{ begin: 'last' }, 'begin "last" as it must be "first" or "kept"'],
  ])('refuses %j', (options, rule) => {
    expect(() => panesOf(readings(), 'minute', options as never)).toThrow(
      new RangeError(`Cannot read the panes of "readings" with ${rule}`),
    );
  });

  it('refuses an option that there is not', () => {
    expect(() => panesOf(readings(), 'minute', { from: 'now' } as never)).toThrow(
      new TypeError('Cannot read the panes of "readings" with "from" as the options are revisions, begin'),
    );
  });

  it('is refused to a pipeline of the same name, directly and through others', () => {
    const over = (name: string, source: ReturnType<typeof readings>) =>
      definePipeline(name, panesOf(source, 'minute'), {
        key: ({ key }) => key,
        eventTime: ({ start }) => start,
        windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
      }) as unknown as ReturnType<typeof readings>;
    expect(() => over('readings', readings())).toThrow(
      new RangeError(
        'Cannot define "readings" as a pipeline must not read what is made of its own panes: it reads itself',
      ),
    );
    expect(() => over('readings', over('plants', over('lines', readings())))).toThrow(
      new RangeError(
        'Cannot define "readings" as a pipeline must not read what is made of its own panes: it is read by "lines", read by "plants"',
      ),
    );
  });
});
