import type { Ports } from '../ports/index.ts';

/** The ports whose calls leave the process. */
export type Store = 'log' | 'objects' | 'rows' | 'progress' | 'arrivals' | 'outlets';

/** A call that leaves the process, such as `log.append` for `append` of the log. */
export type Call = `${Store}.${string}`;

/**
 * Stands between the engine and the stores: it sees every call, and carries it out, fails it, or holds it up.
 */
export type Gate = <Result>(call: Call, name: string, carryOut: () => Promise<Result>) => Promise<Result>;

/** Puts ports behind a gate. Rows pass one by one, as a store may take some and refuse others. */
export function behind<Of extends Ports>(gate: Gate, ports: Of): Of {
  const { log, objects, rows, progress, arrivals } = ports;
  return {
    ...ports,
    log: everyCall(gate, 'log', log),
    objects: everyCall(gate, 'objects', objects),
    progress: everyCall(gate, 'progress', progress),
    arrivals: { ...arrivals, frontier: (now) => gate('arrivals.frontier', '', () => arrivals.frontier(now)) },
    rows: {
      ...rows,
      async put(all) {
        await Promise.all(all.map((row) => gate('rows.put', row.sort, () => rows.put([row]))));
      },
    },
  };
}

/** Puts a store behind a gate whose calls say in their first argument what they concern. */
function everyCall<Of extends object>(gate: Gate, store: Store, calls: Of): Of {
  const gated = Object.entries(calls).map(([method, call]) => [
    method,
    typeof call === 'function'
      ? (...inputs: readonly unknown[]) =>
          gate(`${store}.${method}`, String(inputs[0]), async () => call(...inputs))
      : call,
  ]);
  return Object.fromEntries(gated) as Of;
}
