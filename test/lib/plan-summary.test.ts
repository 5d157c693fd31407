import { App } from 'aws-cdk-lib';
import { BUNDLING_STACKS } from 'aws-cdk-lib/cx-api';
import { expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { PipelineStack } from '../../lib/pipeline-stack.ts';
import { priced } from '../../src/plan/plan.ts';

/** What the stack of a pipeline says of its cost, in an app of which some stacks are to be deployed. */
const toldWhere = (bundled: readonly string[]): readonly string[] =>
  new PipelineStack(new App({ context: { [BUNDLING_STACKS]: bundled } }), 'Flights', {
    pipeline: flights,
  }).node
    .findAll()
    .flatMap(({ node }) => node.metadata)
    .flatMap(({ type, data }) => (type === 'aws:cdk:info' ? [String(data)] : []))
    .filter((line) => line.includes('[ack: millrace:plan]'));

it('says with the synthesis of a pipeline what its plan says', () => {
  const told = toldWhere(['Flights']);
  const [, idle, perMillion] =
    /^"flights" costs about \$(\d+) a month idle, .* about \$([\d.]+) more .* millrace plan says more, for your load/.exec(
      told.join(),
    ) ?? [];
  const { dollars } = priced(flights);
  expect(Math.abs(Number(idle) - dollars.idle)).toBeLessThan(1);
  expect(Math.abs(Number(perMillion) - dollars.perMillion)).toBeLessThan(0.1 * dollars.perMillion);
});

it('says nothing of a pipeline that is not to be deployed', () => {
  expect(toldWhere(['Others'])).toEqual([]);
});
