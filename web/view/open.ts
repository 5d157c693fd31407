import { type OpenWindow, openOf } from '../model/open.ts';
import { h, say } from './dom.ts';
import { counted, instantText, untilText, valueText } from './format.ts';

const SHOWN = 6;

/**
 * The windows of the picked key that are open, which the page asks for, as they are in no commit by themselves.
 *
 * @param asksEvery how often, in milliseconds; undefined where nobody can be asked
 */
export function openView(asksEvery: number | undefined) {
  const heading = h('h3');
  const list = h('ul');
  const element = h('div', { class: 'open', hidden: asksEvery === undefined }, heading, list);
  let asked: string | undefined;
  let windows: readonly OpenWindow[] | undefined;
  let shown = '';
  let timer: ReturnType<typeof setTimeout> | undefined;

  const ask = async (key: string, told: () => void): Promise<void> => {
    const found = document.hidden
      ? windows
      : await fetch(`api/open?${new URLSearchParams({ key })}`)
          .then(async (response) => (response.ok ? openOf(await response.json()) : undefined))
          .catch(() => undefined);
    if (asked !== key) return;
    windows = found;
    told();
    timer = setTimeout(ask, asksEvery, key, told);
  };

  return {
    element,
    /** Asks again and again for those of a key, until another is asked for, or none. */
    watch(key: string | undefined, told: () => void): void {
      if (key === asked || asksEvery === undefined) return;
      asked = key;
      windows = undefined;
      clearTimeout(timer);
      if (key !== undefined) void ask(key, told);
    },
    /** Those of a window that have not closed since they were asked for. */
    of: (window: string | undefined, watermark = Number.NEGATIVE_INFINITY): readonly OpenWindow[] =>
      (windows ?? []).filter(({ window: name, end }) => name === window && end > watermark),
    show(key: string | undefined): void {
      const waiting = windows ?? [];
      const now = `${key} ${JSON.stringify(waiting)}`;
      if (now === shown) return;
      shown = now;
      say(
        heading,
        waiting.length === 0
          ? 'No open window'
          : `${counted(waiting.length)} open ${waiting.length === 1 ? 'window' : 'windows'}`,
      );
      list.replaceChildren(
        ...waiting.slice(0, SHOWN).map(({ window, start, end, count, results }) =>
          h(
            'li',
            {},
            h('strong', {}, window),
            ` ${instantText(start)} – ${untilText(start, end)} · ${counted(count)} ${count === 1 ? 'record' : 'records'} · ${Object.entries(
              results,
            )
              .map(([name, value]) => `${name} ${valueText(value)}`)
              .join(', ')}`,
          ),
        ),
        ...(waiting.length > SHOWN ? [h('li', {}, `and ${counted(waiting.length - SHOWN)} more`)] : []),
      );
    },
  };
}
