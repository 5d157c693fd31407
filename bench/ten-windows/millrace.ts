import { max } from '../../src/core/aggregates/extrema.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import { readPanes } from '../../src/core/panes.ts';
import type { Table } from '../../src/core/table.ts';
import type { Folded } from '../../src/engine/group/group.ts';
import { sliding } from '../../src/pipeline/windows.ts';
import { enter } from '../contender.ts';
import { checkSliding, PaneColumns } from '../expected.ts';
import { GroupLog, groupRecordsOf, pipelineOf, type SentReading } from '../fold.ts';
import { decodedOf, Keys, rulesOf } from '../millrace.ts';

const MINUTE = 60_000;
const SLIDE = 10_000;

const windowOf = (minutes: number) =>
  sliding<SentReading, { mean: number; max: number }>(
    { size: `${minutes}m`, slide: `${SLIDE}ms` },
    { mean: mean('value'), max: max('value') },
  );

/**
 * Windows of `shortest` to `longest` minutes, all with one slide. Where `engine` is set they go through the engine's fold;
 * else by states of keys.
 */
enter((stream, { shortest = 1, longest = 1, engine = 0 }) => {
  const sizes = Array.from({ length: longest - shortest + 1 }, (_, at) => shortest + at);
  const windows = Object.fromEntries(sizes.map((minutes) => [`m${minutes}`, windowOf(minutes)]));
  const kept: { readonly tables: readonly Table[]; readonly keys: readonly string[] }[] = [];
  let length = 0;
  const rules = rulesOf(windows as never);
  const keys = new Keys(rules);
  const { layouts } = keys.panes;
  const keep = (tables: readonly Table[], names: readonly string[]): void => {
    kept.push({ tables: tables.map((table) => table.copy()), keys: [...names] });
    for (const { rows } of tables) length += rows;
  };
  const check = (to: number) => {
    const checks = sizes.map((minutes, window) => {
      const panes = new PaneColumns(length);
      for (const { tables, keys } of kept) {
        for (const { key, pane } of readPanes(layouts.slice(window), tables.slice(window, window + 1))) {
          const { mean = Number.NaN, max = Number.NaN } = pane.results as { mean?: number; max?: number };
          panes.push(Number(keys[key]?.slice(-6)), pane.start, pane.count, mean, max);
        }
      }
      const settings = { size: minutes * MINUTE, slide: SLIDE, outOfOrderness: 0 };
      return checkSliding(stream, settings, panes, { from: 0, to }, 1e-14);
    });
    const failed = checks.find(({ passed }) => !passed);
    const compared = checks.reduce((total, check) => total + check.compared, 0);
    return failed ?? { ...(checks[0] as (typeof checks)[number]), compared };
  };
  const emitted = () => `${(length / stream.at.length).toFixed(2)} panes a record`;
  if (engine > 0) {
    const pipeline = pipelineOf(windows as never);
    const log = new GroupLog(pipeline, engine - 1);
    let folded: Folded = log.take([]);
    return {
      prepare: (from: number, to: number) => groupRecordsOf(pipeline, stream, from, to) as never[],
      run: (records: never[]) => {
        folded = log.take(records);
      },
      keep: () => keep(folded.panes.tables, folded.panes.keys),
      check,
      note: () => [emitted(), log.note()].filter(Boolean).join(', '),
    };
  }
  return {
    prepare: (from: number, to: number) => decodedOf(rules, stream, from, to) as never[],
    run: (records: never[]) => keys.take(records),
    keep: () => keep(keys.panes.tables, keys.names),
    check,
    note: emitted,
  };
});
