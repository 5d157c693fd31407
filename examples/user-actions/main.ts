import type { LocalOptions } from '../../src/local/runtime.ts';
import { isStarted, readPanes, runToEnd } from '../local-run.ts';
import { batches, companionsOf, PRODUCT_NAMES, packed } from './actions.ts';
import { type Notice, receiveNotices } from './notices.ts';
import { related } from './related.ts';
import type { visits } from './visits.ts';

type VisitsPane = NonNullable<typeof visits.pane>;

export interface Shop {
  /** How many actions of each type there were, of people. */
  readonly types: ReadonlyMap<string, number>;
  /** The ten products that go best with each, and in how many visits they did. */
  readonly tops: ReadonlyMap<string, readonly { readonly value: unknown; readonly count: number }[]>;
  /** How many of the planted companions are among the ten, of 1. */
  readonly recall: number;
  readonly notices: readonly Notice[];
}

/** Sends a day of actions through both pipelines. */
export async function main(startServers?: LocalOptions['startServers']): Promise<Shop> {
  const types = new Map<string, number>();
  let notices: readonly Notice[] = [];
  const panes = await runToEnd(related, packed(batches()), {
    startServers,
    async after(runtime) {
      notices = await receiveNotices(runtime);
      for (const pane of await readPanes<VisitsPane>(runtime, runtime.stages[0].names.bucket)) {
        if (pane.window !== 'hourly') continue;
        for (const [type, count] of Object.entries(pane.results.types.counts))
          types.set(type, (types.get(type) ?? 0) + count);
      }
    },
  });
  const tops = new Map(panes.map(({ key, results }) => [key, results.tops]));
  return { types, tops, recall: recallOf(tops), notices };
}

function recallOf(tops: Shop['tops']): number {
  const planted = PRODUCT_NAMES.flatMap((product) =>
    companionsOf(product).map((other) => ({ product, other })),
  );
  const found = planted.filter(({ product, other }) =>
    tops.get(product)?.some(({ value }) => value === other),
  );
  return found.length / planted.length;
}

if (isStarted(import.meta.url)) {
  const { types, tops, recall, notices } = await main();
  console.log(
    [...types]
      .map(([type, count]) => `${count} × ${type}`)
      .sort()
      .join(', '),
  );
  for (const product of PRODUCT_NAMES.slice(0, 8)) {
    const shown = tops
      .get(product)
      ?.slice(0, 4)
      .map(({ value, count }) => `${value} (${count})`);
    console.log(`who looked at ${product} also looked at ${shown?.join(', ')}`);
  }
  const told = notices.map(({ show, beside }) => `show ${show} beside ${beside}`);
  console.log(`${told.length} notices: ${told.sort().slice(0, 4).join(', ')}, …`);
  console.log(`recall@10 of the planted pairs: ${recall.toFixed(2)}; chance finds ${(10 / 59).toFixed(2)}`);
}
