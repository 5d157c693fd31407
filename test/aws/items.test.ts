import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ITEMS } from './items.ts';

it('the page lists what is checked, in its order, with what it costs', () => {
  const page = readFileSync(new URL('../../docs/verify-on-aws.md', import.meta.url), 'utf8');
  const rows = ITEMS.map(
    ({ name, shows, how, dollars, notOnMoto }) =>
      `| ${name} | ${shows} | ${how} | $${dollars.toFixed(2)} | ${notOnMoto ? `no: ${notOnMoto}` : 'yes'} |`,
  );
  expect(page).toContain(`\n${rows.join('\n')}\n\n`);
});
