import { describe, expect, it } from 'vitest';
import { defineAggregate } from '../../../src/core/aggregates/define.ts';
import { CodecError } from '../../../src/core/codec.ts';
import { subPlaceOf, subPositionOf } from '../../../src/core/position.ts';
import { isoTime } from '../../../src/core/time.ts';
import { decodeLedger, decodePanes } from '../../../src/engine/format/entry.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import { firstDeployment } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group } from '../../../src/engine/group/group.ts';
import {
  batches,
  bucket,
  count,
  definePipeline,
  kinesis,
  mean,
  type Pane,
  type Pipeline,
  rolling,
  running,
  session,
  sliding,
  sum,
  table,
  trailing,
  tumbling,
} from '../../../src/index.ts';
import type { PaneShape, Window } from '../../../src/pipeline/windows.ts';
import type { LogEntry } from '../../../src/ports/commit-log.ts';
import { at, NOON, type Reading, Scene } from '../scene.ts';

const PUMP = 'pump';
const OVEN = 'oven';

interface Shape extends PaneShape {
  readonly results: Pane['results'];
}

/** A pipeline of one window, its panes to both sinks. */
const of = (window: Window<Reading, Shape>, more: { readonly allowedLateness?: '10m' } = {}): Pipeline =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    ...more,
    windows: { w: window },
  }).to(table(), bucket());

const n = { n: count() };

/** A scene in which each batch was taken in and projected before the next. */
async function played(pipeline: Pipeline, ...batchesOfTimes: (readonly number[])[]): Promise<Scene> {
  const scene = new Scene(pipeline);
  for (const times of batchesOfTimes) {
    await scene.process(times.map((seconds) => scene.put(PUMP, at(0, seconds), seconds)));
    await scene.project();
  }
  return scene;
}

const groupAsOf = (pipeline: Pipeline, entry: LogEntry): Group =>
  readGroup(firstDeployment(pipeline), EMPTY_GROUP, [entry]);

const told = ({ id, kind, results, count: records }: Pane): string =>
  `${id.slice('readings/pump/w/'.length).replace('2026-01-05T', '').replace('.000Z', '')} ${kind} ${results === null ? 'null' : JSON.stringify(results)} of ${records}`;

const lines = (scene: Scene): readonly string[] => scene.lines().map(told);

/** The rows of the pump, by the end of their names. */
const rows = (scene: Scene): { readonly [name: string]: string } =>
  Object.fromEntries(
    [...(scene.ports.rows.stored.get(`readings#${PUMP}`) ?? [])].map(([sort, { pane }]) => [
      sort.slice('w#'.length).replace('2026-01-05T', '').replace('.000Z', ''),
      told(pane),
    ]),
  );

describe('a session', () => {
  //  12:00:00        12:01:00        12:02:00
  //    0 10            60 70           120 …    two sessions, closed by the record at 120
  //         \___40____/                         joins them: late, and the second is no more
  const sessions = of(session({ gap: '30s' }, n), { allowedLateness: '10m' });

  it('that becomes part of another leaves a row that says so, and is not the latest any more', async () => {
    const scene = await played(sessions, [0, 10, 60, 70, 120], [35]);
    expect(lines(scene)).toEqual([
      '12:00:00/0 final {"n":2} of 2',
      '12:01:00/0 final {"n":2} of 2',
      '12:01:00/1 retracted null of 0',
      '12:00:00/1 late {"n":5} of 5',
    ]);
    expect(rows(scene)).toEqual({
      latest: '12:00:00/1 late {"n":5} of 5',
      '12:00:00': '12:00:00/1 late {"n":5} of 5',
      '12:01:00': '12:01:00/1 retracted null of 0',
    });
  });

  it('is the latest once it ends last, however often one that became part of it was emitted', async () => {
    const often = of(session({ gap: '30s', emit: 'record' }, n), { allowedLateness: '10m' });
    const scene = await played(often, [0, 60, 61, 62, 63, 64], [30]);
    expect(rows(scene)).toEqual({
      latest: '12:00:00/2 early {"n":7} of 7',
      '12:00:00': '12:00:00/2 early {"n":7} of 7',
      '12:01:00': '12:01:00/5 retracted null of 0',
    });
  });

  it('that a late record lets end sooner is written over, too', async () => {
    const short = of(session({ gap: '6s', maxDuration: '10s' }, n), { allowedLateness: '10m' });
    expect(rows(await played(short, [8, 30], [2]))['12:00:08']).toBe('12:00:08/1 late {"n":2} of 2');
  });

  it('that is retracted takes the place of no newer one', async () => {
    const scene = await played(sessions, [0, 10, 60, 70, 120, 200, 300], [35]);
    expect(rows(scene)['latest']).toBe('12:03:20/0 final {"n":1} of 1');
    expect(rows(scene)['12:01:00']).toBe('12:01:00/1 retracted null of 0');
  });
});

describe('what is emitted early', () => {
  it('is written over by what is final, each row only under its condition', async () => {
    const scene = await played(of(tumbling({ size: '1m', emit: 'record' }, n)), [0, 10], [70]);
    expect(lines(scene)).toEqual([
      '12:00:00/0 early {"n":1} of 1',
      '12:00:00/1 early {"n":2} of 2',
      '12:01:00/0 early {"n":1} of 1',
      '12:00:00/2 final {"n":2} of 2',
    ]);
    expect(rows(scene)).toEqual({
      latest: '12:01:00/0 early {"n":1} of 1',
      '12:00:00': '12:00:00/2 final {"n":2} of 2',
      '12:01:00': '12:01:00/0 early {"n":1} of 1',
    });
    const stored = [...(scene.ports.rows.stored.get(`readings#${PUMP}`)?.values() ?? [])];
    expect(stored.some(({ settled }) => settled)).toBe(false);
  });

  it('with every commit is emitted once for all records that it brought', async () => {
    const scene = await played(of(tumbling({ size: '1m', emit: 'update' }, n)), [0, 10], [20], [70, 80]);
    expect(lines(scene)).toEqual([
      '12:00:00/0 early {"n":2} of 2',
      '12:00:00/1 early {"n":3} of 3',
      '12:00:00/2 final {"n":3} of 3',
      '12:01:00/0 early {"n":2} of 2',
    ]);
  });
});

describe('a closed window', () => {
  it('that nothing can revise is settled, and no other is', async () => {
    const settledOf = async (pipeline: Pipeline) =>
      [...((await played(pipeline, [0, 70])).ports.rows.stored.get(`readings#${PUMP}`) ?? [])].map(
        ([sort, { settled }]) => [sort.slice(0, 8), settled],
      );
    const minute = tumbling({ size: '1m' }, n);
    expect(await settledOf(of(minute))).toEqual([
      ['w#latest', false],
      ['w#2026-0', true],
    ]);
    expect(await settledOf(of(minute, { allowedLateness: '10m' }))).toEqual([
      ['w#latest', false],
      ['w#2026-0', false],
    ]);
  });

  it('without records has a row, too', async () => {
    const scene = await played(of(tumbling({ size: '1m', emitEmpty: true }, n)), [0, 130]);
    expect(rows(scene)).toEqual({
      latest: '12:01:00/0 empty null of 0',
      '12:00:00': '12:00:00/0 final {"n":1} of 1',
      '12:01:00': '12:01:00/0 empty null of 0',
    });
  });
});

describe('panes by record', () => {
  it('of everything since the key began are one window, of which the last is kept', async () => {
    const scene = await played(of(running({}, { total: sum('celsius') })), [1, 2], [3]);
    expect(lines(scene)).toEqual([
      'all/0 running {"total":1} of 1',
      'all/1 running {"total":3} of 2',
      'all/2 running {"total":6} of 3',
    ]);
    expect(rows(scene)).toEqual({ latest: 'all/2 running {"total":6} of 3' });
  });

  it('of the records before each, the latest is the one of the latest time, as it was last corrected', async () => {
    const scene = await played(
      of(trailing({ size: '1m' }, n), { allowedLateness: '10m' }),
      [0, 100, 200],
      [60],
    );
    expect(lines(scene)).toEqual([
      '0/0 final {"n":1} of 1',
      '1/0 final {"n":1} of 1',
      '3/0 late {"n":1} of 1',
      '1/1 late {"n":2} of 2',
    ]);
    expect(rows(scene)).toEqual({ latest: '1/1 late {"n":2} of 2' });
  });

  it('of every so many records have a row each, by their ordinal', async () => {
    const scene = await played(of(batches({ count: 2 }, { total: sum('celsius') })), [9, 8, 3], [2, 1]);
    expect(rows(scene)).toEqual({
      latest: '1/0 final {"total":5} of 2',
      '0': '0/0 final {"total":17} of 2',
      '1': '1/0 final {"total":5} of 2',
    });
  });

  it('of the last records are the latest by the order of the source, not of time', async () => {
    const scene = await played(of(rolling({ count: 1 }, { total: sum('celsius') })), [9, 8, 3]);
    expect(rows(scene)).toEqual({ latest: '2/0 rolling {"total":3} of 1' });
  });
});

describe('a result that is no number', () => {
  it('is null wherever it is written', async () => {
    const keeping = of(
      rolling(
        { count: 1 },
        {
          none: mean<Reading, 'keep'>((reading) => (reading.note ? 1 : undefined), { invalid: 'keep' }),
          most: sum<Reading, 'keep'>(({ celsius }) => celsius * 1e308, { invalid: 'keep' }),
        },
      ),
    );
    const scene = await played(keeping, [20]);
    const [entry] = scene.entriesOf(PUMP);
    expect(decodePanes(entry as LogEntry)[0]?.results).toEqual({ none: Number.NaN, most: Infinity });
    expect(lines(scene)).toEqual(['0/0 rolling {"none":null,"most":null} of 1']);
    expect(scene.row(PUMP, 'w#latest')).toEqual({ none: null, most: null });
  });
});

/** Adds readings up, and throws at one above 1,000 degrees. */
const brittle = defineAggregate<Reading, 'celsius', number, number>({
  name: 'brittle',
  select: 'celsius',
  identity: 0,
  lift: (celsius) => {
    if (celsius > 1_000) throw new Error(`melted at ${celsius}`);
    return celsius;
  },
  combine: (earlier, later) => {
    if (earlier + later > 1_500) throw new Error('melted slowly');
    return earlier + later;
  },
  lower: (total) => total,
});

describe('a record on which an author’s function throws', () => {
  const melting = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    windows: {
      lastFive: rolling({ count: 5 }, { n: count(), brittle }),
      minute: tumbling({ size: '1m', emit: 'update' }, { n: count(), brittle }),
      ten: sliding({ size: '10m', slide: '1m' }, { n: count() }),
      all: running({}, { n: count(), brittle }),
    },
  }).to(table(), bucket());

  const readings = [
    [PUMP, 1],
    [OVEN, 2],
    [PUMP, 3, 5_000],
    [PUMP, 65],
    [OVEN, 66, 2_000],
    [OVEN, 200, 3_000],
    [PUMP, 130],
  ] as const;

  it('is refused, with what it threw, and the rest of the batch goes on as if it had not come', async () => {
    const [scene, without] = [new Scene(melting), new Scene(melting)];
    await scene.process(
      readings.map(([machine, seconds, celsius]) => scene.put(machine, at(0, seconds), celsius)),
    );
    await without.process(
      readings
        .filter(([, , celsius]) => celsius === undefined)
        .map(([machine, seconds]) => without.put(machine, at(0, seconds))),
    );
    expect(scene.emitted()).toEqual(without.emitted());
    expect(scene.emitted()).not.toHaveLength(0);
    for (const machine of [PUMP, OVEN]) {
      expect(scene.groupOf(machine).keys).toEqual(without.groupOf(machine).keys);
    }
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 4, poison: 3 });
    const kept = scene.refused().map(({ position, code, reason }) => [position, code, reason]);
    expect(kept.sort()).toEqual([
      ['3', 'fold', 'melted at 5000'],
      ['5', 'fold', 'melted at 2000'],
      ['6', 'fold', 'melted at 3000'],
    ]);
    const entries = [PUMP, OVEN].flatMap((machine) => scene.entriesOf(machine));
    const listed = entries.flatMap((entry) => decodeLedger(entry).poison.map(({ position }) => position));
    expect(listed.map((at) => subPlaceOf(at).position).sort()).toEqual(['3', '5', '6']);
  });

  it('is refused, too, where only what came before it makes it throw', async () => {
    const scene = new Scene(melting);
    const batch = [900, 500, 400, 100].map((celsius, at_) => scene.put(PUMP, at(0, at_), celsius));
    expect(await scene.process(batch)).toEqual([]);
    expect(scene.entriesOf(PUMP).flatMap((entry) => decodeLedger(entry).poison)).toEqual([
      { lineage: batch[2]?.lineage, position: '3000000000000' },
    ]);
    expect(scene.emitted().at(-1)).toBe('pump 12:00:00 0 {"n":3,"brittle":1500}');
  });

  it('is moved past for good', async () => {
    const scene = new Scene(melting);
    const batch = [scene.put(PUMP, at(0, 1), 5_000), scene.put(PUMP, at(0, 2))];
    expect(await scene.process(batch)).toEqual([]);
    expect(await scene.process(batch)).toEqual([]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 1, poison: 1, duplicate: 2 });
  });
});

describe('a window whose records an author’s function cannot combine', () => {
  it('closes without that result, and keeps no other key of its group open', async () => {
    const fussy = defineAggregate<Reading, 'celsius', number, number>({
      name: 'fussy',
      select: 'celsius',
      identity: 0,
      lift: (celsius) => celsius,
      combine: (earlier, later) => {
        if (earlier + later > 1_000) throw new Error('too hot');
        return earlier + later;
      },
      lower: (total) => total,
    });
    const scene = new Scene(of(sliding({ size: '2m', slide: '1m' }, { n: count(), fussy })));
    await scene.process([
      scene.put(PUMP, at(0, 10), 600),
      scene.put(PUMP, at(1, 10), 600),
      scene.put('lathe', at(0, 20), 7),
    ]);
    expect(await scene.sweepAt(at(30))).toMatchObject({ open: 0, panes: 4 });
    expect(scene.emitted()).toEqual([
      'pump 11:59:00 0 {"n":1,"fussy":600}',
      'pump 12:00:00 0 {"n":2,"fussy":null}',
      'pump 12:01:00 0 {"n":1,"fussy":600}',
      'lathe 11:59:00 0 {"n":1,"fussy":7}',
      'lathe 12:00:00 0 {"n":1,"fussy":7}',
    ]);
    expect(scene.ports.telemetry.counted.poison).toBe(0);
  });
});

describe('a record that is late', () => {
  const both = definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    groups: 1,
    windows: {
      lastTwo: rolling({ count: 2 }, n),
      minute: tumbling({ size: '1m' }, n),
      fiveMinutes: tumbling({ size: '5m' }, n),
    },
  });

  //  12:00     12:01     12:02  …  12:05
  //    20        ↑ 70                ↑ 310
  //  [---------)                           30 comes after 70, and 40 after 310
  it('for some windows is counted and listed for those, and taken by the others', async () => {
    const scene = new Scene(both);
    await scene.process([20, 70].map((second) => scene.put(PUMP, at(0, second))));
    const first = scene.put(PUMP, at(0, 30));
    await scene.process([first, scene.put(PUMP, at(0, 310))]);
    const second = scene.put(PUMP, at(0, 40));
    await scene.process([second]);
    expect(scene.groupOf(PUMP).counters).toEqual({
      applied: 5,
      lateForAll: 0,
      poison: 0,
      late: { minute: 2, fiveMinutes: 1 },
    });
    const [none, ...listed] = scene.entriesOf(PUMP).map((entry) => decodeLedger(entry).late);
    expect(none).toEqual([]);
    const common = { key: PUMP, applied: true };
    expect(listed).toEqual(
      [
        { one: first, at: at(0, 30), watermark: at(0, 70), windows: ['minute'] },
        { one: second, at: at(0, 40), watermark: at(0, 310), windows: ['minute', 'fiveMinutes'] },
      ].map(({ one: { lineage, position }, ...refused }) => [
        { ...common, ...refused, lineage, position: subPositionOf(true, position, 0, 0) },
      ]),
    );
    const { telemetry } = scene.ports;
    expect(telemetry.counted).toMatchObject({ applied: 5, late: 0 });
    expect([...telemetry.late]).toEqual([
      ['minute', 2],
      ['fiveMinutes', 1],
    ]);
  });

  it('is told the windows of, whatever windows the code has by then', async () => {
    const scene = new Scene(both);
    await scene.process([20, 70, 30].map((second) => scene.put(PUMP, at(0, second))));
    const renamed = definePipeline('readings', kinesis<Reading>(), {
      key: ({ machine }) => machine,
      eventTime: (reading) => reading.at,
      groups: 1,
      version: 2,
      windows: { constructor: tumbling({ size: '1m' }, n), lastTwo: rolling({ count: 2 }, n) },
    });
    const later = scene.under(renamed);
    await (await later).process([40, 20].map((second) => scene.put(PUMP, at(0, second))));
    expect(scene.entriesOf(PUMP).flatMap((entry) => decodeLedger(entry).late)).toMatchObject([
      { at: at(0, 30), windows: ['minute'] },
      { at: at(0, 40), windows: ['constructor'] },
      { at: at(0, 20), windows: ['constructor'] },
    ]);
    expect((await later).groupOf(PUMP).counters.late).toEqual({ minute: 1, constructor: 2 });
  });

  it('goes by many windows as it does by few', async () => {
    const names = Array.from({ length: 70 }, (_, at) => `w${at}`);
    const scene = new Scene(
      definePipeline('readings', kinesis<Reading>(), {
        key: ({ machine }) => machine,
        eventTime: (reading) => reading.at,
        groups: 1,
        windows: Object.fromEntries(
          names.map((name, at) => [name, tumbling({ size: `${at % 2 === 0 ? 1 : 60}m` }, n)]),
        ),
      }),
    );
    await scene.process([70, 30].map((second) => scene.put(PUMP, at(0, second))));
    const refusing = names.filter((_, at) => at % 2 === 0);
    expect(scene.groupOf(PUMP).counters.late).toEqual(Object.fromEntries(refusing.map((name) => [name, 1])));
    expect(scene.entriesOf(PUMP).flatMap((entry) => decodeLedger(entry).late)).toMatchObject([
      { windows: refusing, applied: true },
    ]);
  });
});

describe('a record that is late for all of its windows', () => {
  it('is listed in the entry that moves past it, with the watermark that it met', async () => {
    const scene = new Scene(of(tumbling({ size: '1m' }, n)));
    await scene.process([scene.put(PUMP, at(2, 10))]);
    const late = scene.put(PUMP, at(1, 30), 20, 1);
    await scene.process([late, scene.put(PUMP, at(2, 20))]);
    expect(scene.entriesOf(PUMP).map((entry) => decodeLedger(entry).late)).toEqual([
      [],
      [
        {
          key: PUMP,
          at: at(1, 30),
          lineage: late.lineage,
          position: subPositionOf(true, late.position, 0, 0),
          watermark: at(2, 10),
          windows: ['w'],
          applied: false,
        },
      ],
    ]);
    expect(scene.ports.telemetry.counted).toMatchObject({ applied: 2, late: 1 });
  });
});

describe('an entry', () => {
  const pipeline = of(sliding({ size: '10m', slide: '1m' }, { mean: mean('celsius') }));

  it('whose bytes were altered is refused', async () => {
    const [entry] = (await played(pipeline, [0, 70])).entriesOf(PUMP) as [LogEntry];
    for (let place = 0; place < entry.body.length; place++) {
      const body = Uint8Array.from(entry.body);
      body[place] = (body[place] as number) ^ 0x10;
      expect(() => groupAsOf(pipeline, { ...entry, body })).toThrow(CodecError);
      expect(() => decodePanes({ ...entry, body })).toThrow(CodecError);
    }
  });

  it('whose tables are not those of a window of that definition is refused', async () => {
    const [entry] = (await played(pipeline, [0, 70])).entriesOf(PUMP) as [LogEntry];
    const [window] = pipeline.rules.windows;
    const layouts = [
      window?.operator.layout.slice(1),
      window?.operator.layout.map(({ width, plainWidth }) => ({ width, plainWidth: plainWidth + 1 })),
    ];
    for (const layout of layouts) {
      const operator = { ...window?.operator, layout };
      const altered = { ...pipeline, rules: { ...pipeline.rules, windows: [{ name: 'w', operator }] } };
      expect(() => groupAsOf(altered as unknown as Pipeline, entry)).toThrow(
        new CodecError('Cannot read window "w" as its tables must be those that its kind stores'),
      );
    }
    expect(groupAsOf(pipeline, entry).keys.get(PUMP)?.watermark).toBe(at(0, 70));
  });

  it('gives its panes to a projector whose pipeline has other windows by now', async () => {
    const scene = new Scene(pipeline);
    await scene.process([scene.put(PUMP, NOON, 10), scene.put(PUMP, at(20), 10)]);
    const later = new Scene(of(running({}, n)));
    for (const [name, entries] of scene.ports.log.logs) {
      for (const entry of entries) await later.ports.log.append(name, entry);
    }
    await later.project();
    expect(later.lines()).toHaveLength(10);
    expect(later.lines()[9]?.start).toBe(isoTime(NOON));
  });
});
