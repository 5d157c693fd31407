import { App } from 'aws-cdk-lib';
import { BUNDLING_STACKS } from 'aws-cdk-lib/cx-api';
import { expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { PipelineStack } from '../../lib/pipeline-stack.ts';
import { priced } from '../../src/plan/plan.ts';

it('says with the synthesis of a pipeline what its plan says', () => {
  const stack = new PipelineStack(new App({ context: { [BUNDLING_STACKS]: [] } }), 'Flights', {
    pipeline: flights,
  });
  const told = stack.node
    .findAll()
    .flatMap(({ node }) => node.metadata)
    .flatMap(({ type, data }) => (type === 'aws:cdk:info' ? [String(data)] : []))
    .filter((line) => line.includes('[ack: millrace:plan]'));
  const [, idle, perMillion] =
    /^"flights" costs about \$(\d+) a month idle, .* about \$([\d.]+) more .* millrace plan says more, for your load/.exec(
      told.join(),
    ) ?? [];
  const { dollars } = priced(flights);
  expect(Math.abs(Number(idle) - dollars.idle)).toBeLessThan(1);
  expect(Math.abs(Number(perMillion) - dollars.perMillion)).toBeLessThan(0.1 * dollars.perMillion);
});
