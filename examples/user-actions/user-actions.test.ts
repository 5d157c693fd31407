import { beforeAll, expect, it } from 'vitest';
import { startServers } from '../../src/local/servers/servers.ts';
import { batches, PRODUCT_NAMES } from './actions.ts';
import { main, type Shop } from './main.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await main(startServers);
});

const actions = batches().flatMap(({ user, agent, actions }) =>
  agent === 'bot' ? [] : actions.map((action) => ({ user, ...action })),
);

/** In how many visits each two products were looked at, by going through each user's actions in order of time. */
function expectedPairs(): Map<string, Map<string, number>> {
  const pairs = new Map(PRODUCT_NAMES.map((product) => [product, new Map<string, number>()]));
  for (const user of new Set(actions.map((action) => action.user))) {
    const own = actions.filter((action) => action.user === user).sort((a, b) => a.at - b.at);
    const visits: Set<string>[] = [];
    for (const [n, { at, product }] of own.entries()) {
      // A visit goes on as long as there is no more than half an hour without an action.
      if (n === 0 || at - (own[n - 1]?.at ?? 0) > 30 * 60_000) visits.push(new Set());
      visits.at(-1)?.add(product);
    }
    for (const visit of visits)
      for (const product of visit)
        for (const other of visit)
          if (other !== product) pairs.get(product)?.set(other, (pairs.get(product)?.get(other) ?? 0) + 1);
  }
  return pairs;
}

it('counts the actions of people by type, as a batch does', () => {
  const expected = new Map<string, number>();
  for (const { type } of actions) expected.set(type, (expected.get(type) ?? 0) + 1);
  expect(new Map([...shop.types].sort())).toEqual(new Map([...expected].sort()));
});

it('knows in how many visits products went together, as a batch does', () => {
  const expected = expectedPairs();
  expect([...shop.tops.keys()].sort()).toEqual(
    [...expected].flatMap(([name, others]) => (others.size ? [name] : [])),
  );
  for (const [product, tops] of shop.tops) {
    const others = expected.get(product) ?? new Map<string, number>();
    const counts = [...others.values()].sort((a, b) => b - a).slice(0, 10);
    expect(tops.map(({ count }) => count)).toEqual(counts);
    for (const { value, count } of tops) expect([value, count]).toEqual([value, others.get(String(value))]);
  }
});

it('finds the planted pairs', () => {
  expect(shop.recall).toBeGreaterThan(0.95);
});

it('tells of the pairs that went together often, and of no others', () => {
  const often = [...expectedPairs()].flatMap(([product, others]) => {
    const most = Math.max(...others.values());
    const tops = [...others].flatMap(([other, count]) => (count === most ? [other] : []));
    return most >= 15 ? [{ product, tops }] : [];
  });
  expect(often.length).toBeGreaterThan(3);
  expect(shop.notices.map(({ beside }) => beside).sort()).toEqual(often.map(({ product }) => product).sort());
  for (const { show, beside } of shop.notices)
    expect(often.find(({ product }) => product === beside)?.tops).toContain(show);
});
