import type { Store } from 'kinesalite/db/index.js';

/** What a server keeps of its streams, or of its tables, by name. */
export type Definitions = Store['metaDb'];

/**
 * Makes a server find no definition that was changing when an earlier process was killed: one that was being created is
 * not there, and any other is as it was before.
 *
 * kinesalite and dynalite write that a definition changes, and in a later turn of the event loop what it has become. After
 * a kill in between, it would be changing for ever: nothing could be put there, and nobody could create it anew.
 *
 * @param status the name of the field of a definition that is `ACTIVE` where it does not change
 */
export function leaveNoneChanging(definitions: Definitions, status: string): void {
  const get = definitions.get.bind(definitions);
  const put = definitions.put.bind(definitions);
  const written = new Set<string>();
  definitions.put = (name, definition, answer) => {
    written.add(name);
    put(name, definition, answer);
  };
  definitions.get = (name, answer) =>
    get(name, (error, found) => {
      const { [status]: now = 'ACTIVE' }: Record<string, unknown> = { ...found };
      if (now === 'ACTIVE' || written.has(name)) answer(error, found);
      else if (now === 'CREATING')
        definitions.del(name, (failed) => (failed ? answer(failed) : get(name, answer)));
      else answer(null, { ...found, [status]: 'ACTIVE' });
    });
}
