import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

interface Component {
  /** The package with its scope and version. */
  readonly 'bom-ref': string;
  /** What only tools of the repository need is optional. */
  readonly scope: 'required' | 'optional';
  readonly licenses?: readonly unknown[];
  readonly hashes?: readonly unknown[];
}

it('the bill of materials lists each package in its version, with its hash, tells tools apart, and knows every licence', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(`${PROJECT}/package.json`, 'utf8'));
  const bill = execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: PROJECT, encoding: 'utf8' });
  const { bomFormat, components } = JSON.parse(bill) as {
    readonly bomFormat: string;
    readonly components: readonly Component[];
  };
  expect(bomFormat).toBe('CycloneDX');
  const scopes = new Map(components.map((component) => [component['bom-ref'], component.scope]));
  const missing = (pinned: object, scope: Component['scope']) =>
    Object.entries(pinned).filter(([name, version]) => scopes.get(`${name}@${version}`) !== scope);
  expect(missing(dependencies, 'required')).toEqual([]);
  // Other tools may be needed by something else as well.
  for (const tool of ['vitest', 'typescript', 'cdk-nag'])
    expect(missing({ [tool]: devDependencies[tool] }, 'optional')).toEqual([]);
  const needed = components.filter(({ scope }) => scope === 'required');
  expect(needed.filter(({ licenses }) => !licenses?.length)).toEqual([]);
  // What another package holds within it is of that one's hash.
  const direct = needed.filter((component) => {
    const [, name = ''] = /^(.+)@/.exec(component['bom-ref']) ?? [];
    return dependencies[name] === component['bom-ref'].slice(name.length + 1);
  });
  expect(direct.filter(({ hashes }) => !hashes?.length)).toEqual([]);
});
