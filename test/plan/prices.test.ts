import { describe, expect, it } from 'vitest';
import { costOf, LIST, pricesOf } from '../../src/plan/prices.ts';

describe('a price list', () => {
  it('says of every price what it is for, which page has it, and how it is known', () => {
    for (const price of Object.values(LIST.prices)) {
      expect(price).toMatchObject({
        unit: expect.stringMatching(/./),
        page: expect.stringMatching(/ricing/),
      });
      expect(price.dollars).toBeGreaterThan(0);
    }
    expect(LIST.asOf).toMatch(/^\d{4}-\d\d-\d\d$/);
  });

  it('takes the prices of a file, and keeps what the file leaves out', () => {
    const list = pricesOf({
      region: 'eu-central-1',
      asOf: '2027-01-31',
      prices: { dynamodbWriteUnit: 0.7625 },
    });
    expect(costOf(list, 'dynamodbWriteUnit', 2_000_000)).toBeCloseTo(1.525);
    expect(costOf(list, 'lambdaRequest', 1_000_000)).toBe(costOf(LIST, 'lambdaRequest', 1_000_000));
    expect(list).toMatchObject({ region: 'eu-central-1', asOf: '2027-01-31' });
  });

  it.each([
    [[], 'they must be an object: they are a list'],
    [{ asOf: 'today', prices: {} }, 'asOf must be a day such as "2026-11-29": it is "today"'],
    [{ asOf: '2027-01-31' }, 'prices must be an object: it is undefined'],
    [{ asOf: '2027-01-31', prices: { s3put: 1 } }, '"s3put" must be a price of the list'],
    [{ asOf: '2027-01-31', prices: { s3Put: -1 } }, 's3Put must be a number of dollars from 0 on: it is -1'],
    [
      { asOf: '2027-01-31', prices: { s3Put: '1' } },
      's3Put must be a number of dollars from 0 on: it is "1"',
    ],
    [
      { asOf: '2027-01-31', prices: {}, price: {} },
      'they have region, asOf and prices alone: there is "price"',
    ],
    [{ region: 7, asOf: '2027-01-31', prices: {} }, 'region must be the name of a region: it is 7'],
  ])('refuses %j', (file, why) => {
    expect(() => pricesOf(file)).toThrow(why);
  });
});
