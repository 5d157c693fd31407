import { fork, spawn } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Told } from './mutant-run.ts';
import { bundle, edited } from './mutate.ts';
import { type Edit, MUTANTS, type Mutant, SMALL_BOUNDS } from './protocol-mutants.ts';

/**
 * `npm run mutants [-- name …]`: whether the simulation, or for what it does not do a test, finds each rule of the protocol broken.
 */
const ROOT = new URL('../../', import.meta.url).pathname;
const WORK = `${ROOT}.millrace/mutants/`;
const SEEDS = 500;
/** A schedule takes some milliseconds: one that takes so long never ends. */
const HANGS_AFTER_MILLIS = 120_000;

const names = process.argv.slice(2);
const unknown = names.filter((name) => !MUTANTS.some((one) => one.name === name));
if (unknown.length > 0) {
  console.error(
    `Cannot run what is no mutant: ${unknown.join(', ')}\nThere are: ${MUTANTS.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}

/** What found a mutant, and by which rule. */
interface Killer {
  /** The source whose schedule it was, or the file of the test. */
  readonly by: string;
  /** Which schedule it was. A seed draws another one when draws change. */
  readonly seed?: number | undefined;
  readonly rule: string;
}

const chosen = MUTANTS.filter(({ name }) => names.length === 0 || names.includes(name));
const killers = new Map<Mutant, Killer | undefined>();
const waiting = [...chosen];
const passed = new Set<string>();
await Promise.all(cpus().map(work));
const survivors = chosen.filter((one) => killers.get(one) === undefined).map(({ name }) => name);
const control = names.length === 0 ? await unharmed() : undefined;
if (control) console.error(`Found where no rule is taken away: ${textOf(control)}`);
if (survivors.length > 0) console.error(`Survived: ${survivors.join(', ')}`);
process.exitCode = survivors.length > 0 || control ? 1 : 0;

async function work(): Promise<void> {
  for (let one = waiting.shift(); one; one = waiting.shift()) {
    const { name, also = [], sources = [], killedBy, title } = one;
    const edits = [...also, one];
    const killer = await (killedBy ? tested(name, edits, killedBy, title) : simulated(name, edits, sources));
    killers.set(one, killer);
    console.info(`${name}: ${killer ? textOf(killer) : 'SURVIVED'}`);
  }
}

function textOf({ by, seed, rule }: Killer): string {
  return `${seed === undefined ? by : `${by}, seed ${seed}`}: ${rule}`;
}

/** What finds something though no rule is taken away. */
async function unharmed(): Promise<Killer | undefined> {
  for (const { killedBy, title } of MUTANTS) {
    const test = `${killedBy} ${title ?? ''}`;
    const killer = killedBy && !passed.has(test) && (await tested('unharmed', [], killedBy, title));
    if (killer) return killer;
    passed.add(test);
  }
  return simulated('small bounds', SMALL_BOUNDS, []);
}

function fileOf(name: string): string {
  return `${WORK}${name.replaceAll(/[^a-z]+/g, '-')}`;
}

/** Runs schedules with some edits until one breaks a rule. */
async function simulated(
  name: string,
  edits: readonly Edit[],
  sources: readonly string[],
): Promise<Killer | undefined> {
  const file = `${fileOf(name)}.mjs`;
  await bundle('test/simulation/mutant-run.ts', file, edited(edits));
  return new Promise((resolve, reject) => {
    const child = fork(file, [String(SEEDS), ...sources], { stdio: 'pipe', execArgv: [] });
    let killer: Killer | undefined;
    let [at, output] = ['the first schedule', ''];
    const hangs = () => {
      killer = { by: at, rule: 'Every schedule ends' };
      child.kill('SIGKILL');
    };
    let timer = setTimeout(hangs, HANGS_AFTER_MILLIS);
    child.stderr?.on('data', (data) => {
      output += data;
    });
    child.on('message', (told) => {
      const { source, seed, broken } = told as Told;
      at = `after ${source}, seed ${seed}`;
      if (broken !== undefined) killer = { by: source, seed, rule: broken };
      clearTimeout(timer);
      timer = setTimeout(hangs, HANGS_AFTER_MILLIS);
    });
    child.on('exit', (code) => {
      clearTimeout(timer);
      if (killer === undefined && code !== 0) reject(new Error(`${name} did not run: ${output}`));
      else resolve(killer);
    });
  });
}

/** Runs a file of tests on a copy of the sources with some edits. */
async function tested(
  name: string,
  edits: readonly Edit[],
  file: string,
  title = '',
): Promise<Killer | undefined> {
  const copy = `${fileOf(name)}/`;
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const one of [
    'src',
    'test',
    'functions',
    'lib',
    'docs',
    'package.json',
    'tsconfig.json',
    'vitest.config.ts',
  ]) {
    cpSync(ROOT + one, copy + one, { recursive: true });
  }
  symlinkSync(`${ROOT}node_modules`, `${copy}node_modules`);
  for (const [path, text] of edited(edits)) writeFileSync(copy + path, text);
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', file, '--bail=1', '-t', title],
      {
        cwd: copy,
        env: { ...process.env, NO_COLOR: '1' },
      },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
      });
    }
    child.on('close', (code) => {
      const failed = /FAIL +(?:\|\w+\| +)?\S+ > (.*)/.exec(output)?.[1];
      rmSync(copy, { recursive: true });
      if (code === 0) resolve(undefined);
      else if (failed === undefined) reject(new Error(`${name}: ${file} did not run: ${output}`));
      else resolve({ by: file, rule: failed });
    });
  });
}
