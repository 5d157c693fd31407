import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Ports } from '../ports/index.ts';
import { layoutLog } from '../wiring/names.ts';
import { mustRenew, pack, unpack } from './entry.ts';

/**
 * Makes sure that the pipeline has as many key groups as its logs were begun with, and writes the number down if they are
 * not begun.
 *
 * @throws RangeError when it has another number: keys would change their logs, and begin their windows anew
 */
export async function holdGroups(
  { log, clock }: Pick<Ports, 'log' | 'clock'>,
  { name, groups }: Pipeline,
): Promise<void> {
  for (;;) {
    const last = await log.latest(layoutLog(name));
    const begun = last && unpack(last.body);
    if (begun !== undefined && begun !== groups) {
      throw new RangeError(
        `Cannot go on as a pipeline must keep its number of key groups: "${name}" was begun with ${begun} and is defined with ${groups}; give it groups: ${begun}`,
      );
    }
    const now = clock.now();
    if (last && !mustRenew(last, now)) return;
    await log.append(layoutLog(name), {
      ordinal: (last?.ordinal ?? 0) + 1,
      committedAt: now,
      body: pack(groups),
    });
  }
}
