import { gzipSync } from 'node:zlib';
import { Random } from '../../src/simulation/random.ts';
import type { Batch } from './visits.ts';

const OPENS = Date.UTC(2026, 0, 5, 8);
const MINUTE = 60_000;
const PRODUCTS = 60;

export const PRODUCT_NAMES = Array.from({ length: PRODUCTS }, (_, n) => `p${String(n).padStart(2, '0')}`);

/** The products that go with a product: four each are planted as belonging together. */
export const companionsOf = (product: string): readonly string[] => {
  const first = Math.floor(Number(product.slice(1)) / 4) * 4;
  return PRODUCT_NAMES.slice(first, first + 4).filter((other) => other !== product);
};

/** A day of a shop: of each visit three steps in four are to a companion, and one is to anything. A bot looks at everything. */
export function batches(seed = 1): Batch[] {
  const random = new Random(seed);
  const made: Batch[] = [];
  for (let visit = 0; visit < 300; visit++) {
    const begins = OPENS + random.whole(0, 600) * MINUTE;
    let product = random.pick(PRODUCT_NAMES);
    const actions = Array.from({ length: random.whole(3, 7) }, (_, step) => {
      const at = begins + step * MINUTE + random.whole(0, 59_999);
      const action = { at, type: random.pick(['view', 'view', 'view', 'cart', 'buy']), product };
      product = random.chance(0.75) ? random.pick(companionsOf(product)) : random.pick(PRODUCT_NAMES);
      return action;
    });
    made.push({ user: `u${random.whole(1, 80)}`, agent: random.pick(['web', 'app']), actions });
  }
  for (let hour = 0; hour < 10; hour++) {
    const actions = random
      .shuffled(PRODUCT_NAMES)
      .map((product, n) => ({ at: OPENS + hour * 60 * MINUTE + n * 1_000, type: 'view', product }));
    made.push({ user: 'crawler', agent: 'bot', actions });
  }
  return made.sort((a, b) => (a.actions[0]?.at ?? 0) - (b.actions[0]?.at ?? 0));
}

/** The batches as they are sent. */
export const packed = (made: readonly Batch[]): Uint8Array[] =>
  made.map((batch) => gzipSync(JSON.stringify(batch)));
