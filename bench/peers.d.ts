/** As much of the peers as the benchmarks use, so that the project is checked where they are not installed. */
declare module '@stdlib/stats-incr-mmean' {
  export default function incrmmean(count: number): (value: number) => number;
}
declare module '@stdlib/stats-incr-mmax' {
  export default function incrmmax(count: number): (value: number) => number;
}
declare module 'efficient-rolling-stats' {
  export function RollingAvg(count: number): (value: number) => number;
  export function RollingMax(count: number): (value: number) => number;
}
declare module 'indicatorts' {
  export function sma(values: number[], settings: { period: number }): number[];
  export function mmax(values: number[], settings: { period: number }): number[];
}
declare module 'rxjs' {
  type Operator<In, Out> = (source: Observable<In>) => Observable<Out>;
  export class Observable<Value> {
    pipe<A>(first: Operator<Value, A>): Observable<A>;
    pipe<A, B>(first: Operator<Value, A>, second: Operator<A, B>): Observable<B>;
    subscribe(take: (value: Value) => void): void;
  }
  export class Subject<Value> extends Observable<Value> {
    next(value: Value): void;
  }
  export function bufferCount<Value>(count: number, every: number): Operator<Value, Value[]>;
  export function groupBy<Value, Key>(key: (value: Value) => Key): Operator<Value, Observable<Value>>;
  export function map<In, Out>(project: (value: In) => Out): Operator<In, Out>;
  export function mergeMap<In, Out>(project: (value: In) => Observable<Out>): Operator<In, Out>;
}
declare module 'arquero' {
  interface Expression {
    readonly expression: unique symbol;
  }
  interface Table {
    groupby(...columns: string[]): Table;
    derive(columns: { readonly [name: string]: Expression }): Table;
    array(column: string, type: Float64ArrayConstructor): Float64Array;
  }
  export const op: { mean(column: string): Expression };
  export function rolling(expression: Expression, frame: readonly [first: number, last: number]): Expression;
  export function table(columns: { readonly [name: string]: ArrayLike<unknown> }): Table;
}
declare module '@duckdb/node-api' {
  interface Appender {
    appendInteger(value: number): void;
    appendBigInt(value: bigint): void;
    appendDouble(value: number): void;
    endRow(): void;
    closeSync(): void;
  }
  interface Connection {
    run(sql: string): Promise<unknown>;
    createAppender(table: string): Promise<Appender>;
    runAndReadAll(sql: string): Promise<{ getColumns(): unknown[][] }>;
  }
  export class DuckDBInstance {
    static create(path: string, settings: { readonly threads: string }): Promise<DuckDBInstance>;
    connect(): Promise<Connection>;
  }
}
declare module 'long' {
  export default class Long {
    static fromNumber(value: number): Long;
    toNumber(): number;
  }
}
declare module 'apache-beam' {
  interface Collection {
    apply(transform: Transform): Collection;
    map(step: unknown, context: unknown): Collection;
  }
  interface Transform {
    readonly transform: unique symbol;
  }
  interface Grouping extends Transform {
    combining(select: unknown, combiner: unknown, name: string): Grouping;
  }
  export function create(elements: readonly unknown[]): Transform;
  export function groupBy(key: string): Grouping;
  export function withName<Named>(name: string, named: Named): Named;
}
declare module 'apache-beam/runners/direct_runner' {
  import type { Collection } from 'apache-beam';

  export function directRunner(): { run(build: (root: Collection) => Collection): Promise<void> };
}
declare module 'apache-beam/transforms/combiners' {
  export const max: unknown;
  export const mean: unknown;
}
declare module 'apache-beam/transforms/pardo' {
  export function windowParam(): unknown;
}
declare module 'apache-beam/transforms/window' {
  import type { Transform } from 'apache-beam';
  import type Long from 'long';

  export function assignTimestamps<Element>(instant: (element: Element) => Long): Transform;
  export function windowInto(windows: unknown): Transform;
}
declare module 'apache-beam/transforms/windowings' {
  export function slidingWindows(sizeSeconds: number, periodSeconds: number): unknown;
}
