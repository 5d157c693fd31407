import { describe, expect, it } from 'vitest';
import { checkStep, type StepRequest } from '../../../src/engine/inspect/check-step.ts';
import { processHandler } from '../../../src/handlers.ts';
import { count, definePipeline, kinesis, type Pipeline, tumbling } from '../../../src/index.ts';
import type { EnginePorts } from '../../../src/ports/index.ts';
import { kinesisEvent } from '../../../src/simulation/shapes.ts';
import { at, type Reading, Scene } from '../scene.ts';

const SOURCE = 'arn:aws:kinesis:eu-central-1:123456789012:stream/readings';

const define = (version: number, size: '1m' | '1h'): Pipeline =>
  definePipeline('readings', kinesis<Reading>(), {
    key: ({ machine }) => machine,
    eventTime: (reading) => reading.at,
    version,
    windows: { some: tumbling({ size }, { n: count() }) },
  });

const request = (more: Partial<StepRequest> & Pick<StepRequest, 'RequestType'>): StepRequest => ({
  ResponseURL: 'https://answers.example/secret',
  StackId: 'arn:aws:cloudformation:eu-central-1:123456789012:stack/Some/1',
  RequestId: 'request-1',
  LogicalResourceId: 'Check',
  ResourceProperties: { version: '3', source: SOURCE },
  ...more,
});

type Looking = Pick<EnginePorts, 'log' | 'telemetry'>;

/** A version with minutes has committed. */
async function worked(version = 3): Promise<Looking> {
  const scene = new Scene(define(version, '1m'));
  const event = kinesisEvent([scene.put('pump', at(0))]);
  await processHandler(scene.ports, scene.pipeline)(event, { getRemainingTimeInMillis: () => 60_000 });
  return { log: scene.engine.log, telemetry: scene.ports.telemetry };
}

/** Returns what the step of a definition answers CloudFormation, and what it logs. */
async function answered(ports: Looking, pipeline: Pipeline, asked: StepRequest) {
  const answers: { url: string; body: Record<string, string> }[] = [];
  const logged: string[] = [];
  const telemetry = {
    ...ports.telemetry,
    warn: (message: string) => logged.push(message),
    fault: (what: string) => logged.push(what),
  };
  await checkStep({ ...ports, telemetry }, pipeline, async (url, body) => {
    answers.push({ url, body: JSON.parse(body) });
  })(asked);
  expect(answers).toHaveLength(1);
  return { ...answers[0], logged };
}

describe('the step before functions change', () => {
  it('lets a definition through that handlers would run, and answers where CloudFormation waits', async () => {
    expect(await answered(await worked(), define(4, '1h'), request({ RequestType: 'Create' }))).toEqual({
      url: 'https://answers.example/secret',
      body: {
        Status: 'SUCCESS',
        PhysicalResourceId: 'readings-check',
        StackId: 'arn:aws:cloudformation:eu-central-1:123456789012:stack/Some/1',
        RequestId: 'request-1',
        LogicalResourceId: 'Check',
      },
      logged: [],
    });
  });

  it.each([
    ['windows that differ under one version', define(3, '1h'), '3', SOURCE, 'give it version: 4'],
    ['a lower version', define(2, '1m'), '2', SOURCE, 'as version 3 has been at work'],
    [
      'a source of the same name elsewhere',
      define(4, '1m'),
      '4',
      SOURCE.replace('central', 'west'),
      'positions in two sources of one name cannot be told apart',
    ],
  ])('refuses %s, and says why', async (_, pipeline, version, source, why) => {
    const asked = request({
      RequestType: 'Create',
      PhysicalResourceId: 'as before',
      ResourceProperties: { version, source },
    });
    const { body } = await answered(await worked(), pipeline, asked);
    expect(body).toMatchObject({
      Status: 'FAILED',
      Reason: expect.stringContaining(why),
      PhysicalResourceId: 'as before',
    });
  });

  it.each([
    [3, 2],
    [10, 9],
  ])('lets a stack go back from %d to %d, with a warning, as a roll-back must not fail', async (from, to) => {
    const back = request({
      RequestType: 'Update',
      ResourceProperties: { version: String(to) },
      OldResourceProperties: { version: String(from) },
    });
    const { body, logged } = await answered(await worked(from), define(to, '1m'), back);
    expect(body).toMatchObject({ Status: 'SUCCESS' });
    expect(logged).toEqual([expect.stringContaining(`goes back from version ${from}`)]);
    const on = { ...back, OldResourceProperties: { version: String(to) } };
    expect((await answered(await worked(from), define(to, '1m'), on)).body).toMatchObject({
      Status: 'FAILED',
    });
  });

  it('says no more than CloudFormation reads', async () => {
    const { rules } = define(3, '1m');
    const long = rules.windows.map((window) => ({ ...window, name: 'w'.repeat(5_000) }));
    const pipeline = { ...define(3, '1m'), rules: { ...rules, windows: long } };
    const { body } = await answered(await worked(), pipeline, request({ RequestType: 'Create' }));
    expect(body).toMatchObject({ Status: 'FAILED', Reason: expect.stringContaining('www') });
    expect(JSON.stringify(body).length).toBeLessThan(4_096);
  });

  it('never refuses that a stack is removed', async () => {
    const { body } = await answered(await worked(), define(3, '1h'), request({ RequestType: 'Delete' }));
    expect(body).toMatchObject({ Status: 'SUCCESS' });
  });

  it('answers, too, where it cannot look, and does not say what an error says', async () => {
    const { log, telemetry } = await worked();
    const latest = () => Promise.reject(new Error('pump'));
    const broken = { log: { ...log, latest }, telemetry };
    const { body, logged } = await answered(broken, define(3, '1m'), request({ RequestType: 'Create' }));
    expect(body).toMatchObject({ Status: 'FAILED', Reason: expect.stringContaining('Cannot look') });
    expect(JSON.stringify(body)).not.toContain('pump');
    expect(logged).toEqual(['look at what has committed']);
  });
});
