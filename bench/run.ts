import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import Table from 'cli-table3';
import { build } from 'esbuild';
import type { Answer, Job } from './contender.ts';
import { median, type Report, type ReportAnswer, shown } from './report.ts';
import { type Case, type Entry, REPORTS, type ReportEntry, type Section, SUITE } from './suite.ts';

const HERE = import.meta.dirname;
/** Inside node_modules, so that bundles find the peers and git does not find them. */
const BUNDLES = join(HERE, 'node_modules', `.bundles-${process.pid}`);
const ROUNDS = 2;
const TIMEOUT_MILLIS = 120_000;
/** Of a report, which measures many cases. */
const REPORT_TIMEOUT_MILLIS = 15 * 60_000;

/** Beside the one that runs this. */
const OTHER_NODE = 24;

/** What the rounds gave of one contender. */
interface Measured {
  readonly entry: Entry;
  /** Nanoseconds per record, of every repetition in every round. */
  readonly nanos: number[];
  readonly checks: (Answer & { outcome: 'measured' })['check'][];
  note: string | undefined;
  reason: string | undefined;
}

/** `[section, report or part of a case's title …] [--quick] [--markdown]` */
async function main(words: readonly string[]): Promise<void> {
  const quick = words.includes('--quick');
  const markdown = words.includes('--markdown');
  const wanted = words.filter((word) => !word.startsWith('--'));
  const sections = SUITE.map((section) => narrow(section, wanted, quick)).filter(
    ({ cases }) => cases.length > 0,
  );
  const measured = new Map<Entry, Measured>();
  const plan = sections.flatMap(({ name, cases }) =>
    cases.flatMap((one) => one.contenders.map((entry) => ({ name, one, entry }))),
  );
  const reports = REPORTS.filter(
    ({ name, onlyNamed = false }) =>
      wanted.every((word) => word === name) && !(onlyNamed && wanted.length === 0),
  );
  await mkdir(BUNDLES, { recursive: true });
  const unbuilt = await bundle(
    new Set([
      ...plan.flatMap(({ entry }) => modulesOf(entry)),
      ...reports.flatMap(({ module, fromSource }) => (fromSource ? [] : module)),
    ]),
  );

  const rounds = quick ? 1 : ROUNDS;
  for (let round = 1; round <= rounds; round++) {
    for (const [at, { name, one, entry }] of plan.entries()) {
      const result: Measured = measured.get(entry) ?? {
        entry,
        nanos: [],
        checks: [],
        note: undefined,
        reason: undefined,
      };
      measured.set(entry, result);
      if (round > (entry.rounds ?? rounds) || result.reason !== undefined) continue;
      progress(
        `round ${round} of ${rounds}, ${at + 1} of ${plan.length}: ${name}, ${one.title}, ${entry.name}`,
      );
      take(result, await run(entry, one, quick, unbuilt));
    }
  }
  progress('');
  for (const section of sections) print(section, measured, markdown);
  for (const one of reports) await report(one, quick, markdown, unbuilt);
  const failed = [...measured.values()].filter(({ checks }) => checks.some(({ passed }) => !passed));
  if (failed.some(({ entry }) => entry.role === 'millrace' || entry.role === 'floor')) process.exitCode = 1;
}

function narrow(section: Section, wanted: readonly string[], quick: boolean): Section {
  const cases = section.cases.filter(({ title }) => {
    if (quick && !section.quick.includes(title)) return false;
    return wanted.every((word) => section.name === word || title.includes(word));
  });
  return { ...section, cases };
}

const modulesOf = ({ module }: Entry): readonly string[] => (typeof module === 'string' ? [module] : []);

/** Bundles each module by itself, so that no loader stands between it and Node.js; what could not be bundled, and why. */
async function bundle(modules: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const unbuilt = new Map<string, string>();
  for (const module of modules) {
    const source = join(HERE, `${module}.ts`);
    if (!existsSync(source)) {
      unbuilt.set(module, 'not written yet');
      continue;
    }
    try {
      await build({
        entryPoints: [source],
        outfile: bundleOf(module),
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node20',
        packages: 'external',
        logLevel: 'silent',
      });
    } catch (error) {
      unbuilt.set(module, `cannot be bundled: ${(error as Error).message.split('\n')[1] ?? error}`);
    }
  }
  return unbuilt;
}

const bundleOf = (module: string): string => join(BUNDLES, `${module.replaceAll('/', '-')}.mjs`);

async function run(
  { module, parameters, pace }: Entry,
  { stream }: Case,
  quick: boolean,
  unbuilt: ReadonlyMap<string, string>,
): Promise<Answer> {
  if (typeof module !== 'string') return { outcome: 'failed', reason: module.none };
  const reason = unbuilt.get(module);
  if (reason !== undefined) return { outcome: 'failed', reason };
  const repetitions = quick ? Math.min(2, pace.repetitions) : pace.repetitions;
  return inFreshProcess<Answer>(
    bundleOf(module),
    { stream, parameters, pace: { ...pace, repetitions } },
    TIMEOUT_MILLIS,
  );
}

interface Failed {
  readonly outcome: 'failed';
  readonly reason: string;
}

function inFreshProcess<Of>(
  path: string,
  job: Job | { readonly quick: boolean },
  timeoutMillis: number,
  execPath = process.execPath,
): Promise<Of | Failed> {
  return new Promise((resolve) => {
    const child: ChildProcess = fork(path, [], {
      cwd: HERE,
      execPath,
      execArgv: [
        '--expose-gc',
        '--max-old-space-size=8192',
        ...(path.endsWith('.ts') ? ['--import', 'tsx'] : []),
      ],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    let said = '';
    child.stderr?.on('data', (text) => {
      said += text;
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      resolve({ outcome: 'failed', reason: `took over ${timeoutMillis / 1_000} s` });
    }, timeoutMillis);
    child.on('message', (answer: Of) => resolve(answer));
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      const reason = said.split('\n').find((line) => /error/i.test(line)) ?? `ended with ${signal ?? code}`;
      resolve({ outcome: 'failed', reason });
    });
    child.send(job);
  });
}

function take(result: Measured, answer: Answer): void {
  if (answer.outcome === 'failed') {
    result.reason = answer.reason;
    return;
  }
  result.nanos.push(...answer.nanos);
  result.checks.push(answer.check);
  result.note = answer.note;
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line.slice(0, process.stderr.columns - 1)}`);
}

async function report(
  entry: ReportEntry,
  quick: boolean,
  markdown: boolean,
  unbuilt: ReadonlyMap<string, string>,
) {
  await reportOn(process.execPath, process.version, entry, quick, markdown, unbuilt);
  if (!entry.onBoth) return;
  const other = otherNode();
  if (other === undefined) {
    console.log(
      `\nNot measured on Node ${OTHER_NODE}, as the package node@${OTHER_NODE} cannot be installed here.`,
    );
    return;
  }
  await reportOn(other, `v${OTHER_NODE}`, entry, quick, markdown, unbuilt);
}

/** The other Node that is supported, as a package; undefined where that cannot be installed. */
function otherNode(): string | undefined {
  const folder = join(HERE, 'node_modules', `.node-${OTHER_NODE}`);
  const path = join(folder, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(path)) return path;
  try {
    const options = ['--no-save', '--no-audit', '--no-fund', '--prefix', folder];
    execFileSync('npm', ['install', ...options, `node@${OTHER_NODE}`], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return existsSync(path) ? path : undefined;
}

async function reportOn(
  node: string,
  version: string,
  { title, module, fromSource, timeoutMillis = REPORT_TIMEOUT_MILLIS }: ReportEntry,
  quick: boolean,
  markdown: boolean,
  unbuilt: ReadonlyMap<string, string>,
): Promise<void> {
  console.log(`\n${markdown ? '## ' : ''}${title}${fromSource ? '' : `, Node ${version}`}\n`);
  const reason = unbuilt.get(module);
  const path = fromSource ? join(HERE, `${module}.ts`) : bundleOf(module);
  const answer: ReportAnswer =
    reason === undefined
      ? await inFreshProcess<ReportAnswer>(path, { quick }, timeoutMillis, node)
      : { outcome: 'failed', reason };
  if (answer.outcome === 'skipped') {
    console.log(`Skipped: ${answer.reason}`);
    return;
  }
  if (answer.outcome === 'failed') {
    process.exitCode = 1;
    console.log(answer.reason);
    return;
  }
  printReport(answer.report, markdown);
}

function printReport({ head, rows, faults }: Report, markdown: boolean): void {
  if (markdown) printMarkdown(head, rows);
  else printTable(head, rows);
  for (const fault of faults) console.log(`WRONG: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}

const HEAD = ['', 'ns a record', 'median', '÷ floor', '÷ Millrace', 'output', ''];

function print(section: Section, measured: ReadonlyMap<Entry, Measured>, markdown: boolean): void {
  console.log(`\n${markdown ? '## ' : ''}${section.title}\n`);
  for (const one of section.cases) {
    const rows = one.contenders.map((entry) => row(entry, one, measured));
    if (markdown) {
      console.log(`${one.title}\n`);
      printMarkdown(HEAD, rows);
    } else {
      printTable([one.title, ...HEAD.slice(1)], rows);
    }
  }
}

function printMarkdown(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  console.log(`${lines.join('\n')}\n`);
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const isNumber = (text: string) => /^[\d.,–]*$/.test(text);
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, at) => (rows.every((cells) => isNumber(cells[at] ?? '')) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((cells) => [...cells]));
  console.log(table.toString());
}

function row(entry: Entry, one: Case, measured: ReadonlyMap<Entry, Measured>): string[] {
  const { nanos = [], checks = [], reason, note = '' } = measured.get(entry) ?? {};
  if (reason !== undefined) return [entry.name, '–', '', '', '', '', reason];
  const least = Math.min(...nanos);
  const of = (role: Entry['role']): number => {
    const other = one.contenders.find((contender) => contender.role === role);
    return Math.min(...((other && measured.get(other)?.nanos) ?? []));
  };
  return [
    entry.name,
    shown(least),
    shown(median(nanos)),
    ratio(least, of('floor')),
    ratio(least, of('millrace')),
    checked(checks),
    note,
  ];
}

function checked(checks: Measured['checks']): string {
  const failed = checks.find(({ passed }) => !passed);
  if (failed !== undefined) return `WRONG: ${failed.differs}`;
  const worst = Math.max(...checks.map((check) => check.worst));
  const compared = (checks[0]?.compared ?? 0).toLocaleString('en');
  return worst === 0 ? `exact in ${compared}` : `within ${worst.toExponential(0)} in ${compared}`;
}

const ratio = (one: number, other: number): string => (Number.isFinite(other) ? shown(one / other) : '');

try {
  await main(process.argv.slice(2));
} finally {
  await rm(BUNDLES, { recursive: true, force: true });
}
