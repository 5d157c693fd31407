import { gunzipSync } from 'node:zlib';
import {
  type MemoryPorts,
  type MemorySource,
  memoryPorts,
  memorySource,
} from '../../src/adapters/memory/index.ts';
import { type EpochMillis, isoTime } from '../../src/core/time.ts';
import { decodePanes } from '../../src/engine/format/entry.ts';
import { readGroup } from '../../src/engine/format/read-group.ts';
import { type Deployment, firstDeployment, groupLogsOf, present } from '../../src/engine/group/deployment.ts';
import { EMPTY_GROUP, type Group } from '../../src/engine/group/group.ts';
import { groupOf, hashOf } from '../../src/engine/group/key-group.ts';
import { type RefusedRecord, readRefused } from '../../src/engine/intake/poison.ts';
import { processBatch } from '../../src/engine/intake/process-batch.ts';
import { sweep } from '../../src/engine/intake/sweep.ts';
import { holdDeployment, writeDown } from '../../src/engine/log/definition-log.ts';
import type { GroupCache } from '../../src/engine/log/group-cache.ts';
import { GroupLogs } from '../../src/engine/log/group-logs.ts';
import { bodyObjectOf, enginePorts } from '../../src/engine/log/spill.ts';
import type { Pane, Pipeline } from '../../src/index.ts';
import { atOnce } from '../../src/pipeline/sinks.ts';
import type { LogEntry, StoredEntry } from '../../src/ports/commit-log.ts';
import type { Ports } from '../../src/ports/index.ts';
import type { SourceRecord } from '../../src/ports/source.ts';
import { behind, type Call, type Gate } from '../../src/simulation/gate.ts';
import { groupLog, groupLogPrefix, PANES_PREFIX, POISON_PREFIX } from '../../src/wiring/names.ts';
import { projectObjects, projectRows } from './project.ts';

export interface Reading {
  readonly machine: string;
  readonly at: number;
  readonly celsius: number;
  readonly note?: string;
}

export const NOON = Date.UTC(2026, 0, 5, 12) as EpochMillis;
export const at = (minutes: number, seconds = 0): EpochMillis =>
  (NOON + minutes * 60_000 + seconds * 1_000) as EpochMillis;

/** After anything that happens here. */
const LATER = 8e15 as EpochMillis;

/** The deployment of a pipeline, written down as by whoever commits the first entry of it. */
export async function putToWork(
  ports: Pick<Ports, 'log' | 'objects' | 'clock'>,
  pipeline: Pipeline,
): Promise<Deployment> {
  const engine = enginePorts(ports);
  const deployment = await holdDeployment(engine, pipeline);
  await writeDown(engine, deployment);
  return deployment;
}

/** Every record that is put waits one shard further on; the clock stands at the arrival of the last. */
export class Scene {
  readonly pipeline: Pipeline;
  readonly deployment: Deployment;
  readonly source: MemorySource;
  readonly ports: MemoryPorts;

  constructor(
    pipeline: Pipeline,
    deployment = firstDeployment(pipeline),
    { source, ports }: Partial<Scene> = {},
  ) {
    this.pipeline = pipeline;
    this.deployment = deployment;
    this.source = source ?? memorySource('readings', 2);
    this.ports = ports ?? memoryPorts({ source: this.source, start: NOON });
  }

  /** The same world under a definition that is put to work in it: another version, or the same after a change of groups. */
  async under(pipeline: Pipeline): Promise<Scene> {
    return new Scene(pipeline, await putToWork(this.ports, pipeline), this);
  }

  put(machine: string, time: EpochMillis, celsius = 20, shard = 0, more: object = {}): SourceRecord {
    return this.putText(JSON.stringify({ machine, at: time, celsius, ...more }), time, shard, machine);
  }

  putText(text: string, arrival: EpochMillis, shard = 0, partitionKey = 'pump'): SourceRecord {
    if (arrival > this.ports.clock.now()) this.ports.clock.set(arrival);
    return this.source.put(shard, { arrival, partitionKey, data: Buffer.from(text) });
  }

  /** The ports as handlers make them for the engine. */
  get engine() {
    return enginePorts(this.ports);
  }

  /** @returns the records to be given again */
  async process(
    records: readonly SourceRecord[],
    ports: Ports = this.ports,
    deadline = at(1e6),
    cache?: GroupCache,
  ): Promise<readonly SourceRecord[]> {
    const engine = enginePorts(ports);
    return (await processBatch(engine, this.logsOf(ports, cache), records, deadline)).again;
  }

  sweepAt(time: EpochMillis, ports: Ports = this.ports, cache?: GroupCache) {
    this.ports.clock.set(time);
    return sweep(enginePorts(ports), this.logsOf(ports, cache), LATER);
  }

  logsOf(ports: Ports = this.ports, cache?: GroupCache): GroupLogs {
    return new GroupLogs(enginePorts(ports), this.deployment, cache);
  }

  async project(ports: Ports = this.ports): Promise<void> {
    const logs = groupLogsOf(this.deployment, ports.clock.now());
    await projectRows(enginePorts(ports), this.deployment, logs, LATER);
    for (const sink of atOnce(this.pipeline.sinks)) {
      if (sink.kind === 'bucket') await projectObjects(enginePorts(ports), this.deployment, sink, LATER);
    }
  }

  /** The name of the log of a machine's group. */
  logOf(machine: string): string {
    const { number, groups } = present(this.deployment);
    return groupLog(this.pipeline.name, number, groupOf(hashOf(machine), groups));
  }

  /** The entries of a machine's group as its log stores them. */
  storedOf(machine: string): readonly StoredEntry[] {
    return this.ports.log.logs.get(this.logOf(machine)) ?? [];
  }

  entriesOf(machine: string): readonly LogEntry[] {
    return this.storedOf(machine).map(this.whole);
  }

  /** An entry with its body, though that is kept as an object. */
  whole = ({ stored, ...place }: StoredEntry): LogEntry => {
    const name = bodyObjectOf({ stored });
    return { ...place, body: (name && this.ports.objects.stored.get(name)?.body) || stored };
  };

  /** A machine's group as whoever has nothing in memory reads it, by this definition or another. */
  groupOf(machine: string, deployment = this.deployment): Group {
    return readGroup(deployment, EMPTY_GROUP, this.entriesOf(machine));
  }

  /** What the entries of all groups emit: the machine, the window's start, the revision and the results. */
  emitted(): string[] {
    const entries = [...this.ports.log.logs].flatMap(([log, all]) =>
      log.startsWith(groupLogPrefix(this.pipeline.name)) ? all.map(this.whole) : [],
    );
    return entries.flatMap((entry) =>
      decodePanes(entry).map(
        ({ key, start, revision, results }) =>
          `${key} ${isoTime(start).slice(11, 19)} ${revision} ${JSON.stringify(results)}`,
      ),
    );
  }

  lines(): Pane[] {
    return [...this.ports.objects.stored].flatMap(([name, { body }]) =>
      name.startsWith(PANES_PREFIX)
        ? gunzipSync(body)
            .toString()
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line) as Pane)
        : [],
    );
  }

  /** The refused records that are kept, each once, by lineage and position. */
  refused(): RefusedRecord[] {
    const kept = new Map<string, RefusedRecord>();
    for (const [name, { body }] of this.ports.objects.stored) {
      if (!name.startsWith(POISON_PREFIX)) continue;
      for (const one of readRefused(body)) kept.set(`${one.lineage}/${one.position}/${one.child}`, one);
    }
    return [...kept.values()];
  }

  row(machine: string, sort: string): unknown {
    return this.ports.rows.stored.get(`readings#${machine}`)?.get(sort)?.pane.results;
  }

  /** The same ports, on which the calls that `when` picks are refused. */
  refusing(when: (call: Call, name: string) => boolean): Ports {
    return this.through(async (call, name, carryOut) => {
      if (when(call, name)) throw new Error(`${call} refused`);
      return carryOut();
    });
  }

  through(gate: Gate): Ports {
    return behind(gate, this.ports);
  }
}
