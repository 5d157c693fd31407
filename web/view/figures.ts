import type { LiveModel } from '../model/model.ts';
import { h, mark, say, svg } from './dom.ts';
import { briefText, counted, shortly, spanText } from './format.ts';

interface Figure {
  readonly label: string;
  readonly hint: string;
  text(model: LiveModel): string;
  trend(model: LiveModel): readonly number[];
  /** Whether the figure tells of records that somebody may want to look after. */
  isTrouble?(model: LiveModel): boolean;
}

const FIGURES: readonly Figure[] = [
  {
    label: 'Records/s',
    hint: 'Records that were committed, over the last two seconds',
    text: ({ trend }) => shortly(trend.rates('committed').at(-1) ?? 0),
    trend: ({ trend }) => trend.rates('committed'),
  },
  {
    label: 'Panes/s',
    hint: 'Results of windows, over the last two seconds',
    text: ({ trend }) => shortly(trend.rates('panes').at(-1) ?? 0),
    trend: ({ trend }) => trend.rates('panes'),
  },
  {
    label: 'Lag',
    hint: 'How far the furthest watermark is behind the newest record, in event time',
    text: ({ trend }) => spanText(trend.samples.at(-1)?.lag ?? Number.NaN),
    trend: ({ trend }) => trend.samples.map(({ lag }) => (Number.isNaN(lag) ? 0 : lag)),
  },
  {
    label: 'Delivery p50·p99',
    hint: 'How long it takes from the handler to the first sink: the median, and what 99 of 100 commits take at most',
    text: ({ figures }) => {
      const [first] = Object.values(figures.latency);
      return first === undefined ? '–' : first.map(briefText).join(' · ');
    },
    trend: ({ trend }) => trend.samples.map(({ latency }) => latency),
  },
  {
    label: 'Late',
    hint: 'Records that some window refused, as it had closed',
    text: ({ trend }) => counted(trend.samples.at(-1)?.late ?? 0),
    trend: ({ trend }) => trend.samples.map(({ late }) => late),
    isTrouble: ({ trend }) => (trend.samples.at(-1)?.late ?? 0) > 0,
  },
  {
    label: 'Poison',
    hint: 'Records that could not be read, and were kept with the reason',
    text: ({ figures }) => counted(figures.poison),
    trend: ({ trend }) => trend.samples.map(({ poison }) => poison),
    isTrouble: ({ figures }) => figures.poison > 0,
  },
];

const [WIDTH, HEIGHT] = [120, 28];

/** The figures at the top, each with its last minute. */
export function figuresView() {
  const shown = FIGURES.map((figure) => {
    const value = h('dd', {}, '–');
    const line = svg('path', { class: 'line' });
    const area = svg('path', { class: 'area' });
    const trend = svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      area,
      line,
    );
    const element = h(
      'div',
      { class: 'figure', title: figure.hint },
      h('dt', {}, figure.label),
      value,
      trend,
    );
    return { figure, value, line, area, element };
  });
  const element = h(
    'dl',
    { class: 'figures', 'aria-label': 'Figures' },
    ...shown.map((figure) => figure.element),
  );
  return {
    element,
    update(model: LiveModel): void {
      element.hidden = model.figures.phase === 'asked';
      if (element.hidden) return;
      for (const { figure, value, line, area, element: box } of shown) {
        say(value, figure.text(model));
        box.classList.toggle('trouble', figure.isTrouble?.(model) ?? false);
        const path = pathOf(figure.trend(model));
        mark(line, 'd', path);
        mark(area, 'd', path && `${path}L${WIDTH},${HEIGHT}L0,${HEIGHT}Z`);
      }
    },
  };
}

function pathOf(values: readonly number[]): string {
  if (values.length < 2) return '';
  const most = Math.max(...values, 1e-9);
  return values
    .map((value, at) => {
      const x = (WIDTH * at) / (values.length - 1);
      const y = HEIGHT - 2 - ((HEIGHT - 4) * value) / most;
      return `${at === 0 ? 'M' : 'L'}${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join('');
}
