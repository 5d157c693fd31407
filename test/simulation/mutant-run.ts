import { SIMULATED, type Simulated } from '../../src/simulation/draw-source.ts';
import { runSchedule } from '../../src/simulation/simulation.ts';

/** What a bundle with a mutant tells as it runs: a schedule went well, or broke a rule, and after the last one nothing. */
export interface Told {
  readonly source: Simulated;
  readonly seed: number;
  readonly broken: string | undefined;
}

const [seeds, ...first] = process.argv.slice(2);
const sources = [...(first as Simulated[]), ...SIMULATED.filter((one) => !first.includes(one))];
/** So many seeds of one source are run before those of the next. */
const TURN = 25;

for (let from = 1; from <= Number(seeds); from += TURN) {
  for (const source of sources) {
    for (let seed = from; seed < from + TURN; seed++) {
      const { violation } = await runSchedule({ given: source }, { seed });
      process.send?.({ source, seed, broken: violation?.rule } satisfies Told);
      if (violation !== undefined) process.exit(0);
    }
  }
}
