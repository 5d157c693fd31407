import { LiveModel } from '../model/model.ts';
import type { LiveEvent } from '../model/wire.ts';

const page = document.querySelector('#page') as HTMLElement;
let model: LiveModel | undefined;
new EventSource('live/events').onmessage = ({ data }) => {
  const event: LiveEvent = JSON.parse(data);
  if (event.kind === 'snapshot') model = new LiveModel(event.snapshot);
  else model?.apply(event);
  if (model === undefined) return;
  const { sent, committed, panes } = model.figures;
  page.textContent = `${model.shape.name}: ${sent} records sent, ${committed} committed, ${panes} panes`;
};
