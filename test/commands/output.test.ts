import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkInput, outputTo } from '../../src/commands/files.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  writeFileSync(at('input'), 'records\n');
  writeFileSync(at('definition'), 'code\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;
const apart = () => ({ input: at('input'), definition: at('definition'), data: at('data') });

async function* lines(...texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}

async function* breaking(): AsyncGenerator<string> {
  yield 'one';
  throw new Error('the bucket is gone');
}

describe('a file that lines are written to', () => {
  it('is made, with nothing beside it', async () => {
    const output = await outputTo(at('panes'), apart());
    expect(readdirSync(folder).sort()).toEqual(['definition', 'input']);
    expect(await output(lines('one', 'two'), never)).toBe(2);
    expect(readFileSync(at('panes'), 'utf8')).toBe('one\ntwo\n');
    expect(readdirSync(folder).sort()).toEqual(['definition', 'input', 'panes']);
  });

  it('stays as it was until the last line, and where that does not come', async () => {
    writeFileSync(at('panes'), 'earlier\n');
    const during: string[] = [];
    const watched = async function* () {
      for (const line of ['one', 'two']) {
        during.push(readFileSync(at('panes'), 'utf8'));
        yield line;
      }
    };
    const output = await outputTo(at('panes'), apart());
    await expect(output(breaking(), never)).rejects.toThrow(
      `Cannot write panes to ${at('panes')}: the bucket is gone`,
    );
    expect(readFileSync(at('panes'), 'utf8')).toBe('earlier\n');
    expect(readdirSync(folder).sort()).toEqual(['definition', 'input', 'panes']);
    await output(watched(), never);
    expect(during).toEqual(['earlier\n', 'earlier\n']);
    expect(readFileSync(at('panes'), 'utf8')).toBe('one\ntwo\n');
  });

  it('stays as it was where the run is interrupted', async () => {
    writeFileSync(at('panes'), 'earlier\n');
    const interrupted = new AbortController();
    const interrupting = async function* () {
      yield 'one';
      interrupted.abort();
      yield 'two';
    };
    const output = await outputTo(at('panes'), apart());
    await expect(output(interrupting(), interrupted.signal)).rejects.toThrow('aborted');
    expect(readFileSync(at('panes'), 'utf8')).toBe('earlier\n');
    expect(readdirSync(folder).sort()).toEqual(['definition', 'input', 'panes']);
  });

  it('stays behind the link that it was named by', async () => {
    mkdirSync(at('results'));
    symlinkSync('results/today', at('latest'));
    for (const text of ['one', 'two']) {
      await (await outputTo(at('latest'), apart()))(lines(text), never);
      expect(readFileSync(at('results/today'), 'utf8')).toBe(`${text}\n`);
    }
    expect(readdirSync(at('results'))).toEqual(['today']);
  });

  it.runIf(process.platform === 'linux')(
    'is written to at its end where standard output leads there',
    async () => {
      writeFileSync(at('log'), 'before\n');
      const output = await outputTo(`/proc/self/root${at('log')}`, apart());
      await output(lines('one'), never);
      expect(readFileSync(at('log'), 'utf8')).toBe('before\none\n');
    },
  );

  it.each(['input', 'definition'])('is not the %s, by whatever name', async (read) => {
    symlinkSync(read, at('link'));
    linkSync(at(read), at('other-name'));
    mkdirSync(at('folder'));
    for (const name of [read, 'link', 'other-name', `folder/../${read}`]) {
      await expect(outputTo(at(name), apart())).rejects.toThrow(
        `as it must be another file than the ${read}: it is the same`,
      );
    }
    expect(readFileSync(at(read), 'utf8')).not.toBe('');
  });

  it('is not among the data', async () => {
    mkdirSync(at('data'));
    symlinkSync('data', at('link'));
    for (const name of ['data/panes', 'link/panes'])
      await expect(outputTo(at(name), apart())).rejects.toThrow('it must not be among the data');
    await outputTo(at('data-too'), apart());
  });
});

describe('an input', () => {
  it('is there, and no directory', async () => {
    await checkInput(at('input'));
    await checkInput('-');
    await expect(checkInput(at('none'))).rejects.toThrow(
      `Cannot read ${at('none')} as it must be a file that is there: no such file or directory`,
    );
    await expect(checkInput(folder)).rejects.toThrow('as it must be a file: it is a directory');
  });
});
