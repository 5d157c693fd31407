import type { EpochMillis } from '../time.ts';

/**
 * Values and their event times, side by side, in the order of event time. Values of equal times keep the
 * order of their source.
 */
export type Timeline<Value> = readonly [times: readonly EpochMillis[], values: readonly Value[]];

/** A timeline that whoever holds it may change. */
export type OwnTimeline<Value> = readonly [times: EpochMillis[], values: Value[]];

/**
 * Inserts a value that is later in source order than all others. The cost grows with the number of values
 * after it.
 */
export function insert<Value>([times, values]: OwnTimeline<Value>, time: EpochMillis, value: Value): void {
  let place = times.length;
  while (place > 0 && (times[place - 1] as number) > time) place--;
  if (place === times.length) {
    times.push(time);
    values.push(value);
  } else {
    times.splice(place, 0, time);
    values.splice(place, 0, value);
  }
}

/**
 * Merges two timelines, neither of which is empty. Among equal times the values of the earlier timeline come
 * first.
 */
export function merge<Value>(earlier: Timeline<Value>, later: Timeline<Value>): OwnTimeline<Value> {
  const [timesA, valuesA] = earlier;
  const [timesB, valuesB] = later;
  if ((timesA.at(-1) as number) <= (timesB[0] as number)) {
    return [timesA.concat(timesB), valuesA.concat(valuesB)];
  }
  const times: EpochMillis[] = [];
  const values: Value[] = [];
  let taken = 0;
  const takeEarlier = (until: number): void => {
    for (; taken < timesA.length && (timesA[taken] as number) <= until; taken++) {
      times.push(timesA[taken] as EpochMillis);
      values.push(valuesA[taken] as Value);
    }
  };
  for (let place = 0; place < timesB.length; place++) {
    takeEarlier(timesB[place] as number);
    times.push(timesB[place] as EpochMillis);
    values.push(valuesB[place] as Value);
  }
  takeEarlier(Number.POSITIVE_INFINITY);
  return [times, values];
}
