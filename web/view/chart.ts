import uPlot from 'uplot';
import type { Mark, Standing } from '../model/chart.ts';
import type { OpenWindow } from '../model/open.ts';
import { h } from './dom.ts';
import { counted, instantText, untilText, valueText } from './format.ts';

export interface Plotted {
  readonly marks: readonly Mark[];
  readonly watermark: number | undefined;
  readonly open: readonly OpenWindow[];
  /** The name of the result, by which open windows have it. */
  readonly result: string;
  readonly label: string;
}

const WORDS: { readonly [Of in Standing]: string } = {
  early: 'early',
  final: 'final',
  revised: 'revised by a late record',
  retracted: 'retracted',
};

interface Colours extends Record<Standing, string> {
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly watermark: string;
  readonly surface: string;
}

/** The colours of the page as they are now: by its own switch, or as the machine is set. */
function coloursNow(): Colours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    early: of('final'),
    final: of('final'),
    revised: of('revised'),
    retracted: of('retracted'),
    ink: of('ink'),
    muted: of('muted'),
    line: of('line'),
    watermark: of('watermark'),
    surface: of('surface'),
  };
}

const FONT = '12px "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
/** How the axis of time is labelled, from a year on down to a millisecond: the step, its text, and a second line. */
const TIMES: uPlot.Axis.Values = [
  [31_536_000, '{YYYY}', null, null, null, null, null, null, 1],
  [2_419_200, '{YYYY}-{MM}', null, null, null, null, null, null, 1],
  [86_400, '{MM}-{DD}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{YYYY}-{MM}-{DD}', null, '\n{MM}-{DD}', null, null, null, 1],
  [
    0.001,
    ':{ss}.{fff}',
    '\n{YYYY}-{MM}-{DD} {HH}:{mm}',
    null,
    '\n{MM}-{DD} {HH}:{mm}',
    null,
    '\n{HH}:{mm}',
    null,
    1,
  ],
];

const HEIGHT = { wide: 340, narrow: 260 };

/** The panes of one series over event time. Dragging zooms in; a double click, or Escape, shows all again. */
export function chartView() {
  const tip = h('div', { class: 'tip', hidden: true });
  const element = h('div', { class: 'chart', role: 'img', tabindex: '0' }, tip);
  let plotted: Plotted = { marks: [], watermark: undefined, open: [], result: '', label: '' };
  let colours = coloursNow();
  let isZoomed = false;

  /** From the first pane to the last, the watermark and the windows that are open. */
  const range = (): [number, number] => {
    const { marks, watermark, open } = plotted;
    const first = marks[0]?.pane;
    const last = marks.at(-1)?.pane;
    if (first === undefined || last === undefined) return [0, 1];
    const from = Math.min(first.end, Math.max(first.start, last.end - (last.end - first.end) * 1.05));
    const until = Math.max(last.end, watermark ?? last.end, ...open.map(({ end }) => end));
    const pad = Math.max((until - from) / 50, 500);
    return [(from - pad) / 1_000, (until + pad) / 1_000];
  };

  const plot = new uPlot(
    {
      width: 600,
      height: HEIGHT.wide,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC'),
      legend: { show: false },
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false, setScale: true },
        bind: {
          dblclick: () => () => {
            showAll();
            return null;
          },
        },
      },
      scales: { x: { time: true, range: (_, from, until) => (isZoomed ? [from, until] : range()) } },
      axes: [
        { ...axis(64), values: TIMES },
        { ...axis(36), size: 64, values: (_, ticks) => ticks.map((tick) => valueText(tick)) },
      ],
      series: [
        {},
        { stroke: () => fade(colours.final, 0.4), width: 1.25, points: { show: false }, spanGaps: true },
      ],
      hooks: {
        setSelect: [
          ({ select }) => {
            isZoomed ||= select.width > 0;
          },
        ],
        drawClear: [drawOpen],
        draw: [drawWatermark, drawMarks],
        setCursor: [showTip],
      },
    },
    [[], []],
    element,
  );

  function axis(space: number): uPlot.Axis {
    return {
      stroke: () => colours.muted,
      font: FONT,
      space,
      grid: { stroke: () => colours.line, width: 1 },
      ticks: { show: false },
    };
  }

  function drawOpen({ ctx, bbox, valToPos }: uPlot): void {
    const { open, result } = plotted;
    ctx.save();
    for (const { start, end, results } of open) {
      const left = Math.max(bbox.left, valToPos(start / 1_000, 'x', true));
      const right = Math.min(bbox.left + bbox.width, valToPos(end / 1_000, 'x', true));
      if (right <= left) continue;
      ctx.fillStyle = fade(colours.watermark, 0.1);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      const value = results[result];
      if (typeof value !== 'number') continue;
      // What it would say if it closed now.
      ctx.strokeStyle = colours.watermark;
      ctx.lineWidth = 2 * devicePixelRatio;
      const y = valToPos(value, 'y', true);
      line(ctx, left, y, right, y);
    }
    ctx.restore();
  }

  /** Draws the watermark of the key, before which its windows are closed. */
  function drawWatermark({ ctx, bbox, valToPos }: uPlot): void {
    const { watermark } = plotted;
    if (watermark === undefined) return;
    const ratio = devicePixelRatio;
    const x = valToPos(watermark / 1_000, 'x', true);
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.save();
    ctx.strokeStyle = colours.watermark;
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([5 * ratio, 4 * ratio]);
    line(ctx, x, bbox.top, x, bbox.top + bbox.height);
    ctx.setLineDash([]);
    ctx.font = FONT.replace('12px', `${12 * ratio}px`);
    ctx.textAlign = x > bbox.left + bbox.width / 2 ? 'right' : 'left';
    const place = [x + (ctx.textAlign === 'right' ? -6 : 6) * ratio, bbox.top + 12 * ratio] as const;
    // What is below the word would make it hard to read.
    ctx.strokeStyle = colours.surface;
    ctx.lineWidth = 5 * ratio;
    ctx.lineJoin = 'round';
    ctx.strokeText('watermark', ...place);
    ctx.fillStyle = colours.watermark;
    ctx.fillText('watermark', ...place);
    ctx.restore();
  }

  function drawMarks({ ctx, bbox, valToPos }: uPlot): void {
    const ratio = devicePixelRatio;
    const size = (plotted.marks.length > 200 ? 2 : 3.5) * ratio;
    const place = (pane: Mark['pane'], value: number) => [
      valToPos(pane.end / 1_000, 'x', true),
      valToPos(value, 'y', true),
    ];
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left - size, bbox.top - size, bbox.width + 2 * size, bbox.height + 2 * size);
    ctx.clip();
    ctx.lineWidth = 1.5 * ratio;
    for (const { pane, standing, value, before } of plotted.marks) {
      if (value === null) continue;
      const colour = colours[standing];
      const [x = 0, y = 0] = place(pane, value);
      ctx.strokeStyle = colour;
      ctx.fillStyle = standing === 'early' ? colours.surface : colour;
      const left = valToPos(pane.start / 1_000, 'x', true);
      // The span of a window, where it is wide enough to be seen.
      if (x - left > 6 * size && pane.kind !== 'rolling' && pane.kind !== 'running') {
        ctx.globalAlpha = 0.4;
        line(ctx, left, y, x, y);
        ctx.globalAlpha = 1;
      }
      if (before !== null) {
        const [, was = 0] = place(pane, before);
        ctx.setLineDash([2 * ratio, 2 * ratio]);
        line(ctx, x, was, x, y);
        ctx.setLineDash([]);
        ring(ctx, x, was, size * 0.8);
      }
      if (standing === 'revised') diamond(ctx, x, y, size * 1.45);
      else if (standing === 'retracted') cross(ctx, x, y, size);
      else {
        ctx.beginPath();
        ctx.arc(x, y, size, 0, 2 * Math.PI);
        ctx.fill();
        if (standing === 'early') ctx.stroke();
      }
    }
    ctx.restore();
  }

  function showTip({ cursor, posToVal, over }: uPlot): void {
    const { left = -1 } = cursor;
    const at = left < 0 ? Number.NaN : posToVal(left, 'x') * 1_000;
    const nearest = plotted.marks.reduce<Mark | undefined>(
      (best, mark) =>
        mark.value !== null && (!best || Math.abs(mark.pane.end - at) < Math.abs(best.pane.end - at))
          ? mark
          : best,
      undefined,
    );
    tip.hidden = Number.isNaN(at) || nearest === undefined;
    if (nearest === undefined || tip.hidden) return;
    const { pane, value, standing, before } = nearest;
    tip.replaceChildren(
      h('strong', {}, valueText(value)),
      ...(before === null ? [] : [h('s', {}, valueText(before))]),
      h('span', { class: standing }, WORDS[standing]),
      h('span', {}, `${instantText(pane.start)} – ${untilText(pane.start, pane.end)}`),
      h(
        'span',
        {},
        `${counted(pane.count)} ${pane.count === 1 ? 'record' : 'records'}${pane.revision > 0 ? `, revision ${pane.revision}` : ''}`,
      ),
    );
    const x = plot.valToPos(pane.end / 1_000, 'x');
    tip.style.setProperty('left', `${over.offsetLeft + x}px`);
    tip.classList.toggle('before', x > over.clientWidth / 2);
  }

  function showAll(): void {
    isZoomed = false;
    show(plotted);
  }

  function show(now: Plotted): void {
    plotted = now;
    const x = now.marks.map(({ pane }) => pane.end / 1_000);
    const y = now.marks.map(({ standing, value }) => (standing === 'retracted' ? null : value));
    plot.setData([x, y], !isZoomed);
    if (isZoomed) plot.redraw();
    // Axes of nothing would tell of 1970.
    element.classList.toggle(
      'blank',
      now.marks.every(({ value }) => value === null),
    );
    if (element.ariaLabel !== now.label) element.ariaLabel = now.label;
  }

  const resize = (): void => {
    const width = element.clientWidth;
    if (width > 0) plot.setSize({ width, height: width < 560 ? HEIGHT.narrow : HEIGHT.wide });
  };
  new ResizeObserver(resize).observe(element);
  element.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') showAll();
  });

  return {
    element,
    show,
    showAll,
    /** Draws it in the colours that the page has now. */
    recolour(): void {
      colours = coloursNow();
      plot.redraw();
    },
    /** What the chart shows, as it was given to the library that draws it. */
    get data() {
      return plot.data;
    },
  };
}

/** A colour of the form `#rrggbb` that lets some of what is below it through. */
const fade = (colour: string, share: number): string =>
  `${colour}${Math.round(share * 255)
    .toString(16)
    .padStart(2, '0')}`;

function line(ctx: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}

function ring(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.stroke();
}

function diamond(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  ctx.beginPath();
  ctx.moveTo(x, y - radius);
  ctx.lineTo(x + radius, y);
  ctx.lineTo(x, y + radius);
  ctx.lineTo(x - radius, y);
  ctx.closePath();
  ctx.fill();
}

function cross(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  line(ctx, x - radius, y - radius, x + radius, y + radius);
  line(ctx, x - radius, y + radius, x + radius, y - radius);
}
