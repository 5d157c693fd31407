import { Keys, matching } from '../model/keys.ts';
import type { LiveModel } from '../model/model.ts';
import type { Picked } from '../model/picked.ts';
import { h, mark, say } from './dom.ts';
import { counted, valueText } from './format.ts';

/** The most keys that are listed; the others are found by a search. */
const MAX_LISTED = 300;

/** The keys, of which one is picked: by a search, the arrow keys, or a click. */
export function keysView(pick: (key: string) => void) {
  const keys = new Keys();
  const list = h('ul', { id: 'keys', role: 'listbox', 'aria-label': 'Keys', tabindex: '-1' });
  const note = h('p', { class: 'note', 'aria-live': 'polite' });
  const search = h('input', {
    type: 'search',
    placeholder: 'Search keys',
    role: 'combobox',
    'aria-label': 'Search keys',
    'aria-controls': 'keys',
    'aria-expanded': 'true',
    'aria-autocomplete': 'list',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  let listed: readonly string[] = [];
  let options = new Map<string, { readonly element: HTMLElement; readonly value: HTMLElement }>();
  let chosen: string | undefined;
  let last: { model: LiveModel; picked: Picked } | undefined;

  const listAgain = (now: readonly string[]): void => {
    if (now.length === listed.length && now.every((key, at) => key === listed[at])) return;
    listed = now;
    options = new Map(
      now.map((key, at) => {
        const value = h('span', { class: 'value' });
        const element = h(
          'li',
          { role: 'option', id: `key-${at}`, click: () => pick(key) },
          h('span', { class: 'key' }, key),
          value,
        );
        return [key, { element, value }];
      }),
    );
    list.replaceChildren(...[...options.values()].map(({ element }) => element));
  };

  const update = (model: LiveModel, picked: Picked): void => {
    last = { model, picked };
    const all = keys.of(model);
    const found = matching(all, search.value);
    listAgain(found.slice(0, MAX_LISTED));
    for (const [key, { element, value }] of options) {
      const isChosen = key === picked.key;
      mark(element, 'aria-selected', String(isChosen));
      const pane = model.seriesOf(picked.window, key)?.panes.at(-1);
      say(value, pane ? valueText(pane.results[picked.result]) : '');
      if (isChosen && chosen !== key) list.scrollTop = element.offsetTop - list.clientHeight / 2;
      if (isChosen) mark(search, 'aria-activedescendant', element.id);
    }
    chosen = picked.key;
    const more = found.length - listed.length;
    const forgotten =
      model.forgotten > 0 ? `; ${counted(model.forgotten)} series that were silent longest are not kept` : '';
    say(
      note,
      all.length === 0
        ? 'No key yet'
        : found.length === 0
          ? `No key of ${counted(all.length)} has “${search.value}” in it`
          : `${more > 0 ? `${counted(listed.length)} of ` : ''}${counted(found.length)} ${found.length === 1 ? 'key' : 'keys'}${more > 0 ? ': search for others' : ''}${forgotten}`,
    );
  };

  search.addEventListener('input', () => last && update(last.model, last.picked));
  search.addEventListener('keydown', (event) => {
    const at = listed.indexOf(chosen ?? '');
    const next = { ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), Enter: Math.max(0, at) }[event.key];
    const key = next === undefined ? undefined : listed[next];
    if (key === undefined) return;
    event.preventDefault();
    pick(key);
  });
  return {
    element: h('section', { class: 'keys', 'aria-label': 'Pick a key' }, search, list, note),
    search,
    update,
  };
}
