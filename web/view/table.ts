import { standingOf } from '../model/chart.ts';
import type { LiveModel, RecentPane } from '../model/model.ts';
import { h, say } from './dom.ts';
import { counted, instantText, untilText, valueText } from './format.ts';

const ROWS = 40;
const HEAD = ['Window', 'Key', 'From', 'Until', 'Kind', 'Records', 'Results'] as const;

/** The latest panes, the newest first: of all keys, or of one series. */
export function tableView(pick: (window: number, key: string) => void) {
  const body = h('tbody');
  const empty = h('p', { class: 'empty' });
  const element = h(
    'div',
    { class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Latest panes' },
    h('table', {}, h('thead', {}, h('tr', {}, ...HEAD.map((name) => h('th', { scope: 'col' }, name)))), body),
    empty,
  );
  let shown: readonly RecentPane['pane'][] = [];
  const rowOf = ({ shape }: LiveModel, { series, pane }: RecentPane): HTMLElement => {
    const window = shape.windows[series.window];
    const results = window?.results.map((name, at) => {
      const before = pane.before?.[at];
      const isRevised = before !== undefined && before !== pane.results[at];
      return h(
        'span',
        { class: 'result' },
        h('span', { class: 'name' }, name),
        ' ',
        ...(isRevised ? [h('s', {}, valueText(before)), ' '] : []),
        valueText(pane.results[at]),
      );
    });
    return h(
      'tr',
      { class: standingOf(pane), 'data-window': window?.name ?? '', 'data-id': String(pane.id) },
      h('td', {}, window?.name ?? ''),
      h(
        'td',
        {},
        h(
          'button',
          { type: 'button', class: 'link', click: () => pick(series.window, series.key) },
          series.key,
        ),
      ),
      h('td', { class: 'time' }, instantText(pane.start)),
      h('td', { class: 'time' }, untilText(pane.start, pane.end)),
      h(
        'td',
        {},
        h('span', { class: 'kind' }, pane.kind),
        ...(pane.revision > 0 ? [` ${pane.revision}`] : []),
      ),
      h('td', { class: 'number' }, counted(pane.count)),
      h('td', { class: 'results' }, ...(results ?? [])),
    );
  };
  return {
    element,
    update(model: LiveModel, rows: readonly RecentPane[], whose: string): void {
      const last = rows.slice(-ROWS).reverse();
      say(empty, last.length > 0 ? '' : `No pane yet of ${whose}`);
      if (last.length === shown.length && last.every(({ pane }, at) => pane === shown[at])) return;
      shown = last.map(({ pane }) => pane);
      body.replaceChildren(...last.map((row) => rowOf(model, row)));
    },
  };
}
