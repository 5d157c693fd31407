import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, definePipeline, rolling, sliding, sqs } from '../../src/index.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'millrace-types-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const WINDOWS = `{ minute: tumbling({ size: '1m' }, { max: max('celsius') }), ten: rolling({ count: 10 }, { n: count() }) }`;

/** A module that defines `temperature`, right but for what a case puts into it; `after` is the author's next line. */
const moduleWith = ({
  key = `'machineId'`,
  eventTime = '(reading) => reading.measuredAt',
  windows = WINDOWS,
  more = '',
  to = '',
  after = '',
}): string =>
  `import { count, definePipeline, kinesis, last, max, mean, rolling, session, sliding, table, tumbling } from '${PROJECT}src/index.ts';
export interface Reading { machineId: string; celsius: number; measuredAt: number; place: { floor: number }; load?: number; note?: string }
export const temperature = definePipeline('temperature', kinesis<Reading>(), {
  key: ${key},
  eventTime: ${eventTime},
  ${more} windows: ${windows},
})${to};
type TemperaturePane = NonNullable<(typeof temperature)['pane']>;
export const use = (pane: TemperaturePane) => [pane, count, kinesis, last, max, mean, rolling, session, sliding, table, tumbling];
${after}
`;

/** A duration, as the compiler spells it out. */
const DURATION = ['d', 'h', 'm', 'ms', 's'].map((unit) => `\`\${number}${unit}\``).join(' | ');

/** The ways to a number of a reading, and to any value of it. */
const NUMBER = `"celsius" | "measuredAt" | "place.floor" | ((record: NoInfer<Reading>) => number)`;
const VALUE = `"celsius" | "machineId" | "measuredAt" | "place" | "place.floor" | ((record: NoInfer<Reading>) => Plain)`;

/** The ways to a key and to an event time. */
const KEY = `"machineId" | ((record: Reading) => string)`;
const TIME = `"celsius" | "machineId" | "measuredAt" | "place.floor" | ((record: Reading) => EventTime)`;

/** What the author wrote, and the first line of what the compiler says. */
const cases = {
  'a field that no record has': {
    written: { windows: `{ minute: tumbling({ size: '1m' }, { max: max('celsiu') }) }` },
    told: [`Argument of type '"celsiu"' is not assignable to parameter of type '${NUMBER}'.`],
  },
  'a field that is no number': {
    written: { windows: `{ minute: tumbling({ size: '1m' }, { mean: mean('machineId') }) }` },
    told: [`Argument of type '"machineId"' is not assignable to parameter of type '${NUMBER}'.`],
  },
  'a field that no record has, in a function': {
    written: { windows: `{ minute: tumbling({ size: '1m' }, { mean: mean((reading) => reading.kelvin) }) }` },
    told: [`Property 'kelvin' does not exist on type 'Reading'.`],
  },
  'a path to what no record has': {
    written: { windows: `{ minute: tumbling({ size: '1m' }, { mean: mean('place.flor') }) }` },
    told: [`Argument of type '"place.flor"' is not assignable to parameter of type '${NUMBER}'.`],
  },
  'a field that may be missing': {
    written: { windows: `{ minute: tumbling({ size: '1m' }, { note: last('note') }) }` },
    told: [`Argument of type '"note"' is not assignable to parameter of type '${VALUE}'.`],
  },
  'an option that the window does not have': {
    written: { windows: `{ minute: tumbling({ size: '1m', emitEmtpy: true }, { n: count() }) }` },
    told: [
      `Object literal may only specify known properties, but 'emitEmtpy' does not exist in type 'TumblingOptions<"close", false>'. Did you mean to write 'emitEmpty'?`,
    ],
  },
  'a time to emit that there is not': {
    written: { windows: `{ minute: tumbling({ size: '1m', emit: 'often' }, { n: count() }) }` },
    told: [`Type '"often"' is not assignable to type 'Emit'.`],
  },
  'a gap by a field that no record has': {
    written: { windows: `{ visit: session({ gap: (reading) => \`\${reading.pause}s\` }, { n: count() }) }` },
    told: [`Property 'pause' does not exist on type 'Reading'.`],
  },
  'results of a window that may have none': {
    written: {
      windows: `{ minute: tumbling({ size: '1m', emitEmpty: true }, { n: count() }) }`,
      after: `export const busy = (pane: TemperaturePane) => pane.results.n > 90;`,
    },
    told: [`'pane.results' is possibly 'null'.`],
  },
  'a duration in words': {
    written: { windows: `{ minute: tumbling({ size: '1 minute' }, { n: count() }) }` },
    told: [
      `Type '"1 minute"' is not assignable to type '"month" | "quarter" | "week" | "year" | ${DURATION}'.`,
    ],
  },
  'a result that the window does not have': {
    written: {
      after: `export const hot = (pane: TemperaturePane) => pane.window === 'minute' && pane.results.maxx > 90;`,
    },
    told: [`Property 'maxx' does not exist on type '{ max: number; }'. Did you mean 'max'?`],
  },
  'a result that only another window has': {
    written: {
      after: `export const hot = (pane: TemperaturePane) => pane.window === 'ten' && pane.results.max > 90;`,
    },
    told: [`Property 'max' does not exist on type '{ n: number; }'.`],
  },
  'a window that the definition does not have': {
    written: { after: `export const ofHour = (pane: TemperaturePane) => pane.window === 'hour';` },
    told: [
      `This comparison appears to be unintentional because the types '"minute" | "ten"' and '"hour"' have no overlap.`,
    ],
  },
  'a key that is a number': {
    written: { key: '(reading) => reading.celsius' },
    told: [`Type '(reading: Reading) => number' is not assignable to type '${KEY}'.`],
  },
  'a key that no record has': {
    written: { key: `'machine'` },
    told: [`Type '"machine"' is not assignable to type '${KEY}'. Did you mean '"machineId"'?`],
  },
  'a key by the name of a number': {
    written: { key: `'celsius'` },
    told: [`Type '"celsius"' is not assignable to type '${KEY}'.`],
  },
  'a key that may be missing': {
    written: { key: `'note'` },
    told: [`Type '"note"' is not assignable to type '${KEY}'.`],
  },
  'an event time that no record has': {
    written: { eventTime: `'measured'` },
    told: [`Type '"measured"' is not assignable to type '${TIME}'. Did you mean '"measuredAt"'?`],
  },
  'an event time that is an object': {
    written: { eventTime: `'place'` },
    told: [`Type '"place"' is not assignable to type '${TIME}'.`],
  },
  'an optional number': {
    written: { windows: `{ w: tumbling({ size: '1m' }, { m: mean('load') }) }` },
    told: [`Argument of type '"load"' is not assignable to parameter of type '${NUMBER}'.`],
  },
  'an option that a pipeline does not have': {
    written: { more: `outOfOrdernes: '30s',` },
    told: [
      `Object literal may only specify known properties, but 'outOfOrdernes' does not exist in type 'Options<Reading, { minute: Shape<"final" | "late", { max: ...; }>; ten: Shape<"rolling", { n: ...; }>; }>'. Did you mean to write 'outOfOrderness'?`,
    ],
  },
  'a sink that is none': {
    written: { to: `.to('s3')` },
    told: [
      `Argument of type 'string' is not assignable to parameter of type 'Sink<PanesOf<{ minute: Shape<"final" | "late", { max: ...; }>; ten: Shape<"rolling", { n: ...; }>; }>>'.`,
    ],
  },
  'a sink that is not called': {
    written: { to: `.to(table)` },
    told: [
      `Argument of type '() => TableSink' is not assignable to parameter of type 'Sink<PanesOf<{ minute: Shape<"final" | "late", { max: ...; }>; ten: Shape<"rolling", { n: ...; }>; }>>'.`,
    ],
  },
  'a field that panes do not have': {
    written: { after: `export const from = (pane: TemperaturePane) => pane.begin;` },
    told: [`Property 'begin' does not exist on type 'TemperaturePane'.`],
  },
  'nothing wrong': { written: {}, told: [] },
};

let told: ReadonlyMap<string, readonly string[]>;

// One compiler for all of them: starting it is what costs.
beforeAll(() => {
  const files = Object.values(cases).map(({ written }, at) => {
    writeFileSync(join(scratch, `case${at}.ts`), moduleWith(written));
    return `case${at}.ts`;
  });
  const compilerOptions = { typeRoots: [join(PROJECT, 'node_modules/@types')] };
  writeFileSync(join(scratch, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(scratch, 'tsconfig.json'),
    JSON.stringify({ extends: join(PROJECT, 'tsconfig.json'), compilerOptions, include: [], files }),
  );
  const { stdout } = spawnSync(
    process.execPath,
    [join(PROJECT, 'node_modules/typescript/bin/tsc'), '-p', scratch],
    {
      encoding: 'utf8',
      cwd: scratch,
    },
  );
  const errors = [...stdout.matchAll(/^(.*)\(\d+,\d+\): error TS\d+: (.*)$/gm)];
  told = new Map(
    Object.keys(cases).map((name, at) => [
      name,
      errors.filter(([, file]) => file?.endsWith(`case${at}.ts`)).map(([, , message = '']) => message),
    ]),
  );
  const elsewhere = errors.filter(([, file]) => !/^case\d+\.ts$/.test(file ?? ''));
  expect(elsewhere.map(([line]) => line)).toEqual([]);
});

it.each(Object.entries(cases))('tells the author of %s', (name, { told: expected }) => {
  expect(told.get(name)).toEqual(expected);
});

/** What compiles, and is refused as the definition is made. */
const refused = {
  'a slide past the size': {
    make: () => sliding({ size: '1m', slide: '5m' }, { n: count() }),
    told: 'Cannot slide by "5m" as slide must be <= size: size is "1m"',
  },
  'a rolling window over a standard queue': {
    make: () =>
      definePipeline('temperature', sqs(), {
        key: () => 'pump',
        eventTime: () => 0,
        windows: { ten: rolling({ count: 10 }, { n: count() }) },
      }),
    told: 'Cannot define window "ten" as rolling, batches and running windows follow the order of the source: a source of the kind sqs has none',
  },
};

it.each(Object.entries(refused))('refuses %s', (_, { make, told: expected }) => {
  expect(make).toThrow(new RangeError(expected));
});

describe('docs/mistakes.md', () => {
  const page = readFileSync(join(PROJECT, 'docs/mistakes.md'), 'utf8').replaceAll('\\|', '|');
  const lines = [
    ...Object.values(cases).flatMap(({ told }) => told),
    ...Object.values(refused).map(({ told }) => told),
  ];

  it('says of each mistake what a reader is told', () => {
    const shown = [...page.matchAll(/^\| `.*?` \| (?:`` (.*) ``|`(.*)`) \| .* \|$/gm)].map(
      ([, line, other]) => line ?? other,
    );
    expect(shown.filter((line) => !lines.includes(line ?? ''))).toEqual([]);
    expect(lines.filter((line) => !shown.includes(line))).toEqual([]);
  });
});
