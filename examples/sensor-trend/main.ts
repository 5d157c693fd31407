import { runToEnd } from '../local-run.ts';
import { tanks } from './pipeline.ts';
import { readings } from './readings.ts';

const panes = await runToEnd(tanks, readings());
const hours = new Map(panes.map((pane) => [`${pane.window} ${pane.key} ${pane.end}`, pane]));

for (const tank of ['greenhouse', 'stable']) {
  console.log(`${tank}\n  until  drawn today  level by the hour  empty`);
  for (let hour = 1; hour <= 12; hour++) {
    const end = new Date(Date.UTC(2026, 5, 1, hour)).toISOString();
    const today = hours.get(`today ${tank} ${end}`);
    const trend = hours.get(`trend ${tank} ${end}`);
    if (today?.window !== 'today' || trend?.window !== 'trend') continue;
    const { perHour, hoursLeft } = trend.results;
    const drawn = `${today.results.drawn.toFixed(0)} l`.padStart(11);
    const change = `${perHour.toFixed(0)} l`.padStart(17);
    const empty = hoursLeft === null ? 'never' : `in ${hoursLeft.toFixed(1)} h`;
    console.log(`  ${end.slice(11, 16)}  ${drawn}  ${change}  ${empty}`);
  }
}
