import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const APP = join(PROJECT, 'test/e2e/brought/app.ts');

/** What is brought, by the type that would be made otherwise. `.ci/package/try` asks the same of the packed app. */
const BROUGHT = [
  'AWS::Kinesis::Stream',
  'AWS::DynamoDB::Table',
  'AWS::S3::Bucket',
  'AWS::KMS::Key',
  'AWS::EC2::VPC',
  'AWS::EC2::Subnet',
  'AWS::SNS::Topic',
];

describe('an app of twenty lines that brings stream, tables, buckets, key, VPC and topic', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-brought-'));
  afterAll(() => rmSync(scratch, { recursive: true }));

  let types: readonly string[];
  beforeAll(() => {
    execFileSync(process.execPath, ['--import', 'tsx', APP], {
      cwd: PROJECT,
      env: { ...process.env, CDK_OUTDIR: scratch, CDK_CONTEXT_JSON: '{"aws:cdk:bundling-stacks":[]}' },
      stdio: 'pipe',
    });
    const { Resources } = JSON.parse(readFileSync(join(scratch, 'Plant.template.json'), 'utf8'));
    types = Object.values(Resources as Record<string, { Type: string }>).map(({ Type }) => Type);
  });

  it('is one', () => {
    const lines = readFileSync(APP, 'utf8').split('\n');
    expect(lines.filter((line) => line.trim() !== '')).toHaveLength(20);
  });

  it('makes none of them', () => {
    expect(types.filter((type) => BROUGHT.includes(type))).toEqual([]);
  });

  it('makes the functions, and what reads and calls them', () => {
    expect(types).toEqual(
      expect.arrayContaining([
        'AWS::Lambda::Function',
        'AWS::Lambda::EventSourceMapping',
        'AWS::Scheduler::Schedule',
      ]),
    );
  });
});
