import type { Ports } from '../../src/ports/index.ts';

/** The calls that leave the process. */
export type Call =
  | 'log.latest'
  | 'log.after'
  | 'log.append'
  | 'objects.create'
  | 'objects.exists'
  | 'rows.put'
  | 'progress.note'
  | 'progress.read'
  | 'arrivals.frontier';

/** What stands between the engine and the world: it sees every call, and carries it out, fails it, or holds it up. */
export type Gate = <Result>(call: Call, name: string, carryOut: () => Promise<Result>) => Promise<Result>;

/** The same ports behind a gate. Rows pass one by one, as a store may take some and refuse others. */
export function behind(gate: Gate, { log, objects, rows, progress, arrivals, ...others }: Ports): Ports {
  return {
    ...others,
    log: {
      latest: (name) => gate('log.latest', name, () => log.latest(name)),
      after: (name, ordinal) => gate('log.after', name, () => log.after(name, ordinal)),
      append: (name, entry) => gate('log.append', name, () => log.append(name, entry)),
    },
    objects: {
      create: (name, object) => gate('objects.create', name, () => objects.create(name, object)),
      exists: (name) => gate('objects.exists', name, () => objects.exists(name)),
    },
    rows: {
      async put(all) {
        await Promise.all(all.map((row) => gate('rows.put', row.sort, () => rows.put([row]))));
      },
    },
    progress: {
      note: (lineage, position) => gate('progress.note', lineage, () => progress.note(lineage, position)),
      read: (lineage) => gate('progress.read', lineage, () => progress.read(lineage)),
    },
    arrivals: { frontier: (now) => gate('arrivals.frontier', '', () => arrivals.frontier(now)) },
  };
}
