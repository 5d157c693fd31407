import { max, min } from '../../src/core/aggregates/extrema.ts';
import { mean } from '../../src/core/aggregates/sums.ts';
import { readPanes } from '../../src/core/panes.ts';
import type { Table } from '../../src/core/table.ts';
import type { Folded, GroupPanes } from '../../src/engine/group/group.ts';
import { rolling, tumbling } from '../../src/pipeline/windows.ts';
import { enter } from '../contender.ts';
import { checkSliding, PaneColumns } from '../expected.ts';
import { GroupLog, groupRecordsOf, pipelineOf, type SentReading } from '../fold.ts';
import { decodedOf, Keys, keepingOf, rulesOf } from '../millrace.ts';
import { RollingSummaries } from './summaries.ts';

const MINUTE = 60_000;

/** `fold`: through the engine's fold; else by states of keys. */
enter((stream, { count = 0, cold = 0, engine = 0 }) => {
  const windows = {
    rolling: rolling<SentReading, { mean: number; min: number; max: number }>(
      { count },
      { mean: mean('value'), min: min('value'), max: max('value') },
    ),
    minutes: tumbling<SentReading, { mean: number; max: number }>(
      { size: '60s' },
      { mean: mean('value'), max: max('value') },
    ),
  };
  const summaries = new RollingSummaries(stream);
  const minutes: { readonly table: Table; readonly keys: readonly string[] }[] = [];
  let layouts: GroupPanes['layouts'] | Keys['panes']['layouts'] = [];

  function keep([rolled, closed]: readonly Table[], keys: readonly string[], from: number): void {
    if (rolled === undefined || closed === undefined) return;
    for (let row = 0; row < rolled.rows; row++) {
      const end = (row + 1) * rolled.width;
      const { numbers } = rolled;
      summaries.set(
        from + row,
        numbers[end - 3] as number,
        numbers[end - 2] as number,
        numbers[end - 1] as number,
      );
    }
    minutes.push({ table: closed.copy(), keys: [...keys] });
  }

  const check = (to: number) => {
    const panes = new PaneColumns(minutes.reduce((total, { table }) => total + table.rows, 0));
    for (const { table, keys } of minutes) {
      for (const { key, pane } of readPanes(layouts.slice(1), [table])) {
        const { mean = Number.NaN, max = Number.NaN } = pane.results as { mean?: number; max?: number };
        panes.push(Number(keys[key]?.slice(-6)), pane.start, pane.count, mean, max);
      }
    }
    const settings = { size: MINUTE, slide: MINUTE, outOfOrderness: 0 };
    return summaries.check(count, to, checkSliding(stream, settings, panes, { from: 0, to }, 1e-14));
  };

  if (engine > 0) {
    const pipeline = pipelineOf(windows as never);
    const log = new GroupLog(pipeline, engine - 1);
    let folded: Folded = log.take([]);
    layouts = folded.panes.layouts;
    return {
      prepare: (from: number, to: number) => groupRecordsOf(pipeline, stream, from, to) as never[],
      run: (records: never[]) => {
        folded = log.take(records);
      },
      keep: (from: number) => keep(folded.panes.tables, folded.panes.keys, from),
      check,
      note: () => log.note(),
    };
  }
  const rules = rulesOf(windows as never);
  const keys = new Keys(rules, keepingOf(cold));
  layouts = keys.panes.layouts;
  return {
    prepare: (from: number, to: number) => decodedOf(rules, stream, from, to) as never[],
    run: (records: never[]) => keys.take(records),
    keep: (from: number) => keep(keys.panes.tables, keys.names, from),
    check,
  };
});
