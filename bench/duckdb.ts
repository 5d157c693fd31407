import { DuckDBInstance } from '@duckdb/node-api';
import type { Stream } from './data.ts';

/** Records of a stream in a table `readings (record, key, instant, value)` of a DuckDB database in memory. */
export class Readings {
  readonly #connection: Awaited<ReturnType<DuckDBInstance['connect']>>;
  #loadNanos = Number.POSITIVE_INFINITY;

  private constructor(connection: Awaited<ReturnType<DuckDBInstance['connect']>>) {
    this.#connection = connection;
  }

  static async create(): Promise<Readings> {
    // One thread, as everything else here has one.
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    return new Readings(await instance.connect());
  }

  /** Replaces the table's records by `[from, to)`. */
  async load(stream: Stream, from: number, to: number): Promise<void> {
    await this.#connection.run(
      'create or replace table readings (record integer, key integer, instant bigint, value double)',
    );
    const started = performance.now();
    const appender = await this.#connection.createAppender('readings');
    for (let record = from; record < to; record++) {
      appender.appendInteger(record);
      appender.appendInteger(stream.key[record] as number);
      appender.appendBigInt(BigInt(stream.at[record] as number));
      appender.appendDouble(stream.value[record] as number);
      appender.endRow();
    }
    appender.closeSync();
    this.#loadNanos = Math.min(this.#loadNanos, (1e6 * (performance.now() - started)) / (to - from));
  }

  /** The columns of a query's result. */
  async query(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.#connection.runAndReadAll(sql)).getColumns();
  }

  note(): string {
    return `a batch: one query, its result read; to load a record took ${Math.round(this.#loadNanos)} ns more`;
  }
}
