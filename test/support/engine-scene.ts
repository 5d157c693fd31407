import { gunzipSync } from 'node:zlib';
import { type MemoryPorts, memoryPorts, memorySource } from '../../src/adapters/memory/index.ts';
import { type EpochMillis, isoTime } from '../../src/core/time.ts';
import { decodePanes } from '../../src/engine/entry.ts';
import { groupOf } from '../../src/engine/key-group.ts';
import { processBatch } from '../../src/engine/process-batch.ts';
import { projectObjects } from '../../src/engine/project-objects.ts';
import { projectRows } from '../../src/engine/project-rows.ts';
import { sweep } from '../../src/engine/sweep.ts';
import type { Pane, Pipeline } from '../../src/index.ts';
import type { LogEntry } from '../../src/ports/commit-log.ts';
import type { Ports } from '../../src/ports/index.ts';
import type { SourceRecord } from '../../src/ports/source.ts';
import { groupLog, PANES_PREFIX } from '../../src/wiring/names.ts';
import { behind, type Call, type Gate } from './engine-gate.ts';

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

/** Every record that is put waits one shard further on; the clock stands at the arrival of the last. */
export class Scene {
  readonly pipeline: Pipeline;
  readonly source = memorySource('readings', 2);
  readonly ports: MemoryPorts = memoryPorts({ source: this.source, start: NOON });

  constructor(pipeline: Pipeline) {
    this.pipeline = pipeline;
  }

  put(machine: string, time: EpochMillis, celsius = 20, shard = 0, more: object = {}): SourceRecord {
    return this.putText(JSON.stringify({ machine, at: time, celsius, ...more }), time, shard, machine);
  }

  putText(text: string, arrival: EpochMillis, shard = 0, partitionKey = 'pump'): SourceRecord {
    if (arrival > this.ports.clock.now()) this.ports.clock.set(arrival);
    return this.source.put(shard, { arrival, partitionKey, data: Buffer.from(text) });
  }

  process(records: readonly SourceRecord[], ports: Ports = this.ports, deadline = at(1e6)) {
    return processBatch(ports, this.pipeline, records, deadline);
  }

  sweepAt(time: EpochMillis, ports: Ports = this.ports) {
    this.ports.clock.set(time);
    return sweep(ports, this.pipeline);
  }

  async project(ports: Ports = this.ports): Promise<void> {
    const groups = Array.from({ length: this.pipeline.groups }, (_, group) => group);
    await projectRows(ports, this.pipeline, groups, LATER);
    await projectObjects(ports, this.pipeline, groups, LATER);
  }

  entriesOf(machine: string): readonly LogEntry[] {
    const group = groupOf(machine, this.pipeline.groups);
    return this.ports.log.logs.get(groupLog(this.pipeline.name, group)) ?? [];
  }

  /** What the entries of all groups emit: the machine, the window's start, the revision and the results. */
  emitted(): string[] {
    const entries = [...this.ports.log.logs].flatMap(([log, all]) =>
      log.startsWith('readings/') ? all : [],
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
