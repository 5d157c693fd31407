import { isDrawn, marksOf } from '../model/chart.ts';
import { busiest } from '../model/keys.ts';
import type { LiveModel } from '../model/model.ts';
import { type Picked, readPicked, writtenPicked } from '../model/picked.ts';
import { chartView } from './chart.ts';
import { Choice, find, h, mark, say } from './dom.ts';
import { drawingView } from './drawing.ts';
import type { Connection, Feed } from './feed.ts';
import { figuresView } from './figures.ts';
import { counted } from './format.ts';
import { keysView } from './keys.ts';
import { openView } from './open.ts';
import { sendView } from './send.ts';
import { tableView } from './table.ts';
import { themeView } from './theme.ts';

/** How many panes the chart shows. */
const RANGES = [
  { value: 60, text: 'Last 60' },
  { value: 300, text: 'Last 300' },
  { value: 100_000, text: 'All' },
] as const;

const LEGEND = [
  ['early', 'early'],
  ['final', 'final'],
  ['revised', 'revised'],
  ['retracted', 'retracted'],
  ['watermark', 'watermark'],
  ['opened', 'open window'],
] as const;

/** A key that is shown by itself is another's turn while it has fewer panes than this. */
const ENOUGH = 10;

/** What a page can do besides showing what it is told. */
export interface PageParts {
  /** How often the page asks for open windows, in milliseconds; undefined where nobody can be asked. */
  readonly asksEvery: number | undefined;
  /** Whether records can be sent to what is shown. */
  readonly sends: boolean;
  /** Is told which series is shown. */
  readonly watch?: Feed['watch'];
}

/** The whole page. */
export function pageView(root: HTMLElement, { asksEvery, sends, watch }: PageParts) {
  const figures = figuresView();
  const chart = chartView();
  const keys = keysView((key) => choose({ key }));
  const open = openView(asksEvery);
  const windows = new Choice<number>('Window', (window) => choose({ window, result: 0 }));
  const results = new Choice<number>('Result', (result) => choose({ result }));
  const ranges = new Choice<number>('Panes', (most) => {
    range = most;
    chart.showAll();
    update();
  });
  const scope = new Choice<'all' | 'key'>('Whose panes', (whose) => {
    tableOf = whose;
    update();
  });
  const table = tableView((window, key) => choose({ window, key, result: 0 }));
  const title = h('h2', {}, '–');
  const empty = h('p', { class: 'void' });
  find('#theme').replaceChildren(themeView(() => chart.recolour()));

  document.addEventListener('keydown', (event) => {
    const isTyping = (event.target as HTMLElement).matches('input, textarea');
    if (event.key !== '/' || isTyping) return;
    event.preventDefault();
    keys.search.focus();
  });

  let model: LiveModel | undefined;
  let connection: Connection = 'connecting';
  let drawing: ReturnType<typeof drawingView> | undefined;
  let range: number = RANGES[0].value;
  let tableOf: 'all' | 'key' = 'all';
  let picked: Picked = { window: 0, result: 0, key: undefined };
  /** Whether somebody has picked the key, or the address names it. */
  let isPicked = false;

  function choose(change: Partial<Picked>): void {
    picked = { ...picked, ...change };
    if (change.key !== undefined) isPicked = true;
    if (model && isPicked) history.replaceState(undefined, '', writtenPicked(model.shape, picked));
    chart.showAll();
    update();
  }

  function build({ shape }: LiveModel): void {
    document.title = `${shape.name} · Millrace`;
    say(find('#pipeline'), shape.name);
    const named = readPicked(shape, location.hash);
    picked = { ...picked, ...named };
    isPicked = named.key !== undefined;
    const drawn = drawingView(model as LiveModel, (window) => choose({ window, result: 0 }));
    // All else stays where it is, with what somebody types there.
    if (drawing === undefined) root.replaceChildren(...layout(drawn.element));
    else drawing.element.replaceWith(drawn.element);
    drawing = drawn;
  }

  const layout = (drawing: Element): readonly Element[] => [
    figures.element,
    drawing,
    h(
      'div',
      { class: 'workspace' },
      keys.element,
      h(
        'section',
        { class: 'series', 'aria-label': 'Series' },
        h('header', {}, title, windows.element, results.element, ranges.element),
        chart.element,
        empty,
        h(
          'ul',
          { class: 'legend', 'aria-label': 'Legend' },
          ...LEGEND.map(([name, text]) => h('li', { class: name }, text)),
        ),
        open.element,
      ),
    ),
    h(
      'section',
      { class: 'latest', 'aria-label': 'Latest panes' },
      h('header', {}, h('h2', {}, 'Latest panes'), scope.element),
      table.element,
    ),
    ...(sends ? [sendView()] : []),
  ];

  function update(): void {
    if (model === undefined) return;
    const { shape } = model;
    const enough =
      picked.key !== undefined && (model.seriesOf(picked.window, picked.key)?.size ?? 0) >= ENOUGH;
    if (!isPicked && !enough) picked = { ...picked, key: busiest(model, picked.window) ?? picked.key };
    watch?.(picked.window, picked.key);
    const window = shape.windows[picked.window];
    const series = picked.key === undefined ? undefined : model.seriesOf(picked.window, picked.key);
    figures.update(model);
    drawing?.update(model, picked.window);
    keys.update(model, picked);
    say(title, picked.key ?? 'No key yet');
    windows.show(
      shape.windows.map(({ name, text }, value) => ({ value, text: name, title: text })),
      picked.window,
    );
    results.show(
      (window?.results ?? []).map((text, value) => ({ value, text })),
      picked.result,
    );
    ranges.show(RANGES, range);
    scope.show(
      [
        { value: 'all', text: 'All keys' },
        { value: 'key', text: `${picked.key ?? 'This key'}, ${window?.name ?? ''}` },
      ],
      tableOf,
    );
    const marks = marksOf(series, picked.result, range);
    const name = window?.results[picked.result] ?? '';
    open.watch(connection === 'live' ? picked.key : undefined, update);
    chart.show({
      marks,
      watermark: series && Number.isFinite(series.watermark) ? series.watermark : undefined,
      open: open.of(window?.name, series?.watermark),
      result: name,
      label: `${name} of ${window?.name ?? ''}, key ${picked.key ?? 'none'}: ${counted(marks.length)} panes, listed in the table below`,
    });
    open.show(picked.key);
    say(empty, emptyText(isDrawn(series, picked.result), series !== undefined && series.size > 0, name));
    const rows = series?.panes.map((pane) => ({ series, pane })) ?? [];
    table.update(
      model,
      tableOf === 'all' ? model.recent : rows,
      tableOf === 'all' ? 'any key' : `${picked.key}`,
    );
  }

  /** Says why there is nothing to see. */
  function emptyText(hasNumbers: boolean, hasPanes: boolean, result: string): string {
    if (hasNumbers || model === undefined) return '';
    if (hasPanes) return `${result} is no number: the table below shows it`;
    const { phase, committed, panes } = model.figures;
    if (phase === 'asked') return 'No pane of this window and key is known';
    if (committed === 0) return 'No pane yet: no record has come';
    if (panes === 0) return `No pane yet: of ${counted(committed)} records no window has closed`;
    return 'No pane yet of this window and key';
  }

  return {
    /** Shows what is known now. */
    show(now: LiveModel | undefined, connected: Connection): void {
      const status = find('#status');
      connection = connected;
      if (now !== undefined && now !== model) {
        model = now;
        // A run that was started again may be of another definition.
        build(now);
      }
      const { state, text } = statusOf(now, connected);
      mark(status, 'data-state', state);
      say(status, text);
      update();
    },
    /** What the chart draws: the ends of panes in seconds, and a result of each. */
    get chartData() {
      return chart.data;
    },
    get model() {
      return model;
    },
  };
}

function statusOf(
  model: LiveModel | undefined,
  connection: Connection,
): { readonly state: string; readonly text: string } {
  if (connection === 'report') return { state: 'ended', text: 'Report of a run' };
  if (model?.figures.phase === 'ended') return { state: 'ended', text: 'The run has ended' };
  if (connection === 'lost') return { state: 'lost', text: 'Reconnecting…' };
  if (connection === 'connecting' || model === undefined) return { state: 'lost', text: 'Connecting…' };
  const { phase, share } = model.figures;
  if (phase === 'asked') return { state: 'live', text: 'Live · asked every few seconds' };
  if (phase === 'closing') return { state: 'live', text: 'Closing the last windows' };
  if (phase === 'up') return { state: 'live', text: 'Live' };
  return {
    state: 'live',
    text: share === null || share >= 1 ? 'Live' : `Live · ${Math.floor(100 * share)} % read`,
  };
}
