import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { memoryReading } from '../../../src/adapters/memory/reading.ts';
import { frame, unframe } from '../../../src/core/codec.ts';
import type { Plain } from '../../../src/core/plain.ts';
import { unorderedPositionOf } from '../../../src/core/position.ts';
import { after, type EpochMillis, type Millis, millis } from '../../../src/core/time.ts';
import { type ParquetRow, parquetOf } from '../../../src/engine/delivery/parquet.ts';
import { decodeIntent, encodeIntent, folderOf } from '../../../src/engine/delivery/project-objects.ts';
import { readParquet } from '../../../src/engine/delivery/read-objects.ts';
import { decodePanes } from '../../../src/engine/format/entry.ts';
import { nextEntry } from '../../../src/engine/format/next-entry.ts';
import { pack, unpack } from '../../../src/engine/format/packed.ts';
import { readGroup } from '../../../src/engine/format/read-group.ts';
import { groupLogsOf, present } from '../../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group } from '../../../src/engine/group/group.ts';
import { groupOf, hashOf } from '../../../src/engine/group/key-group.ts';
import { type AuditOptions, audit, type Finding } from '../../../src/engine/inspect/audit.ts';
import { holdDeployment } from '../../../src/engine/log/definition-log.ts';
import { GroupLogs, unchanged } from '../../../src/engine/log/group-logs.ts';
import { beginGeneration } from '../../../src/engine/log/rescale.ts';
import { bodyObjectOf, enginePorts } from '../../../src/engine/log/spill.ts';
import {
  batches,
  bucket,
  count,
  definePipeline,
  kinesis,
  mean,
  type Pipeline,
  rolling,
  running,
  session,
  sqs,
  table,
  trailing,
  tumbling,
} from '../../../src/index.ts';
import type { LogEntry, StoredEntry } from '../../../src/ports/commit-log.ts';
import { LIMITS, type Limits } from '../../../src/ports/limits.ts';
import type { SourceRecord } from '../../../src/ports/source.ts';
import type { Row, StoredObject } from '../../../src/ports/stores.ts';
import { definitionLog, groupLog, objectsLog, PANES_PREFIX, rowsLog } from '../../../src/wiring/names.ts';
import { projectObjects, projectRows } from '../project.ts';
import { at, putToWork, type Reading, Scene } from '../scene.ts';

/** Two machines of one key group, and one of another. */
const PUMP = 'pump';
const LATHE = 'lathe';
const OVEN = 'oven';

const OPTIONS = {
  key: ({ machine }: Reading) => machine,
  eventTime: (reading: Reading) => reading.at,
  allowedLateness: '5m',
} as const;

const readings = definePipeline('readings', kinesis<Reading>(), {
  ...OPTIONS,
  windows: {
    minute: tumbling({ size: '1m' }, { mean: mean('celsius'), n: count() }),
    session: session({ gap: '30s' }, { n: count() }),
    trailing: trailing({ size: '1m' }, { n: count() }),
  },
}).to(table(), bucket());

const ordered = definePipeline('readings', kinesis<Reading>(), {
  ...OPTIONS,
  windows: {
    lastThree: rolling({ count: 3, partial: false }, { mean: mean('celsius') }),
    byTwo: batches({ count: 2 }, { n: count() }),
    all: running({}, { n: count() }),
    minute: tumbling({ size: '1m', emit: 'record' }, { n: count() }),
  },
}).to(table(), bucket());

const PUMPS = groupLog('readings', 1, groupOf(hashOf(PUMP), readings.groups));

/** Some minutes of three machines, late records and refused ones among them, delivered now and then. */
async function worked(pipeline: Pipeline = readings, limits: Limits = LIMITS): Promise<Scene> {
  const begun = new Scene(pipeline);
  const ports = { ...begun.ports, limits };
  const { source } = begun;
  const scene = await new Scene(pipeline, begun.deployment, { source, ports }).under(pipeline);
  for (let minute = 0; minute < 6; minute++) {
    const batch = [PUMP, LATHE, OVEN].flatMap((machine, shard) => [
      scene.put(machine, at(minute, 5), minute, shard % 2),
      scene.put(machine, at(minute, 50), minute + 1, shard % 2),
      ...(minute === 4
        ? [scene.put(machine, at(2, 20), 0, shard % 2), scene.put(machine, at(-30), 0, shard % 2)]
        : []),
    ]);
    if (minute === 3) batch.push(scene.putText('not JSON', at(3, 55)));
    await scene.process(batch);
    if (minute % 2 === 1) await scene.project();
  }
  await scene.sweepAt(at(60));
  await scene.project();
  return scene;
}

const auditOf = (scene: Scene, options?: AuditOptions) =>
  audit({ ...scene.ports, reading: memoryReading(scene.ports) }, scene.pipeline, options);

const findingsOf = async (scene: Scene, options?: AuditOptions): Promise<readonly Finding[]> =>
  (await auditOf(scene, options)).findings;

/** The entry that would hold a group whole at some place of its log. */
const snapshotOf = ({ deployment, ports }: Scene, group: Group, ordinal: number, more = {}): StoredEntry => {
  const before = { ...group, ordinal: ordinal - 1, base: undefined };
  return storedAs(nextEntry(deployment, before, { ...unchanged(group), ...more }, ports.clock.now()).entry);
};

const sectionsOf = ({ stored }: StoredEntry) => unframe(stored.subarray(1)) as [Uint8Array, Uint8Array];

/** A body of some state and some panes. */
const bodyOf = (state: Uint8Array, panes: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.of(6), frame([state, panes])]);

/** An entry as a log stores it that holds its body. */
const storedAs = ({ body, ...place }: LogEntry): StoredEntry => ({ ...place, stored: body });

/** What the ports of a scene keep, open to be changed. */
const logsOf = (scene: Scene) => scene.ports.log.logs as Map<string, StoredEntry[]>;
const objectsOf = (scene: Scene) =>
  scene.ports.objects.stored as Map<string, Pick<StoredObject, 'body' | 'contentType'>>;
const rowsOf = (scene: Scene) => scene.ports.rows.stored as Map<string, Map<string, Row>>;

const paneObjects = (scene: Scene): string[] =>
  [...objectsOf(scene).keys()].filter((name) => name.startsWith(PANES_PREFIX));

const linesIn = (scene: Scene, name: string): string[] =>
  gunzipSync(objectsOf(scene).get(name)?.body ?? '')
    .toString()
    .trimEnd()
    .split('\n');

const write = (scene: Scene, name: string, lines: readonly string[]) =>
  objectsOf(scene).set(name, { body: gzipSync(`${lines.join('\n')}\n`), contentType: 'application/gzip' });

describe('the audit of a pipeline as it was left', () => {
  it('finds nothing, and tells what is there', async () => {
    const scene = await worked();
    const report = await auditOf(scene);
    expect(report.findings).toEqual([]);
    const { applied, late: lateForAll, poison } = scene.ports.telemetry.counted;
    const late = Object.fromEntries(scene.ports.telemetry.late);
    expect(report).toMatchObject({
      pipeline: 'readings',
      records: { applied, lateForAll, poison, late },
      logs: { groups: 4, panes: scene.lines().length, cut: 0 },
      objects: { objects: paneObjects(scene).length, panes: scene.lines().length, unverified: 0 },
      rows: { checked: [...rowsOf(scene).values()].flatMap((rows) => [...rows]).length, unverified: 0 },
      counts: {},
    });
    expect(lateForAll * poison * report.records.applied).toBeGreaterThan(0);
    const done = { entries: 0, ageMillis: undefined, unfinished: undefined, skipped: [] };
    expect(report.projectors).toEqual([
      { sink: 'table', name: 'table', log: rowsLog('readings'), ...done },
      { sink: 'bucket', name: 'bucket', log: objectsLog('readings'), ...done },
    ]);
  });

  it('finds nothing with windows that follow the source, or that show themselves early', async () => {
    expect(await findingsOf(await worked(ordered))).toEqual([]);
  });

  it('writes nothing', async () => {
    const scene = await worked();
    const calls: string[] = [];
    const ports = scene.through(async (call, _name, carryOut) => {
      calls.push(call);
      return carryOut();
    });
    await audit({ ...ports, reading: memoryReading(scene.ports) }, readings);
    expect(new Set(calls)).toEqual(new Set(['log.after', 'log.latest', 'objects.exists']));
  });

  it('is not begun where there are no logs', async () => {
    await expect(auditOf(new Scene(readings))).rejects.toThrow(
      'Cannot audit "readings" as it must have begun: there are no logs of it',
    );
  });

  it('goes by the number of groups that was written down, whatever the definition says', async () => {
    const scene = await worked();
    const report = await audit(
      { ...scene.ports, reading: memoryReading(scene.ports) },
      { ...readings, groups: 8 },
    );
    expect(report).toMatchObject({ findings: [], logs: { generation: 1, groups: 4, cut: 0 } });
  });

  it('is not begun by an earlier definition than is at work', async () => {
    const scene = await worked();
    await putToWork(scene.ports, { ...readings, version: 2 });
    await expect(auditOf(scene)).rejects.toThrow('Cannot run version 1 of "readings" as version 2');
  });

  it('says how far it is', async () => {
    const told: string[] = [];
    await auditOf(await worked(), { onProgress: ({ what, done, of }) => told.push(`${what} ${done}/${of}`) });
    expect(told).toContain('parts 4/4');
    expect(told.filter((one) => one.startsWith('objects'))).toHaveLength(paneObjects(await worked()).length);
  });
});

describe('in a log', () => {
  const removed = (scene: Scene, log: string, ...ordinals: number[]) =>
    logsOf(scene).set(
      log,
      (logsOf(scene).get(log) ?? []).filter(({ ordinal }) => !ordinals.includes(ordinal)),
    );
  /** The entry of a log, another body in its place. */
  const replaced = (scene: Scene, log: string, ordinal: number, body: (entry: LogEntry) => Uint8Array) => {
    const entries = logsOf(scene).get(log) ?? [];
    const place = entries.findIndex((entry) => entry.ordinal === ordinal);
    const entry = entries[place] as StoredEntry;
    entries[place] = { ...entry, stored: body(scene.whole(entry)) };
  };

  it('finds an entry that was removed', async () => {
    const scene = await worked();
    removed(scene, PUMPS, 3);
    const report = await auditOf(scene);
    expect(report.findings).toEqual([{ kind: 'gap', log: PUMPS, after: 2, next: 4 }]);
    expect(report.logs.cut).toBe(1);
    // What it held cannot be told any more.
    expect(report.objects?.unverified).toBeGreaterThan(0);
  });

  it('finds the first entry removed, while it could not have expired', async () => {
    const scene = await worked();
    removed(scene, PUMPS, 1);
    expect(await findingsOf(scene)).toEqual([
      { kind: 'gap', log: PUMPS, after: 0, next: 2 },
      { kind: 'lost-base', log: PUMPS, ordinal: 2, base: 1 },
    ]);
  });

  it('finds a marker without entries', async () => {
    const scene = await worked();
    logsOf(scene).set(PUMPS, []);
    expect(await findingsOf(scene)).toEqual([{ kind: 'lost-log', log: PUMPS }]);
  });

  it('finds the last entry removed, by the projectors that have covered it', async () => {
    const scene = await worked();
    const last = scene.entriesOf(PUMP).length;
    removed(scene, PUMPS, last);
    const { findings } = await auditOf(scene);
    expect(findings).toContainEqual({ kind: 'gap', log: PUMPS, after: last - 1, next: last + 1 });
  });

  describe('whose snapshot was removed', () => {
    /** A scene that goes on for two entries after a snapshot. */
    async function removedSnapshot() {
      const scene = await worked();
      await scene.sweepAt(at(3 * 24 * 60));
      const base = scene.entriesOf(PUMP).length;
      for (let n = 0; n < 2; n++) await scene.process([scene.put(PUMP, at(3 * 24 * 60 + n))]);
      await scene.project();
      expect(await findingsOf(scene)).toEqual([]);
      removed(scene, PUMPS, base);
      return { scene, base };
    }

    it('finds what says the changes since', async () => {
      const { scene, base } = await removedSnapshot();
      expect(await findingsOf(scene)).toEqual([
        { kind: 'gap', log: PUMPS, after: base - 1, next: base + 1 },
        { kind: 'lost-base', log: PUMPS, ordinal: base + 1, base },
      ]);
    });

    it('finds of older entries the last, which nobody can go on from', async () => {
      const { scene, base } = await removedSnapshot();
      await holdDeployment(scene.engine, readings);
      scene.ports.clock.pass(millis('7d'));
      expect(await findingsOf(scene)).toEqual([{ kind: 'lost-base', log: PUMPS, ordinal: base + 2, base }]);
    });
  });

  describe('whose body is an object', () => {
    async function spilled() {
      const scene = await worked();
      const [{ body } = { body: new Uint8Array() }] = scene.entriesOf(PUMP);
      const object = `state/${PUMPS}/1-2026-01-05-${createHash('sha256').update(body).digest('hex')}`;
      objectsOf(scene).set(object, { body, contentType: '' });
      replaced(scene, PUMPS, 1, () => Buffer.from(`\xff${object}`, 'latin1'));
      return { scene, object, body };
    }
    it('finds nothing where that is so in every log, those of the definition and of the projectors among them', async () => {
      const scene = await worked(readings, { ...LIMITS, inline: 0 });
      const stored = [...logsOf(scene).values()].flat();
      expect(stored.every((entry) => bodyObjectOf(entry) !== undefined)).toBe(true);
      expect(await findingsOf(scene)).toEqual([]);
    });

    const reason = (object: string) =>
      `Cannot read an entry as its body, the object ${object}, must be there as it was written`;

    it('finds nothing while that is there', async () => {
      expect(await findingsOf((await spilled()).scene)).toEqual([]);
    });

    it.each(['removed', 'altered'])('finds it %s', async (what) => {
      const { scene, object, body } = await spilled();
      if (what === 'removed') objectsOf(scene).delete(object);
      else objectsOf(scene).set(object, { body: body.with(9, (body[9] as number) ^ 1), contentType: '' });
      expect(await findingsOf(scene)).toEqual([
        { kind: 'unreadable-entry', log: PUMPS, ordinal: 1, reason: reason(object) },
        { kind: 'lost-base', log: PUMPS, ordinal: 2, base: 1 },
      ]);
    });
  });

  it('finds a lineage, or a key, that a snapshot leaves out', async () => {
    const scene = await worked();
    const entries = logsOf(scene).get(PUMPS) ?? [];
    const group = scene.groupOf(PUMP);
    const ordinal = entries.length + 1;
    entries.push(snapshotOf(scene, group, ordinal, { positions: new Map(), keys: new Map() }));
    const lost = await findingsOf(scene);
    expect(lost).toEqual([
      ...[...group.positions.keys()].map((lineage) => ({
        kind: 'position-fell',
        log: PUMPS,
        ordinal,
        lineage,
      })),
      ...[...group.keys.keys()].map((key) => ({ kind: 'watermark-fell', log: PUMPS, ordinal, key })),
    ]);
  });

  it('takes the revisions of an altered window for what they are', async () => {
    const windows = (size: '1m' | '2m') => ({ minute: tumbling({ size }, { n: count() }) });
    const altered = (version: number, size: '1m' | '2m') =>
      definePipeline('readings', kinesis<Reading>(), { ...OPTIONS, version, windows: windows(size) }).to(
        table(),
        bucket(),
      );
    const one = await new Scene(altered(1, '1m')).under(altered(1, '1m'));
    await one.process([one.put(PUMP, at(4)), one.put(PUMP, at(5))]);
    await one.project();
    const two = await one.under(altered(2, '2m'));
    await two.process([two.put(PUMP, at(4, 30)), two.put(PUMP, at(9))]);
    const three = await two.under(altered(3, '1m'));
    await three.process([three.put(PUMP, at(8, 30)), three.put(PUMP, at(20))]);
    await three.project();
    const ids = three.lines().map(({ id }) => id);
    for (const label of ['minute', 'minute@2']) {
      expect(ids).toContain(`readings/pump/${label}/2026-01-05T12:04:00.000Z/0`);
    }
    expect(await findingsOf(three)).toEqual([]);
  });

  it('finds nothing in a queue, whose records have no order', async () => {
    const queue = definePipeline('readings', sqs<Reading>(), {
      ...OPTIONS,
      windows: { minute: tumbling({ size: '1m' }, { n: count() }) },
    }).to(table(), bucket());
    const scene = await new Scene(queue).under(queue);
    const sent = (id: string, record: SourceRecord): SourceRecord => ({
      ...record,
      lineage: 'readings',
      position: unorderedPositionOf(id),
    });
    const records = [0, 1, 9, 2, 3].map((minute) => sent(`m-${minute}`, scene.put(PUMP, at(minute))));
    await scene.process(records);
    await scene.process([...records, sent('m-x', scene.put(PUMP, at(11)))]);
    await scene.project();
    const report = await auditOf(scene);
    expect(report).toMatchObject({
      findings: [],
      records: { applied: 4, lateForAll: 4, poison: 0, late: { minute: 4 } },
    });
  });

  it.each([
    [
      'a byte changed',
      ({ body }: LogEntry) => body.map((byte, n) => (n === body.length - 9 ? byte ^ 1 : byte)),
    ],
    ['its end cut off', ({ body }: LogEntry) => body.subarray(0, -1)],
    ['another version', ({ body }: LogEntry) => body.map((byte, n) => (n === 0 ? 99 : byte))],
  ])('finds an entry that nobody can read: %s', async (_what, body) => {
    const scene = await worked();
    replaced(scene, PUMPS, 2, body);
    expect(await findingsOf(scene)).toEqual([
      { kind: 'unreadable-entry', log: PUMPS, ordinal: 2, reason: expect.stringMatching(/^Cannot /) },
    ]);
  });

  it('finds an entry whose positions, counters, watermarks and revisions go back', async () => {
    const scene = await worked();
    const entries = logsOf(scene).get(PUMPS) ?? [];
    const stale = readGroup(scene.deployment, EMPTY_GROUP, entries.slice(0, 1).map(scene.whole));
    entries.push(snapshotOf(scene, stale, entries.length + 1));
    await scene.project();
    const findings = await findingsOf(scene);
    const ordinal = entries.length;
    expect(findings).toContainEqual({
      kind: 'position-fell',
      log: PUMPS,
      ordinal,
      lineage: expect.stringContaining('readings/shardId'),
    });
    expect(findings).toContainEqual({ kind: 'watermark-fell', log: PUMPS, ordinal, key: PUMP });
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'counters', log: PUMPS, ordinal, counter: 'applied' }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'counters', log: PUMPS, ordinal, counter: 'lateForAll' }),
    );
  });

  it('finds a window that counted late records which no entry lists, and one whose count is gone', async () => {
    const scene = await worked();
    const entries = logsOf(scene).get(PUMPS) ?? [];
    const group = scene.groupOf(PUMP);
    const [window] = Object.keys(group.counters.late) as [string];
    const ordinal = entries.length + 1;
    for (const [late, counted, counter] of [
      [{ ...group.counters.late, constructor: 3 }, 3, 'late for constructor'],
      [{}, -(group.counters.late[window] ?? 0), `late for ${window}`],
    ] as const) {
      entries.length = ordinal - 1;
      entries.push(snapshotOf(scene, group, ordinal, { counters: { ...group.counters, late } }));
      expect(await findingsOf(scene)).toContainEqual({
        kind: 'counters',
        log: PUMPS,
        ordinal,
        counter,
        counted,
        listed: 0,
      });
    }
  });

  it('finds panes emitted again, and the second objects of them', async () => {
    const scene = await worked();
    const entries = logsOf(scene).get(PUMPS) ?? [];
    const emitting = entries.find((entry) => decodePanes(scene.whole(entry)).length > 0) as StoredEntry;
    const entry = snapshotOf(scene, scene.groupOf(PUMP), entries.length + 1);
    entries.push({ ...entry, stored: bodyOf(sectionsOf(entry)[0], sectionsOf(emitting)[1]) });
    await scene.project();
    const { counts } = await auditOf(scene);
    const again = decodePanes(scene.whole(emitting)).length;
    expect(counts.revision).toBe(again);
    expect(counts['doubled-pane']).toBe(again);
  });

  it.each([
    ['refused', 'poison'],
    ['late', 'late'],
  ] as const)('finds a %s record that was not kept, or whose object is another', async (_, kind) => {
    for (const body of [undefined, Buffer.from('none\n'), Buffer.alloc(0)]) {
      const scene = await worked();
      const kept = [...objectsOf(scene).keys()].find((name) => name.startsWith(`${kind}/`)) as string;
      const object = objectsOf(scene).get(kept) as StoredObject;
      if (body === undefined) objectsOf(scene).delete(kept);
      else objectsOf(scene).set(kept, { ...object, body });
      expect(await findingsOf(scene)).toEqual([
        expect.objectContaining({ kind: `missing-${kind}`, object: kept }),
      ]);
    }
  });

  it('finds a cursor that does not go on where the one before it ended', async () => {
    const scene = await worked();
    for (const log of [rowsLog('readings'), objectsLog('readings')]) {
      const entries = logsOf(scene).get(log) ?? [];
      entries.push({ ...(entries[0] as StoredEntry), ordinal: entries.length + 1 });
    }
    const { counts } = await auditOf(scene);
    const active = new Set([PUMP, LATHE, OVEN].map((machine) => scene.logOf(machine))).size;
    expect(counts.cursor).toBe(2 * active);
  });

  it('finds an intent that leaves panes out', async () => {
    const scene = await worked();
    const entries = logsOf(scene).get(objectsLog('readings')) ?? [];
    const last = entries.at(-1) as StoredEntry;
    const intent = decodeIntent(scene.whole(last));
    const { covered } = intent;
    const [[of, [ordinal, panes]]] = [...covered] as [[string, readonly [number, number]]];
    const to = new Map([[of, [ordinal + 2, 0]] as const]);
    entries.push({
      ...last,
      ordinal: last.ordinal + 1,
      stored: encodeIntent({
        ...intent,
        from: new Map([[of, [ordinal + 1, panes]]]),
        to,
        covered: new Map([...covered, ...to]),
        names: [],
        more: false,
        skipped: [],
      }),
    });
    expect(await findingsOf(scene)).toEqual([
      { kind: 'cursor', log: objectsLog('readings'), ordinal: last.ordinal + 1, of },
      { kind: 'gap', log: of, after: ordinal, next: ordinal + 3 },
    ]);
  });

  it('finds objects that an intent does not name, though it takes their panes', async () => {
    const scene = await worked();
    const entries = logsOf(scene).get(objectsLog('readings')) ?? [];
    const intent = decodeIntent(scene.whole(entries[1] as StoredEntry));
    const { names } = intent;
    const stored = encodeIntent({ ...intent, names: names.slice(1) });
    entries[1] = { ...(entries[1] as StoredEntry), stored };
    objectsOf(scene).delete(names[0] as string);
    expect(await findingsOf(scene)).toEqual([
      { kind: 'missing-object', object: folderOf(names[0] as string), intent: 2 },
    ]);
  });

  it('says that older entries have expired, which is no finding', async () => {
    const scene = await worked();
    for (let days = 0; days < 12; days += 2) {
      scene.ports.clock.pass(millis('2d'));
      await holdDeployment(scene.engine, readings);
      await scene.sweepAt(scene.ports.clock.now());
      await scene.project();
      if (days === 6) {
        // Some windows more, while the first still stand in the logs of others.
        const now = scene.ports.clock.now();
        const time = (seconds: number) => after(now, (seconds * 1_000) as never);
        await scene.process([scene.put(PUMP, time(5)), scene.put(PUMP, time(90))]);
        await scene.project();
      }
      scene.ports.log.expire(scene.ports.clock.now());
    }
    expect(scene.entriesOf(PUMP)[0]?.ordinal).toBeGreaterThan(1);
    const report = await auditOf(scene);
    expect(report.findings).toEqual([]);
    expect(report.logs.cut).toBeGreaterThan(0);
    expect(report.objects?.unverified).toBeGreaterThan(0);
    expect(report.rows?.unverified).toBeGreaterThan(0);
    expect(report.rows?.checked).toBeGreaterThan(0);

    // A pane that is older than the logs is still there once.
    const oldest = paneObjects(scene).sort()[0] as string;
    write(scene, oldest, [...linesIn(scene, oldest), ...linesIn(scene, oldest)]);
    expect((await auditOf(scene)).counts).toEqual({ 'doubled-pane': linesIn(scene, oldest).length / 2 });
  });
});

describe('in the bucket', () => {
  it('finds a second object that holds a pane again', async () => {
    const scene = await worked();
    const [name = ''] = paneObjects(scene);
    const planted = name.replace(/\d{12}/, '000000000099');
    write(scene, planted, linesIn(scene, name).slice(0, 1));
    const pane = JSON.parse(linesIn(scene, name)[0] ?? '').id;
    expect(await findingsOf(scene)).toEqual([
      { kind: 'stray-object', object: planted },
      { kind: 'doubled-pane', pane, object: planted, other: name },
    ]);
  });

  it('finds an object that was deleted', async () => {
    const scene = await worked();
    const [object = ''] = paneObjects(scene);
    objectsOf(scene).delete(object);
    expect(await findingsOf(scene)).toEqual([{ kind: 'missing-object', object, intent: expect.any(Number) }]);
  });

  it('finds a pane that was changed, taken out, put in, or put in twice', async () => {
    const scene = await worked();
    const [object = ''] = paneObjects(scene).filter((name) => linesIn(scene, name).length > 5);
    const lines = linesIn(scene, object);
    const [changed = '', missing = '', doubled = ''] = lines;
    const foreign = changed
      .replace('/pump/', '/nobody/')
      .replace('/lathe/', '/nobody/')
      .replace('/oven/', '/nobody/');
    write(scene, object, [changed.replace('"count":', '"count":1'), doubled, ...lines.slice(2), foreign]);
    const id = (line: string) => JSON.parse(line).id as string;
    expect(await findingsOf(scene)).toEqual([
      { kind: 'differing-pane', pane: id(changed), object },
      { kind: 'unknown-pane', pane: id(foreign), object },
      { kind: 'missing-pane', pane: id(missing), object },
      { kind: 'doubled-pane', pane: id(doubled), object, other: object },
    ]);
  });

  it('finds an object filed elsewhere', async () => {
    const scene = await worked();
    const [name = ''] = paneObjects(scene);
    const planted = name.replace(/hour=\d\d/, 'hour=03');
    write(scene, planted, linesIn(scene, name).slice(0, 1));
    expect((await auditOf(scene)).counts).toEqual({ 'stray-object': 1, 'misfiled-pane': 1 });
  });

  it.each([
    ['no gzip', Buffer.from('{}')],
    ['no JSON', gzipSync('{"id":')],
    ['no pane', gzipSync('null')],
  ])('finds an object that cannot be read: %s', async (_what, body) => {
    const scene = await worked();
    const [object = ''] = paneObjects(scene);
    objectsOf(scene).set(object, { body, contentType: '' });
    expect(await findingsOf(scene)).toEqual([
      { kind: 'unreadable-object', object, reason: expect.any(String) },
    ]);
  });

  it('keeps the first of many findings, and counts them all', async () => {
    const scene = await worked();
    const [name = ''] = paneObjects(scene);
    for (let n = 0; n < 1_200; n++)
      write(scene, name.replace(/\d{12}/, String(100 + n).padStart(12, '0')), []);
    const report = await auditOf(scene);
    expect(report.counts['stray-object']).toBe(1_200);
    expect(report.findings).toHaveLength(1_000);
  });
});

describe('over generations', () => {
  /** The scene of some minutes, gone on with in another number of groups. */
  async function rescaled(groups: number, pipeline: Pipeline = readings): Promise<Scene> {
    const scene = await worked(pipeline);
    await beginGeneration(scene.engine, pipeline, groups);
    const next = await scene.under(pipeline);
    await begun(next);
    await next.process(
      [PUMP, LATHE, OVEN].flatMap((machine, shard) => [
        next.put(machine, at(70), 1, shard % 2),
        next.put(machine, at(72), 2, shard % 2),
      ]),
    );
    await next.project();
    return next;
  }

  /** All groups of the present generation begin. */
  async function begun({ ports, deployment }: Scene): Promise<void> {
    for (let index = 0; index < present(deployment).groups; index++)
      await new GroupLogs(enginePorts(ports), deployment).load(index);
  }

  it.each([
    [16, readings],
    [1, readings],
    [2, ordered],
  ] as const)(
    'finds nothing in %i groups that others became, and counts each record once',
    async (groups, pipeline) => {
      const scene = await rescaled(groups, pipeline);
      const report = await auditOf(scene);
      const { applied, late: lateForAll, poison } = scene.ports.telemetry.counted;
      const late = Object.fromEntries(scene.ports.telemetry.late);
      expect(report).toMatchObject({
        findings: [],
        records: { applied, lateForAll, poison, late },
        logs: { generation: 2, groups, panes: scene.lines().length, cut: 0 },
        objects: { unverified: 0 },
        rows: { unverified: 0 },
      });
    },
  );

  it('counts what no later group has taken over yet, which is a finding once it is due', async () => {
    const scene = await worked();
    const { records } = await auditOf(scene);
    await beginGeneration(scene.engine, readings, 8);
    const next = await scene.under(readings);
    expect(await auditOf(next)).toMatchObject({ findings: [], records });
    const index = groupOf(hashOf(PUMP), 8);
    await next.logsOf().load(index);
    await next.project();
    expect(await auditOf(next)).toMatchObject({ findings: [], records });
    next.ports.clock.pass(millis('10m'));
    const report = await auditOf(next);
    expect(report.records).toEqual(records);
    expect(report.counts).toEqual({ 'unbegun-group': 7 });
    expect(report.findings).toContainEqual({
      kind: 'unbegun-group',
      log: groupLog('readings', 2, index === 0 ? 1 : 0),
      ageMillis: millis('10m'),
    });
    await begun(next);
    expect(await auditOf(next)).toMatchObject({ findings: [], records });
  });

  it('finds a row altered of a key that has moved', async () => {
    const scene = await rescaled(8);
    const rows = rowsOf(scene).get('readings#pump') as Map<string, Row>;
    const row = 'minute#2026-01-05T12:00:00.000Z';
    const { pane, ...rest } = rows.get(row) as Row;
    rows.set(row, { ...rest, pane: { ...pane, count: 99 } });
    expect(await findingsOf(scene)).toEqual([{ kind: 'differing-row', partition: 'readings#pump', row }]);
  });

  it('finds an entry after the one that ends a log, and one that ends a log which nobody goes on with', async () => {
    const scene = await rescaled(8);
    const old = logsOf(scene).get(PUMPS) ?? [];
    const group = readGroup(scene.deployment, EMPTY_GROUP, old.map(scene.whole));
    const ordinal = old.length + 1;
    old.push(snapshotOf(scene, group, ordinal));
    expect(await findingsOf(scene)).toEqual([
      { kind: 'seal', log: PUMPS, ordinal, fault: 'followed' },
      { kind: 'seal', log: PUMPS, ordinal, fault: 'missing' },
    ]);
    old.pop();
    logsOf(scene).get(definitionLog('readings'))?.pop();
    expect(await findingsOf(scene)).toContainEqual({
      kind: 'seal',
      log: PUMPS,
      ordinal: old.length,
      fault: 'unexpected',
    });
  });

  it('finds the end of a log removed', async () => {
    const scene = await rescaled(8);
    const old = logsOf(scene).get(PUMPS) ?? [];
    old.pop();
    expect(await findingsOf(scene)).toContainEqual({
      kind: 'seal',
      log: PUMPS,
      ordinal: old.length,
      fault: 'missing',
    });
  });

  it.each([
    ['counters', { counters: { applied: 7, lateForAll: 0, poison: 0, late: {} } }],
    ['positions', { positions: new Map() }],
    ['keys', { keys: new Map() }],
  ])('finds a group that began with other %s than were left to it', async (_what, more) => {
    const scene = await rescaled(8);
    const log = scene.logOf(PUMP);
    const entries = logsOf(scene).get(log) ?? [];
    const first = readGroup(scene.deployment, EMPTY_GROUP, entries.slice(0, 1).map(scene.whole));
    entries[0] = snapshotOf(scene, first, 1, more);
    expect(await findingsOf(scene)).toContainEqual({ kind: 'takeover', log });
  });

  it('finds a version, or a generation, taken back', async () => {
    const scene = await rescaled(8);
    const log = definitionLog('readings');
    const entries = logsOf(scene).get(log) ?? [];
    const [first, second] = entries as [StoredEntry, StoredEntry];
    entries.push({ ...first, ordinal: 3 }, { ...second, ordinal: 4 });
    expect(await findingsOf(scene)).toEqual([{ kind: 'definition', log, ordinal: 3 }]);
    const written = unpack(second.stored) as { readonly [name: string]: Plain };
    const newer = pack({ ...written, version: 2 });
    entries.splice(1, 3, { ...second, stored: newer }, { ...second, ordinal: 3 });
    expect(await findingsOf(scene)).toEqual([{ kind: 'definition', log, ordinal: 3 }]);
  });

  it('says that the logs of an earlier one have expired, which is no finding', async () => {
    const scene = await rescaled(8);
    for (let days = 0; days < 20; days += 2) {
      scene.ports.clock.pass(millis('2d'));
      await holdDeployment(scene.engine, readings);
      await scene.sweepAt(scene.ports.clock.now());
      await scene.project();
      expect((await auditOf(scene)).findings).toEqual([]);
      scene.ports.log.expire(scene.ports.clock.now());
      expect((await auditOf(scene)).findings).toEqual([]);
    }
    expect(logsOf(scene).get(PUMPS)).toEqual([]);
  });

  it('is not ended where the number of groups changed meanwhile', async () => {
    const scene = await worked();
    const { objects, rows } = memoryReading(scene.ports);
    const meeting = {
      ...objects,
      async *list(prefix: string) {
        await beginGeneration(scene.engine, readings, 16);
        yield* objects.list(prefix);
      },
    };
    await expect(audit({ ...scene.ports, reading: { objects: meeting, rows } }, readings)).rejects.toThrow(
      'Cannot audit "readings" as the number of its key groups must not change meanwhile: audit it again',
    );
  });
});

describe('what was settled about a pipeline', () => {
  it('is a finding where it is gone, and the groups are not', async () => {
    const scene = await worked();
    const log = definitionLog('readings');
    logsOf(scene).set(log, []);
    expect(await findingsOf(scene)).toEqual([{ kind: 'lost-log', log }]);
    logsOf(scene).delete(log);
    expect(await findingsOf(scene)).toEqual([{ kind: 'lost-log', log }]);
  });
});

describe('in a bucket of Parquet', () => {
  const parquet: Pipeline = { ...readings, sinks: [table(), bucket({ format: 'parquet' })] };

  const rewrite = async (scene: Scene, name: string, change: (row: ParquetRow) => ParquetRow) => {
    const rows = (await readParquet(objectsOf(scene).get(name)?.body ?? new Uint8Array())).map(
      ({ pane, identity, end }) => ({
        pane,
        identity,
        end,
        start: Date.parse(pane.start) as EpochMillis,
        watermark: Date.parse(pane.watermark) as EpochMillis,
      }),
    );
    objectsOf(scene).set(name, { body: parquetOf(rows.map(change)), contentType: '' });
    return rows;
  };

  it('finds nothing, and reads every pane', async () => {
    const scene = await worked(parquet);
    const names = paneObjects(scene);
    expect(names.every((name) => name.endsWith('.parquet'))).toBe(true);
    const report = await auditOf(scene);
    expect(report).toMatchObject({ findings: [], objects: { objects: names.length, unverified: 0 } });
    expect(report.objects?.panes).toBe(report.logs.panes);
  });

  it('finds a pane that was changed, and nothing where the same was written again', async () => {
    const scene = await worked(parquet);
    const [object = ''] = paneObjects(scene);
    const rows = await rewrite(scene, object, (row) => row);
    expect(await findingsOf(scene)).toEqual([]);
    const [
      ,
      {
        pane: { id },
      },
    ] = rows as unknown as [unknown, ParquetRow];
    await rewrite(scene, object, (row) =>
      row.pane.id === id ? { ...row, pane: { ...row.pane, results: { n: 77 } } } : row,
    );
    expect(await findingsOf(scene)).toEqual([{ kind: 'differing-pane', pane: id, object }]);
    await rewrite(scene, object, (row) => (row.pane.id === id ? { ...row, identity: 'other' } : row));
    expect((await auditOf(scene)).counts).toEqual({ 'differing-pane': 1 });
  });

  it('finds an object that cannot be read', async () => {
    const scene = await worked(parquet);
    const [object = ''] = paneObjects(scene);
    for (const body of [Buffer.from('PAR1'), gzipSync('{}'), new Uint8Array(0)]) {
      objectsOf(scene).set(object, { body, contentType: '' });
      expect((await auditOf(scene)).counts).toEqual({ 'unreadable-object': 1 });
    }
  });
});

describe('in the rows', () => {
  const change = (scene: Scene, machine: string, sort: string, pane: Partial<Row['pane']>) => {
    const rows = rowsOf(scene).get(`readings#${machine}`) as Map<string, Row>;
    const row = rows.get(sort) as Row;
    rows.set(sort, { ...row, pane: { ...row.pane, ...pane } });
  };

  it.each(['minute#latest', 'minute#2026-01-05T12:00:00.000Z', 'trailing#latest'])(
    'finds %s altered',
    async (row) => {
      const scene = await worked();
      change(scene, PUMP, row, { count: 99 });
      expect(await findingsOf(scene)).toEqual([{ kind: 'differing-row', partition: 'readings#pump', row }]);
    },
  );

  it('finds a row that is ahead of everything in a log that is whole', async () => {
    const scene = await worked();
    const rows = rowsOf(scene).get('readings#pump') as Map<string, Row>;
    rows.set('minute#latest', { ...(rows.get('minute#latest') as Row), order: 9e15 });
    expect(await findingsOf(scene)).toEqual([
      { kind: 'differing-row', partition: 'readings#pump', row: 'minute#latest' },
    ]);
  });

  it('finds a row deleted, and one that nothing was ever written under', async () => {
    const scene = await worked();
    const rows = rowsOf(scene).get('readings#pump') as Map<string, Row>;
    rows.delete('session#latest');
    rows.set('minute#another', { ...(rows.get('minute#latest') as Row), sort: 'minute#another' });
    expect(await findingsOf(scene)).toEqual([
      { kind: 'unknown-row', partition: 'readings#pump', row: 'minute#another' },
      { kind: 'missing-row', partition: 'readings#pump', row: 'session#latest' },
    ]);
  });
});

describe('beside a pipeline that runs', () => {
  /** The ports of a scene, to which something happens just before the first call that `when` picks. */
  const meeting = (
    scene: Scene,
    when: (call: string, name: string) => boolean,
    what: () => Promise<unknown>,
  ) => {
    let met = false;
    const meet = async (call: string, name: string): Promise<void> => {
      if (met || !when(call, name)) return;
      met = true;
      await what();
    };
    const ports = scene.through(async (call, name, carryOut) => {
      await meet(call, name);
      return carryOut();
    });
    const { objects, rows } = memoryReading(scene.ports);
    return {
      ...ports,
      reading: {
        objects: {
          ...objects,
          async *list(prefix: string) {
            await meet('list', prefix);
            yield* objects.list(prefix);
          },
        },
        rows: {
          ...rows,
          async *ofPartition(partition: string) {
            await meet('rows', partition);
            yield* rows.ofPartition(partition);
          },
        },
      },
    };
  };
  const goOn = async (scene: Scene): Promise<void> => {
    const records = [PUMP, OVEN].flatMap((machine) => [
      scene.put(machine, at(70)),
      scene.put(machine, at(72)),
    ]);
    await scene.process(records);
    await scene.project();
  };

  it.each(['rows', 'list'])('takes what is committed meanwhile for what it is: %s', async (moment) => {
    const scene = await worked();
    const ports = meeting(
      scene,
      (call, name) => call === moment && name.startsWith(moment === 'rows' ? 'readings#' : PANES_PREFIX),
      () => goOn(scene),
    );
    const { findings } = await audit(ports, readings);
    expect(findings).toEqual([]);
  });

  it('says what a projector has yet to do, which is a finding once it is due', async () => {
    const scene = await worked();
    const entries = [...logsOf(scene)]
      .filter(([log]) => log.startsWith('readings/'))
      .flatMap(([, all]) => all).length;
    await scene.process([scene.put(PUMP, at(70)), scene.put(PUMP, at(72))]);
    scene.ports.clock.pass(millis('5m'));
    const early = await auditOf(scene);
    expect(early.findings).toEqual([]);
    expect(early.logs.entries).toBe(entries + 1);
    expect(early.projectors.map(({ log, entries, ageMillis }) => [log, entries, ageMillis])).toEqual([
      [rowsLog('readings'), 1, millis('5m')],
      [objectsLog('readings'), 1, millis('5m')],
    ]);
    scene.ports.clock.pass(millis('5m'));
    expect(await findingsOf(scene)).toEqual([
      { kind: 'trailing-projector', log: rowsLog('readings'), entries: 1, ageMillis: millis('10m') },
      { kind: 'trailing-projector', log: objectsLog('readings'), entries: 1, ageMillis: millis('10m') },
    ]);
  });

  it('knows the rows of a step that was not noted, and an intent that is not finished', async () => {
    const scene = await worked();
    await scene.process([scene.put(PUMP, at(70)), scene.put(PUMP, at(72))]);
    const failing = scene.refusing(
      (call, name) =>
        (call === 'log.append' && name === rowsLog('readings')) ||
        (call === 'objects.create' && !/poison/.test(name)),
    );
    const { deployment, ports } = scene;
    const logs = groupLogsOf(deployment, ports.clock.now());
    const sink = bucket({ every: '0s' });
    await expect(projectRows(enginePorts(failing), deployment, logs, at(1e6))).rejects.toThrow('refused');
    await expect(projectObjects(enginePorts(failing), deployment, sink, at(1e6))).rejects.toThrow('refused');
    const patient = await auditOf(scene);
    expect(patient.findings).toEqual([]);
    expect(patient.projectors[1]?.unfinished).toEqual({ ordinal: expect.any(Number), ageMillis: 0 });
    expect(await findingsOf(scene, { patience: 0 as Millis })).toContainEqual(
      expect.objectContaining({ kind: 'unfinished-intent', log: objectsLog('readings') }),
    );
    await scene.project();
    expect(await findingsOf(scene, { patience: 0 as Millis })).toEqual([]);
  });
});
