import type { LiveModel } from '../model/model.ts';
import { h, mark, say, svg } from './dom.ts';
import { counted } from './format.ts';

/** The pipeline as a drawing: its source, its windows, its sinks, and what went through each. */
export function drawingView(model: LiveModel, pickWindow: (window: number) => void) {
  const { source, windows, sinks } = model.shape;
  const lines = svg('svg', { class: 'lines', 'aria-hidden': 'true' });
  const node = (name: string, text: string, counts: readonly HTMLElement[]) => [
    h('strong', {}, name),
    ...(text === '' ? [] : [h('span', { class: 'what' }, text)]),
    ...counts,
  ];
  const count = () => h('span', { class: 'count' });
  const sourceCount = count();
  const sourceNode = h('div', { class: 'node source' }, ...node(source, 'source', [sourceCount]));
  const windowNodes = windows.map(({ name, text }, window) => {
    const [panes, late] = [count(), h('span', { class: 'count late' })];
    const element = h(
      'button',
      { type: 'button', class: 'node window', title: `Show window ${name}`, click: () => pickWindow(window) },
      ...node(name, text, [panes, late]),
    );
    return { name, element, panes, late };
  });
  const sinkNodes = sinks.map(({ name, unit }) => {
    const delivered = count();
    return {
      name,
      unit,
      delivered,
      element: h('div', { class: 'node sink' }, ...node(name, '', [delivered])),
    };
  });
  const column = (label: string, nodes: readonly HTMLElement[]) =>
    h('div', { class: 'column', role: 'group', 'aria-label': label }, ...nodes);
  const element = h(
    'section',
    { class: 'drawing', 'aria-label': 'The pipeline' },
    lines,
    column('Source', [sourceNode]),
    column(
      'Windows',
      windowNodes.map(({ element }) => element),
    ),
    column(
      'Sinks',
      sinkNodes.map(({ element }) => element),
    ),
  );
  const draw = (): void => {
    const frame = element.getBoundingClientRect();
    lines.setAttribute('viewBox', `0 0 ${frame.width} ${frame.height}`);
    const isNarrow = getComputedStyle(element).gridTemplateColumns.split(' ').length === 1;
    const edge = (of: Element, side: 'out' | 'in') => {
      const { left, right, top, bottom } = of.getBoundingClientRect();
      return isNarrow
        ? [(left + right) / 2 - frame.left, (side === 'out' ? bottom : top) - frame.top]
        : [(side === 'out' ? right : left) - frame.left, (top + bottom) / 2 - frame.top];
    };
    const link = (from: Element, to: Element) => {
      const [x1 = 0, y1 = 0] = edge(from, 'out');
      const [x2 = 0, y2 = 0] = edge(to, 'in');
      const bend = isNarrow
        ? `C${x1},${(y1 + y2) / 2} ${x2},${(y1 + y2) / 2}`
        : `C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2}`;
      return svg('path', { d: `M${x1},${y1}${bend} ${x2},${y2}` });
    };
    // One above another there is no room for a line from each window to each sink.
    const [first, last] = isNarrow ? [1, -1] : [undefined, 0];
    lines.replaceChildren(
      ...windowNodes.slice(0, first).map(({ element }) => link(sourceNode, element)),
      ...windowNodes
        .slice(last)
        .flatMap((window) => sinkNodes.slice(0, first).map((sink) => link(window.element, sink.element))),
    );
  };
  new ResizeObserver(draw).observe(element);
  let { committed } = model.figures;
  return {
    element,
    update({ figures }: LiveModel, chosen: number): void {
      if (figures.phase === 'asked') {
        for (const [at, { element }] of windowNodes.entries())
          mark(element, 'aria-pressed', String(at === chosen));
        return;
      }
      const { sent, committed: now } = figures;
      say(sourceCount, `${now < sent ? `${counted(now)} of ` : ''}${counted(Math.max(sent, now))} records`);
      for (const [at, { name, element, panes, late }] of windowNodes.entries()) {
        say(panes, `${counted(figures.emitted[name] ?? 0)} panes`);
        const refused = figures.late[name] ?? 0;
        say(late, refused > 0 ? `${counted(refused)} late` : '');
        mark(element, 'aria-pressed', String(at === chosen));
      }
      for (const { name, unit, delivered } of sinkNodes) {
        const received = figures.delivered[name];
        say(delivered, received === undefined ? unit : `${counted(received)} ${unit}`);
      }
      element.classList.toggle('flows', figures.committed > committed);
      committed = figures.committed;
    },
  };
}
