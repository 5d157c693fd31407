import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App } from 'aws-cdk-lib';
import { afterAll, expect, it } from 'vitest';
import { flights } from '../../functions/flights/pipeline.ts';
import { PipelineStack } from '../../lib/pipeline-stack.ts';
import { fencesOf } from './pages.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'millrace-sam-'));
afterAll(() => rmSync(folder, { recursive: true }));

const page = readFileSync(join(PROJECT, 'docs/sam.md'), 'utf8');
const COMMAND =
  /^sam local invoke (?<name>\S+) -t cdk\.out\/(?<stack>\w+)\.template\.json -e (?<event>\S+) --env-vars env\.json$/gm;

/** The functions of the template of bin/app.ts, as SAM names them: by the last but one part of their paths. */
function functionsOfTemplate(): ReadonlyMap<string, Readonly<Record<string, unknown>>> {
  const app = new App({
    outdir: folder,
    postCliContext: { 'aws:cdk:bundling-stacks': [], 'aws:cdk:enable-path-metadata': true },
  });
  const { artifactId } = new PipelineStack(app, 'MillraceFlights', { pipeline: flights });
  const { Resources } = app.synth().getStackArtifact(artifactId).template as {
    readonly Resources: Readonly<
      Record<
        string,
        {
          readonly Type: string;
          readonly Metadata?: Readonly<Record<string, string>>;
          readonly Properties: {
            readonly Environment?: { readonly Variables: Readonly<Record<string, unknown>> };
          };
        }
      >
    >;
  };
  return new Map(
    Object.values(Resources)
      .filter(({ Type }) => Type === 'AWS::Lambda::Function')
      .map(({ Metadata, Properties }) => [
        Metadata?.['aws:cdk:path']?.split('/').at(-2) ?? '',
        Properties.Environment?.Variables ?? {},
      ]),
  );
}

it('the page of SAM names the template, functions of it, events that there are, and the variables that it leaves open', () => {
  const functions = functionsOfTemplate();
  const commands = [...page.matchAll(COMMAND)].map(({ groups }) => groups ?? {});
  expect(commands.length).toBe(page.match(/^sam local invoke/gm)?.length);
  for (const { name = '', stack, event = '' } of commands) {
    expect(readFileSync(join(PROJECT, 'bin/app.ts'), 'utf8')).toContain(`'${stack}'`);
    expect([...functions.keys()]).toContain(name);
    expect(JSON.parse(readFileSync(join(PROJECT, event), 'utf8'))).toBeTypeOf('object');
  }
  const given = JSON.parse(fencesOf(page).find(({ language }) => language === 'json')?.text ?? '{}');
  expect(new Set(Object.keys(given))).toEqual(new Set(commands.map(({ name }) => name)));
  for (const [name, variables] of Object.entries<object>(given)) {
    const open = Object.entries(functions.get(name) ?? {}).flatMap(([variable, value]) =>
      typeof value === 'string' ? [] : variable,
    );
    expect(Object.keys(variables).sort(), name).toEqual(open.sort());
  }
});

it('the events that the page of SAM has called are there', () => {
  const events = [...page.matchAll(/invoke functions\/flights\/pipeline\.ts (\S+)/g)].map(
    ([, event = '']) => event,
  );
  expect(events.length).toBeGreaterThan(0);
  for (const event of events) expect(existsSync(join(PROJECT, event)), event).toBe(true);
});
