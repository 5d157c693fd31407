import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import * as sns from 'aws-cdk-lib/aws-sns';
import { afterAll, describe, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { MillracePipeline, type MillracePipelineProps } from '../../lib/millrace-pipeline.ts';
import { MEASURES, METRICS } from '../../src/ports/telemetry.ts';
import { alarmsOf, runbookOf } from '../../src/watch/alarms.ts';
import { TOPIC, templateOf } from '../watch/template.ts';
import { writeEntry } from './stack-entry.ts';

const scratch = mkdtempSync(join(tmpdir(), 'millrace-watch-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const { folder: entry } = writeEntry(scratch, 'flights');

describe('the alarms of a stack', () => {
  it('are those of its pipeline, each of which tells the topic, and leads to the runbook', () => {
    const template = templateOf(flights, entry);
    const rows = alarmsOf(flights);
    template.resourceCountIs('AWS::CloudWatch::Alarm', rows.length);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: [TOPIC],
      OKActions: [TOPIC],
      TreatMissingData: Match.stringLikeRegexp('^(notB|b)reaching$'),
    });
    for (const row of rows) {
      template.hasResourceProperties('AWS::CloudWatch::Alarm', {
        AlarmDescription: `Millrace flights: ${row.means} What to do: ${runbookOf(row)}`,
      });
    }
  });

  it('have Lambda count the events of the mapping whose records may be given up', () => {
    const mappings = Object.values(
      templateOf(flights, entry).findResources('AWS::Lambda::EventSourceMapping'),
    );
    expect(mappings.map(({ Properties }) => Properties.MetricsConfig)).toEqual([
      { Metrics: ['EventCount'] },
      undefined,
    ]);
  });

  it('may tell a topic of the same stack, and are at hand by their names', () => {
    const stack = new Stack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Flights');
    const topic = new sns.Topic(stack, 'OnCall');
    const { alarms } = new MillracePipeline(stack, 'Default', {
      pipeline: flights,
      entry,
      alarms: { topic },
    });
    expect([...alarms.keys()]).toEqual(alarmsOf(flights).map(({ name }) => name));
    Template.fromStack(stack).allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: [{ Ref: Match.stringLikeRegexp('^OnCall') }],
    });
  });

  it('are none where that is said', () => {
    templateOf(flights, entry, { alarms: 'none' }).resourceCountIs('AWS::CloudWatch::Alarm', 0);
  });

  it('must reach somebody', () => {
    const deployed = (alarms: unknown) => () =>
      templateOf(flights, entry, { alarms } as Partial<MillracePipelineProps>);
    const rest = "set it to { topic }, an SNS topic or its ARN, or to 'none' where nobody is to be told";
    const stack = new Stack(new App({ context: { 'aws:cdk:bundling-stacks': [] } }), 'Flights');
    const millrace = new MillracePipeline(stack, 'Default', { pipeline: flights, entry });
    expect(millrace.alarms.size).toBe(0);
    // The command line of the CDK does not go on with a stack that has errors.
    const errors = Annotations.fromStack(stack).findError('*', Match.anyValue());
    expect(errors.map(({ entry: { data } }) => data)).toEqual([
      `Cannot deploy "flights" as its alarms must reach somebody: alarms is not set; ${rest}`,
    ]);
    for (const alarms of [{}, true, { topic: '' }]) {
      expect(deployed(alarms)).toThrow(
        new RangeError(
          `Cannot deploy "flights" as its alarms must reach somebody: alarms is without a topic; ${rest}`,
        ),
      );
    }
  });
});

describe('the dashboard of a stack', () => {
  const dashboards = (props: Partial<MillracePipelineProps> = {}): readonly string[] =>
    Object.values(templateOf(flights, entry, props).findResources('AWS::CloudWatch::Dashboard')).map(
      ({ Properties }) => JSON.stringify(Properties.DashboardBody),
    );

  it('shows its alarms, and figures that its functions write', () => {
    const [body = ''] = dashboards();
    const shown = [...body.matchAll(/\\"Millrace\\",\\"(\w+)\\"/g)].map(([, name]) => name);
    const written: readonly string[] = [...METRICS, ...Object.keys(MEASURES), 'sinkLag', 'deliveryLatency'];
    expect(shown.filter((name) => !written.includes(name as string))).toEqual([]);
    expect(new Set(shown).size).toBeGreaterThan(15);
    for (const name of alarmsOf(flights).map(({ name }) => name)) expect(body).toContain(`Watch${name}`);
    for (const sink of ['table', 'bucket']) expect(body).toContain(`${sink} p99`);
  });

  it('is made where alarms tell somebody, or where it is asked for', () => {
    expect(dashboards()).toHaveLength(1);
    expect(dashboards({ dashboard: false })).toEqual([]);
    expect(dashboards({ alarms: 'none' })).toEqual([]);
    expect(dashboards({ alarms: 'none', dashboard: true })).toHaveLength(1);
  });
});
