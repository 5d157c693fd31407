import { expect } from 'vitest';
import { sendTyped } from '../../src/local/http/typed.ts';
import { pipelineOver } from '../../src/local/over.ts';
import { runLocally } from '../e2e/local.ts';
import { meters } from '../e2e/meters.ts';

const READING = '{"meter":"typed in","at":"2026-01-01T00:00:00Z","watts":7}';

/** Checks that a record which is typed in goes by way of a source, and that one that would be refused is not sent. */
export async function takesTyped(kind: Parameters<typeof pipelineOver>[1]): Promise<void> {
  const { pipeline } = pipelineOver(meters, kind);
  const said: string[] = [];
  const { panes, replayed } = await runLocally(pipeline, [], {
    async before(runtime) {
      for (const text of [READING, '{"meter":"typed in"', '{"at":"2026-01-01T00:00:00Z"}'])
        said.push((await sendTyped(runtime, pipeline, text)).said);
    },
  });
  expect(said).toEqual([
    expect.stringMatching(/^Sent to \w+, (?:stream|queue|topic) meters(?:\.fifo)?, with key typed in$/),
    expect.stringMatching(/^Not sent, as the pipeline refuses it \(not-json\): /),
    expect.stringMatching(/^Not sent, as the pipeline refuses it \(key\): /),
  ]);
  expect(replayed).toMatchObject({ applied: 1, poison: 0 });
  const minute = panes.map((pane) => JSON.parse(pane)).find(({ window }) => window === 'minute');
  expect(minute).toMatchObject({ key: 'typed in', count: 1, results: { n: 1, watts: 7 } });
}
