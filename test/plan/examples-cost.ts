import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { anomalies } from '../../examples/anomalies/pipeline.ts';
import { air } from '../../examples/collect-to-analysis/pipeline.ts';
import { accounts } from '../../examples/cqrs/pipeline.ts';
import { airports } from '../../examples/hierarchy/airports.ts';
import { everywhere } from '../../examples/hierarchy/everywhere.ts';
import { states } from '../../examples/hierarchy/states.ts';
import { sales } from '../../examples/kafka-pipeline/pipeline.ts';
import { byHash } from '../../examples/partitioned-sum/pipeline.ts';
import { recommendations } from '../../examples/rabbitmq-recommendations/pipeline.ts';
import { machines } from '../../examples/rolling-window-kafka/pipeline.ts';
import { tanks } from '../../examples/sensor-trend/pipeline.ts';
import { slidingMean } from '../../examples/sliding-mean/pipeline.ts';
import { related } from '../../examples/user-actions/related.ts';
import { visits } from '../../examples/user-actions/visits.ts';
import { pulsesTo } from '../../examples/websocket/pipeline.ts';
import { flights } from '../../functions/flights/pipeline.ts';
import type { Pipeline } from '../../src/index.ts';
import { priced, total } from '../../src/plan/plan.ts';

/** Every example, by the folder that it is in. */
export const EXAMPLES: readonly (readonly [folder: string, pipeline: Pipeline])[] = [
  ['functions/flights', flights],
  ['examples/anomalies', anomalies],
  ['examples/collect-to-analysis', air],
  ['examples/cqrs', accounts],
  ['examples/hierarchy', airports],
  ['examples/hierarchy', states],
  ['examples/hierarchy', everywhere],
  ['examples/kafka-pipeline', sales],
  ['examples/partitioned-sum', byHash],
  ['examples/rabbitmq-recommendations', recommendations],
  ['examples/rolling-window-kafka', machines],
  ['examples/sensor-trend', tanks],
  ['examples/sliding-mean', slidingMean],
  ['examples/user-actions', visits],
  ['examples/user-actions', related],
  ['examples/websocket', pulsesTo(() => {})],
];

export const COST_PAGE = fileURLToPath(new URL('../../docs/cost.md', import.meta.url));

/** A line of the table: dollars a month idle, of that the source, and dollars that a million records add. */
export interface Cost {
  readonly pipeline: string;
  readonly dollars: readonly [idle: number, source: number, perMillion: number];
}

export function costOf(pipeline: Pipeline): Cost {
  const { bill, dollars } = priced(pipeline);
  const source = total(bill.idle.filter(({ service }) => service === 'source'));
  return { pipeline: pipeline.name, dollars: [dollars.idle, source, dollars.perMillion] };
}

const BEGIN =
  '| example | pipeline | idle, $ a month | of that its source | a million records, $ |\n|---|---|---:|---:|---:|\n';

/** Reads the table of the page. */
export function costsIn(page: string): readonly Cost[] {
  const [, table = ''] = page.split(BEGIN);
  return (table.split('\n\n')[0] ?? '').split('\n').map((line) => {
    const [, , pipeline = '', ...cells] = line.split('|').map((cell) => cell.trim());
    return { pipeline, dollars: cells.slice(0, 3).map(Number) as unknown as Cost['dollars'] };
  });
}

/** Writes the table into the page. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = readFileSync(COST_PAGE, 'utf8');
  const [before, after = ''] = page.split(BEGIN);
  const rows = EXAMPLES.map(([folder, pipeline]) => {
    const { dollars } = costOf(pipeline);
    return `| [${folder}](../${folder}) | ${pipeline.name} | ${dollars.map((sum) => sum.toFixed(2)).join(' | ')} |`;
  });
  const rest = after.slice(after.indexOf('\n\n'));
  writeFileSync(COST_PAGE, `${before}${BEGIN}${rows.join('\n')}${rest}`);
}
