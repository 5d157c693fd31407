import { expect } from 'vitest';
import type { KeyPane } from '../../src/core/panes.ts';
import type { Plain } from '../../src/core/plain.ts';
import { expectEqual, expectIs } from '../expect.ts';
import { type AggregateName, agrees } from './aggregates.ts';
import type { OraclePane } from './oracle.ts';

/** All that a pane says but its results. */
const headOf = (pane: KeyPane | OraclePane): string =>
  `${pane.window} ${pane.kind} ${pane.identity}${pane.index === undefined ? '' : ` #${pane.index}`} ` +
  `[${pane.start}, ${pane.end}) r${pane.revision}${pane.revisable ? '…' : ''} ` +
  `of ${pane.results === null ? 'no' : pane.count} @${pane.watermark}`;

/** Expects the panes of a key to be those of the oracle. */
export function expectSame(actual: readonly KeyPane[], expected: readonly OraclePane[]): void {
  expectEqual(actual.map(headOf), expected.map(headOf));
  for (const [at, { results }] of expected.entries()) {
    const pane = actual[at] as KeyPane;
    expectIs(pane.count, expected[at]?.count);
    expectEqual(Object.keys(pane.results ?? {}), Object.keys(results ?? {}));
    for (const [name, value] of Object.entries(results ?? {})) {
      const said = pane.results?.[name] as Plain;
      if (!agrees(name as AggregateName, said, value)) {
        expect({ pane: headOf(pane), [name]: said }).toEqual({ pane: headOf(pane), [name]: value });
        throw new Error(`Expected ${name} to be the same to the bit`);
      }
    }
  }
}
